"""One selection, followed for as long as anybody wants it.

A stream that waits for commits can rest for days inside of a call that nothing interrupts. So it is
read by a thread of its own: whoever iterates waits in Python instead, where Ctrl-C, `close` from
another thread and an event loop can reach it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

import pyarrow as pa
from google.protobuf.message import DecodeError

from flightstore._connection import Connection, ReadStream
from flightstore._identity import Runs
from flightstore._live.batch import Deleted, LiveBatch
from flightstore._live.bridge import Bridge, Frontier
from flightstore._live.position import Position
from flightstore._live.selection import Selection
from flightstore._live.times import Times
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import (
    FlightstoreError,
    InternalError,
    Lagged,
    Overloaded,
    Unavailable,
)

_PAUSE_MIN, _PAUSE_MAX = 0.1, 5.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a follower hands over: a batch, how far it has come, or the error that ended it."""

    follower: int
    batch: LiveBatch | None = None
    lsn: int | None = None
    error: FlightstoreError | None = None


class Follower:
    """Reads the stream of `selection`, reconnects, resumes and bridges; number `number` of several.

    `opened` is done when the server has accepted the first stream, or failed with its error. All
    else goes to `deliver`, which answers False when nobody wants it any more.
    """

    def __init__(
        self,
        connection: Connection,
        selection: Selection,
        number: int,
        deliver: Callable[[Arrival], bool],
        *,
        on_lag: str,
        reconnect_seconds: float | None,
    ) -> None:
        self.opened: Future[None] = Future()
        self.opened.set_running_or_notify_cancel()  # from now on a cancelled `await` cannot
        self._connection, self._selection, self._number = connection, selection, number
        self._deliver, self._patience = deliver, reconnect_seconds
        self._position = Position(selection.request())
        self._frontier = Frontier(selection.dataset) if on_lag == "bridge" else None
        self._bridge: Bridge | None = None
        self._pauses = connection.retry.pauses()
        self._stopping = threading.Event()
        self._stream: ReadStream | None = None
        self._thread = threading.Thread(target=self._run, name="flightstore-live", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Have the thread end soon. Waits for nothing."""
        self._stopping.set()
        if (stream := self._stream) is not None:
            stream.cancel()

    def _run(self) -> None:
        error: FlightstoreError = InternalError("The thread that follows a stream has died.")
        try:
            while not self._stopping.is_set():
                self._follow_or_recover()
            error = Unavailable("The live stream was closed.")
        except FlightstoreError as found:
            error = found
        except DecodeError:
            error = InternalError("What the server says about a live batch cannot be read.")
        finally:
            if not self.opened.done():
                self.opened.set_exception(error)
            self._deliver(Arrival(self._number, error=error))

    def _follow_or_recover(self) -> None:
        try:
            self._follow()
        except Lagged:
            if not self._bridged():
                raise
        except (Unavailable, Overloaded) as error:
            if isinstance(error, Overloaded) and not self.opened.done():
                raise
            pause = next(self._pauses, None)
            if pause is None:
                raise
            self._stopping.wait(pause)

    def _follow(self) -> None:
        """Read one stream until it breaks."""
        ticket = pb.Ticket(subscribe=self._position.request()).SerializeToString()
        stream = self._connection.open_read(ticket, deadline="live")
        self._stream = stream
        try:
            if self._stopping.is_set():  # it was too early for `stop` to cancel it
                return
            if not self.opened.done():
                self._pauses = self._reconnecting()
                self.opened.set_result(None)
            names: list[str] = []
            for batch, metadata in stream:
                self._pauses = self._reconnecting()
                if not self._arrived(stream.schema, batch, metadata, names):
                    return
        finally:
            stream.cancel()
        raise Unavailable(f"The server at {self._connection.uri} ended a live stream.")

    def _reconnecting(self) -> Iterator[float]:
        """Seconds to wait before each further try; `reconnect_seconds` count from the first."""
        began, pause = time.monotonic(), max(self._connection.retry.backoff, _PAUSE_MIN)
        while self._patience is None or time.monotonic() - began < self._patience:
            yield pause
            pause = min(2 * pause, _PAUSE_MAX)

    def _bridged(self) -> bool:
        """Have the next stream begin where the rows that were delivered end, if that may be."""
        if self._frontier is None or self._position.is_fresh:
            return False
        lowest, start = self._frontier.lowest, self._position.start
        if not self._position.history and lowest is not None:
            start = lowest if start is None else max(lowest, start)
        if start is None:
            return False
        self._position.begin_again(start)
        self._bridge = self._frontier.bridge()
        return True

    def _arrived(
        self, schema: pa.Schema, batch: pa.RecordBatch | None, metadata: bytes, names: list[str]
    ) -> bool:
        """Hand over one message of a stream; False if nobody wants it any more."""
        if batch is None:
            batch = pa.RecordBatch.from_pylist([], schema)
        said = pb.LiveBatch.FromString(metadata)
        names.extend(said.instruments)
        runs = Runs(names)
        runs.add(said, batch.num_rows)
        deletes = [_deleted(gone, names) for gone in said.deletes]
        self._position.note(said, runs, Times(batch))
        made = self._made(said, batch.replace_schema_metadata(None), runs, deletes)
        wanted = made if len(made) or deletes else None
        return self._deliver(Arrival(self._number, wanted, self._position.lsn))

    def _made(
        self, said: pb.LiveBatch, batch: pa.RecordBatch, runs: Runs, deletes: list[Deleted]
    ) -> LiveBatch:
        if not said.history:
            self._bridge = None
        elif self._bridge is not None:
            batch, runs = self._bridge.unseen(batch, runs)
        if self._frontier is not None:
            for gone in deletes:
                if gone.is_whole_series:
                    self._frontier.forget(gone.instrument)
            self._frontier.note(batch, runs)
        return LiveBatch(
            said.lsn, said.history, self._bridge is not None,
            self._selection.dataset, self._selection.timeframe, deletes,
            batch, runs.only_own(), self._selection.is_single,
        )  # fmt: skip


def _deleted(gone: pb.LiveDelete, names: list[str]) -> Deleted:
    if gone.series >= len(names):
        raise InternalError("The server deleted rows of an instrument that it did not name.")
    span = gone.range
    return Deleted(
        names[gone.series],
        span.start if span.HasField("start") else None,
        span.end if span.HasField("end") else None,
    )
