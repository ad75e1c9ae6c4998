"""One trigger at work: it follows the log from its own position, in a thread of its own.

A batch counts as dealt with when the process has said so; only then does the position move on. So
what was dealt with shortly before a crash comes again, and nothing is left out. What fails is tried
again, later and later, for ever: a trigger waits for its owner rather than lose anything.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Protocol

import pyarrow as pa

from flightstore_proto.errors import FlightstoreError, Lagged, Unavailable, UnknownDataset
from flightstore_proto.schemas import BATCH_ROWS_MAX
from flightstore_server.engine.updates import Update
from flightstore_server.triggers.child import Child, Failed, Gone
from flightstore_server.triggers.interface import TriggerBatch
from flightstore_server.triggers.spec import TriggerSpec

log = logging.getLogger(__name__)
_PAUSE_SECONDS = 0.5
_PAUSE_SECONDS_MAX = 30.0
# How often a trigger that waits for news looks whether the server is stopping.
_LOOK_SECONDS = 0.2
_EXIT_SECONDS = 1.0
# About how much is taken from the log at once.
UPDATE_BYTES = 1 << 20


class Follower(Protocol):
    """What is needed of an UpdateFollower."""

    lsn: int

    def take(self, seconds: float, *, bytes_max: int) -> Update | None: ...


class Source(Protocol):
    """The store, as far as a trigger sees it."""

    def follow(self, spec: TriggerSpec, after_lsn: int) -> Follower:
        """What changes after `after_lsn` in the series that `spec` names. Raises UnknownDataset."""

    def newest(self) -> int:
        """The position after the newest record."""

    def oldest(self) -> int:
        """The position before the oldest record that the log still has."""

    def reached(self, name: str, lsn: int) -> None:
        """Remember the position of `name`."""


class TriggerRunner:
    """A consumer of the log (engine/consumers.py) that calls a class of the user's own."""

    kind = "trigger"

    def __init__(self, spec: TriggerSpec, source: Source, after_lsn: int) -> None:
        self.name = spec.consumer
        self.lsn = after_lsn
        self.state = "waiting"
        self.errors = 0
        self._spec = spec
        self._source = source
        self._failure = ""
        self._missed = ""
        self._follower: Follower | None = None
        self._bytes_max = UPDATE_BYTES
        self._child: Child | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    @property
    def error(self) -> str:
        """What keeps it from going on; else what it missed since the server started, if any."""
        return self._failure or self._missed

    def start(self) -> None:
        self._thread.start()

    def begin_to_stop(self) -> None:
        """Let the batch under way be dealt with, and take no other. Does not wait."""
        self._stopping.set()
        child = self._child
        if child is not None:
            child.finish()

    def stop(self, seconds: float) -> None:
        """Stop, and end the process if it takes longer than `seconds`."""
        self.begin_to_stop()
        self._thread.join(seconds)
        child = self._child
        if self._thread.is_alive() and child is not None:
            child.kill()
            self._thread.join(_EXIT_SECONDS)

    def _run(self) -> None:
        try:
            self._patiently(self._ready)  # a wrong class shows now, not with the first row
            while not self._stopping.is_set():
                self._step()
        except Unavailable:
            pass  # the server is stopping
        except FlightstoreError as error:
            self._give_up(error.message)
            log.error("%s has stopped: %s", self.name, error.message)
        except Exception as error:
            self._give_up(f"{type(error).__name__}: {error}")
            log.exception("%s has stopped", self.name)
        finally:
            self.state = "stopped"
            self._end_child(_EXIT_SECONDS)

    def _step(self) -> None:
        """Wait a moment for news, and deal with them."""
        self.state = "waiting"
        newest = self._source.newest()
        try:
            follower = self._following()
            update = follower.take(_LOOK_SECONDS, bytes_max=self._bytes_max)
        except UnknownDataset as error:
            self._failure = error.message
            self._reach(newest)  # nothing up to there was for a dataset that is not there yet
            self._stopping.wait(_LOOK_SECONDS)
            return
        except Lagged as error:
            self._pass_over(error)
            return
        if update is not None and not all(map(self._deliver, batches_of(update))):
            return  # the server is stopping
        self._reach(follower.lsn if update is None else update.lsn)

    def _following(self) -> Follower:
        if self._follower is None:
            self._follower = self._source.follow(self._spec, self.lsn)
            self._failure = ""
        return self._follower

    def _pass_over(self, error: Lagged) -> None:
        """Go on after what the log cannot tell any more, and say what that is."""
        self._follower = None
        tail = self._source.oldest()
        if tail <= self.lsn and self._bytes_max > 1:
            self._bytes_max = 1  # it is one of the records that it has: take them one by one
            return
        end = max(tail, self.lsn + 1)
        self._missed = f"Records {self.lsn + 1} to {end} were missed: {error.message}"
        self.errors += 1
        log.error("%s: %s", self.name, self._missed)
        self._bytes_max = UPDATE_BYTES
        self._reach(end)

    def _reach(self, lsn: int) -> None:
        if lsn > self.lsn:
            self._source.reached(self.name, lsn)
            self.lsn = lsn

    def _deliver(self, batch: TriggerBatch) -> bool:
        """Have `batch` dealt with, however long it takes; False if the server stops before."""
        self.state = "running"
        return self._patiently(lambda: self._ready().deal_with(batch))

    def _patiently(self, work: Callable[[], object]) -> bool:
        """Do `work` until it succeeds; False if the server stops before."""
        pause = _PAUSE_SECONDS
        while not self._stopping.is_set():
            try:
                work()
            except Failed as failure:
                self._failed(failure)
                self._stopping.wait(pause)
                pause = min(2 * pause, _PAUSE_SECONDS_MAX)
            else:
                self._failure = ""
                return True
        return False

    def _failed(self, failure: Failed) -> None:
        if isinstance(failure, Gone):
            self._end_child(0.0)
        if self._stopping.is_set():
            return
        known = failure.sentence == self._failure
        self.state, self._failure = "retrying", failure.sentence
        self.errors += 1
        # The details once: the same error may come every half minute for days.
        details = "" if known or not failure.details else f"\n{failure.details}"
        log.error("%s failed, and is tried again: %s%s", self.name, failure.sentence, details)

    def _ready(self) -> Child:
        """The process, with the trigger made. Raises Failed."""
        if self._child is not None:
            return self._child
        child = self._child = Child(self.name, self._spec.timeout_seconds)
        if self._stopping.is_set():  # which did not see this one
            child.finish()
        try:
            child.make(self._spec.run, self._spec.options)
        except Failed as failure:
            raise Gone(failure.sentence, failure.details) from None
        return child

    def _end_child(self, seconds: float) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end(seconds)

    def _give_up(self, sentence: str) -> None:
        self.errors += 1
        self._failure = sentence


def batches_of(update: Update) -> Iterator[TriggerBatch]:
    """What `update` says, one series at a time: deletions first, then rows in pieces."""
    for series, start, end in update.deletes:
        words = (series.dataset.name, str(series.instrument), series.timeframe_text)
        none = pa.RecordBatch.from_pylist([], series.dataset.schema)
        yield TriggerBatch(*words, update.lsn, none, (start, end))
    for series, rows in update.runs:
        words = (series.dataset.name, str(series.instrument), series.timeframe_text)
        for offset in range(0, rows.num_rows, BATCH_ROWS_MAX):
            yield TriggerBatch(*words, update.lsn, rows.slice(offset, BATCH_ROWS_MAX))
