"""Rows that were sent and not yet committed: how many bytes there are, and for how long.

All open puts share `gather_bytes_max`. Whoever sends rows and then neither more nor a commit would
hold its share for ever, so after `put_idle_seconds` its rows are dropped, and it is told when it
goes on. A put of which nothing was committed leaves no trace anyway.
"""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections.abc import Callable

import pyarrow as pa

from flightstore_proto.errors import Overloaded

# What a batch takes beside its columns, however few rows it has.
_BATCH_BYTES = 4096


class Gathered:
    """The rows of one put, as they come."""

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering
        self._batches: list[pa.RecordBatch] = []
        self._given_up = False
        self.bytes = 0
        self.touched = 0.0

    def add(self, batch: pa.RecordBatch) -> None:
        """One batch more. Raises Overloaded if all puts have too much, or this one was idle."""
        size = held_bytes(batch)
        with self._gathering.lock:
            self._check_held()
            self._gathering.reserve(size)
            self._batches.append(batch)
            self.bytes += size
            self.touched = self._gathering.clock()

    def committed(self) -> list[pa.RecordBatch]:
        """The batches, kept until drop() however long that takes. Raises Overloaded if idle."""
        with self._gathering.lock:
            self._check_held()
            self.touched = math.inf
            return list(self._batches)

    def drop(self) -> None:
        """Let go of what came. Harmless if there is nothing."""
        with self._gathering.lock:
            self._empty()

    def give_up_if_idle(self, before: float) -> None:
        """Drop the rows if the newest came before that moment. Under the gathering's lock."""
        if self._batches and self.touched < before:
            self._given_up = True
            self._empty()

    def _empty(self) -> None:
        self._batches = []
        self._gathering.bytes -= self.bytes
        self.bytes = 0

    def _check_held(self) -> None:
        if self._given_up:
            raise Overloaded(
                f"The put sent nothing for {self._gathering.idle_seconds:g} s and was given up "
                "(limits.put_idle_seconds); nothing of it was written, send it again."
            )


class Gathering:
    """All puts of a server that are being sent."""

    def __init__(
        self, bytes_max: int, idle_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.bytes_max = bytes_max
        self.idle_seconds = idle_seconds
        self.clock = clock
        self.lock = threading.Lock()
        self.bytes = 0
        self._open: weakref.WeakSet[Gathered] = weakref.WeakSet()

    def begin(self) -> Gathered:
        """A put without rows."""
        gathered = Gathered(self)
        with self.lock:
            self._open.add(gathered)
        return gathered

    def reserve(self, size: int) -> None:
        """Count `size` bytes more, under the lock. Raises Overloaded if they do not fit."""
        if self.bytes + size > self.bytes_max:
            raise Overloaded(
                f"Puts that are being sent have {self.bytes} bytes already, and {self.bytes_max} "
                "are the most (limits.gather_bytes_max); try again later, in smaller puts, or "
                "raise the limit."
            )
        self.bytes += size

    def give_up_idle(self) -> None:
        """Drop the rows of puts that have sent nothing for too long."""
        before = self.clock() - self.idle_seconds
        with self.lock:
            for gathered in list(self._open):
                gathered.give_up_if_idle(before)


def held_bytes(batch: pa.RecordBatch) -> int:
    """The memory that `batch` keeps: of the messages its columns lie in, not only of its rows."""
    messages: dict[int, int] = {}
    for column in batch.columns:
        for buffer in filter(None, column.buffers()):
            whole = buffer.parent or buffer
            messages[whole.address] = whole.size
    return sum(messages.values()) + _BATCH_BYTES
