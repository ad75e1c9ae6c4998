"""Calls under observation: how many, what each was sent, how long it took, how it ended.

A handler begins a call. Whatever is made while the handler runs belongs to that call, so that
nothing in between has to hand it on: the streams that it returns count what they send, and end it.

The access log is here, too: each call that ends is a line at debug level, and a warning where it
took longer than the configuration's `log_slow_seconds`. Neither says what was asked for.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TypeVar

import pyarrow as pa
import pyarrow.flight as fl

from flightstore_proto.errors import FlightstoreError, InternalError
from flightstore_server.engine.counters import Served

log = logging.getLogger(__name__)
T = TypeVar("T")
_VALUE_BYTES = 8
# They last as long as their client likes.
_UNENDING = frozenset({"put", "subscribe", "replicate"})


class Call:
    """One call from its beginning on."""

    __slots__ = (
        "_ended",
        "_peer",
        "_served",
        "_started",
        "bytes",
        "code",
        "kind",
        "rows",
    )

    def __init__(self, served: Served, kind: str, peer: str) -> None:
        self._served = served
        self._peer = peer
        self._started = time.perf_counter()
        self._ended = False
        self.kind = kind
        self.code = ""
        self.rows = self.bytes = 0

    def sent(self, rows: int, size: int) -> None:
        """A batch has gone out."""
        self.rows += rows
        self.bytes += size
        self._served.sent(self.kind, rows, size)

    def failed(self, error: Exception) -> None:
        """The call ends with `error`, as it was before anything made it fit for the wire."""
        self.code = (error if isinstance(error, FlightstoreError) else InternalError).code
        self._served.failed(self.code)

    def end(self) -> None:
        """Nothing more is sent. Harmless if it has ended already."""
        if self._ended:
            return
        self._ended = True
        seconds = time.perf_counter() - self._started
        self._served.ended(self.kind, seconds)
        slow = self.kind not in _UNENDING and 0 < self._served.slow_seconds <= seconds
        level = logging.WARNING if slow else logging.DEBUG
        if log.isEnabledFor(level):
            self._say(level, seconds)

    def __enter__(self) -> Call:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _say(self, level: int, seconds: float) -> None:
        fields = {
            "kind": self.kind,
            "peer": self._peer,
            "rows": self.rows,
            "bytes": self.bytes,
            "seconds": round(seconds, 6),
            "code": self.code or "ok",
        }
        log.log(
            level,
            "%s of %s: %d rows, about %d bytes in %.3f s, %s",
            *(self.kind, self._peer, self.rows, self.bytes, seconds, self.code or "ok"),
            extra={"fields": fields},
        )


_current: ContextVar[Call | None] = ContextVar("call", default=None)


def begin(served: Served, kind: str, context: fl.ServerCallContext) -> Call:
    """Begin to observe the call that this thread handles."""
    call = Call(served, kind, context.peer())
    _current.set(call)
    return call


def failed(error: Exception) -> None:
    """The call that this thread handles ends with `error`."""
    call = _current.get()
    if call is not None:
        call.failed(error)
        call.end()


def observed(items: Iterator[T]) -> Iterator[T]:
    """`items` of the call that is handled now, counted as they are sent; their end is its end."""
    call = _current.get()
    return items if call is None else _counted(items, call)


def _counted(items: Iterator[T], call: Call) -> Iterator[T]:
    try:
        for item in items:
            rows = item[0] if isinstance(item, tuple) else item
            if isinstance(rows, pa.RecordBatch):
                call.sent(rows.num_rows, _about_bytes(rows))
            yield item
    except Exception as error:
        call.failed(error)
        raise
    finally:
        call.end()


def table_stream(table: pa.Table) -> fl.RecordBatchStream:
    """All of `table`: Arrow sends it without coming back here, so it counts as sent at once."""
    call = _current.get()
    if call is not None:
        call.sent(table.num_rows, _about_bytes(table))
        call.end()
    return fl.RecordBatchStream(table)


def _about_bytes(rows: pa.RecordBatch | pa.Table) -> int:
    # To be told how many they are takes Arrow longer than to send a few rows.
    return int(rows.num_rows * rows.num_columns * _VALUE_BYTES)
