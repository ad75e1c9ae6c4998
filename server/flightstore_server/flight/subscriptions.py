"""DoGet with a SubscribeRequest: a stream without end, whose batches say what they are."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.flight as fl

from flightstore_proto import flightstore_pb2 as pb
from flightstore_server.engine.subscriptions import Message, Subscription
from flightstore_server.flight.callers import Caller
from flightstore_server.flight.errors import guarded_stream
from flightstore_server.flight.requests import subscription_of

Sent = tuple[pa.RecordBatch, pa.Buffer]


def live_stream(
    caller: Caller, request: pb.SubscribeRequest, context: fl.ServerCallContext
) -> fl.FlightDataStream:
    """Everything that `request` asks for, until its client or its token is gone, or the server."""
    subscription = caller.subscribe(subscription_of(request))
    batches = _batches(subscription, caller, context)
    return fl.GeneratorStream(subscription.schema, guarded_stream(batches))


def _batches(
    subscription: Subscription, caller: Caller, context: fl.ServerCallContext
) -> Iterator[Sent]:
    def is_gone() -> bool:
        caller.check()
        return bool(context.is_cancelled())

    ordinals = Ordinals()
    empty = pa.RecordBatch.from_arrays(
        [pa.array([], field.type) for field in subscription.schema], schema=subscription.schema
    )
    for message in subscription.messages(is_gone):
        caller.check()
        rows = empty if message.piece is None else message.piece.rows
        yield rows, pa.py_buffer(ordinals.described(message).SerializeToString())


class Ordinals:
    """The numbers that stand for instruments in one stream."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def described(self, message: Message) -> pb.LiveBatch:
        """What the wire says of `message`, with the names that are new in it."""
        batch = pb.LiveBatch(lsn=message.lsn, history=message.history)
        for name, low, high in message.deletes:
            gone = batch.deletes.add(series=self._of(name, batch))
            if low is not None:
                gone.range.start = low
            if high is not None:
                gone.range.end = high
        for name, rows in () if message.piece is None else message.piece.runs:
            batch.series.append(self._of(name, batch))
            batch.rows.append(rows)
        return batch

    def _of(self, name: str, batch: pb.LiveBatch) -> int:
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = len(self._known)
            batch.instruments.append(name)
        return known
