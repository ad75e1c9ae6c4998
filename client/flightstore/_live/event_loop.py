"""The live stream for an event loop, which never waits in a thread of the loop's executor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from types import TracebackType

from flightstore._live.batch import LiveBatch
from flightstore._live.iterator import Live
from flightstore._live.stream import LiveStream


class AsyncLive(AsyncIterator[LiveBatch]):
    """Live for an event loop: `async for batch in db.live(...)`; an asynchronous context manager.

    `async with` returns when the server has accepted the stream, the iteration at its first batch.
    Cancelling a task that waits for a batch closes the stream.
    """

    def __init__(self, sync: Live) -> None:
        self._stream = sync._stream
        self._arrived: asyncio.Event | None = None

    @property
    def lsn(self) -> int | None:
        """As `Live.lsn`."""
        return self._stream.lsn

    async def __anext__(self) -> LiveBatch:
        try:
            arrived = await self._opened()
            while True:
                # Before looking: what comes afterwards sets it again.
                arrived.clear()
                if (arrival := self._stream.arrivals.poll()) is None:
                    if self._stream.arrivals.closed:
                        raise StopAsyncIteration
                    await arrived.wait()
                elif (batch := self._stream.accept(arrival)) is not None:
                    return batch
        except asyncio.CancelledError:
            self._stream.close()
            raise

    async def _opened(self) -> asyncio.Event:
        """What is set when something may have arrived; waits until the stream is open."""
        if self._arrived is None:
            opened = asyncio.gather(*map(asyncio.wrap_future, self._stream.opened))
            try:
                # Not wait_for: up to Python 3.11 it forgets a cancellation that meets the answer.
                async with asyncio.timeout(self._stream.patience):
                    await opened
            except TimeoutError:
                self._stream.close()
                raise self._stream.unanswered() from None
            except BaseException:
                self._stream.close()
                raise
            self._arrived = _told_of_arrivals(self._stream)
        return self._arrived

    async def close(self) -> None:
        """Stop following. Waits for nothing; closing twice is harmless."""
        self._stream.close()

    aclose = close  # what contextlib.aclosing calls

    async def __aenter__(self) -> AsyncLive:
        await self._opened()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()


def _told_of_arrivals(stream: LiveStream) -> asyncio.Event:
    """An event that the threads of `stream` set. They must not keep it in memory."""
    loop, arrived = asyncio.get_running_loop(), asyncio.Event()

    def tell() -> None:
        with suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(arrived.set)

    stream.arrivals.listen(tell)
    return arrived
