"""Acknowledgements: what the server says about a put, now or later."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import DeadlineExceeded


@dataclass(frozen=True, slots=True)
class WriteAck:
    """The rows are durable and every new read sees them.

    lsn         log sequence number under which they are
    rows        rows received (for a delete: rows removed)
    duplicates  rows replaced by a later row of the same put with the same key
    """

    lsn: int
    rows: int
    duplicates: int = 0

    @classmethod
    def of(cls, message: pb.WriteAck) -> WriteAck:
        return cls(message.lsn, message.rows, message.duplicates)

    @classmethod
    def together(cls, acks: Sequence[WriteAck]) -> WriteAck:
        """One acknowledgement for puts that were sent one after another."""
        return cls(
            max(ack.lsn for ack in acks),
            sum(ack.rows for ack in acks),
            sum(ack.duplicates for ack in acks),
        )


class PendingAck:
    """An acknowledgement that is still to come. Wait for it with `result`, or `await` it."""

    def __init__(self, parts: Sequence[Future[WriteAck]], patience: float) -> None:
        # A frame too large for one put was sent as several.
        self._parts, self._patience = parts, patience

    @property
    def done(self) -> bool:
        """Whether `result` would answer at once."""
        return all(part.done() for part in self._parts)

    def result(self, timeout: float | None = None) -> WriteAck:
        """The acknowledgement, or the error the put failed with.

        Waits `timeout` seconds, by default `Timeout.write`; then raises DeadlineExceeded, and the
        put may still be acknowledged later.
        """
        patience = self._patience if timeout is None else timeout
        try:
            return WriteAck.together([part.result(patience) for part in self._parts])
        except FutureTimeout:
            raise DeadlineExceeded(
                f"The server has not acknowledged the put within {patience:g} s."
            ) from None

    def __await__(self) -> Generator[object, None, WriteAck]:
        parts = yield from asyncio.gather(*map(asyncio.wrap_future, self._parts)).__await__()
        return WriteAck.together(parts)
