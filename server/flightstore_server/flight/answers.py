"""An answer of SQL on its way to a client: query and call, each ends with the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.flight as fl

from flightstore_server.sql.engine import Answer

Guard = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


class Call:
    """A call that may be asked whether it was cancelled, also when it is over.

    pyarrow's context is gone by then, and asking it is not safe.
    """

    def __init__(self, context: fl.ServerCallContext) -> None:
        self._context: fl.ServerCallContext | None = context
        self._lock = threading.Lock()

    def cancelled(self) -> bool:
        """Whether nobody waits for the answer any more."""
        with self._lock:
            return self._context is None or bool(self._context.is_cancelled())

    def end(self) -> None:
        """Nothing is asked of the context from here on."""
        with self._lock:
            self._context = None


def answer_stream(
    context: fl.ServerCallContext, begin: Callable[[Callable[[], bool]], Answer], guard: Guard
) -> fl.FlightDataStream:
    """The answer that `begin` begins, given a way to learn that it was cancelled."""
    call = Call(context)
    try:
        answer = begin(call.cancelled)
    except BaseException:
        call.end()
        raise
    batches = _batches(answer, call)
    next(batches)
    return fl.GeneratorStream(answer.schema, guard(batches))


def _batches(answer: Answer, call: Call) -> Iterator[pa.RecordBatch]:
    try:
        # Up to here it is run at once: what was never begun would not come to its end either, if
        # the client goes away before the first row.
        yield None
        yield from answer.batches
    finally:
        answer.close()
        call.end()
