"""Live: rows as they are committed, from one selection or several."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import TimeoutError as FutureTimeout

from flightstore._closing import Closing
from flightstore._live.batch import LiveBatch
from flightstore._live.stream import LiveStream


class Live(Iterator[LiveBatch], Closing):
    """A stream without an end, from `Client.live`; an iterator and a context manager of LiveBatch.

    It ends (StopIteration) when it or its client is closed, in this thread or another, and with an
    error when it cannot go on. Iterate in one thread. Forgotten, it closes itself.
    """

    def __init__(self, stream: LiveStream) -> None:
        self._stream = stream

    @property
    def lsn(self) -> int | None:
        """Everything up to it was handed out, by every selection; None while histories last.

        It also moves while nothing is committed that the selection holds, so that a program that
        keeps it and goes on later, with `after_lsn`, is as near the end of the log as can be.
        """
        return self._stream.lsn

    def __next__(self) -> LiveBatch:
        while (arrival := self._stream.arrivals.take()) is not None:
            if (batch := self._stream.accept(arrival)) is not None:
                return batch
        raise StopIteration

    def close(self) -> None:
        """Stop following: an iteration under way ends at once. Closing twice is harmless."""
        self._stream.close()


def opened(live: Live) -> Live:
    """`live` when the server has accepted all its selections; raises what it refuses one with."""
    stream = live._stream
    try:
        for accepted in stream.opened:
            accepted.result(stream.patience)
    except FutureTimeout:
        stream.close()
        raise stream.unanswered() from None
    except BaseException:
        stream.close()
        raise
    return live
