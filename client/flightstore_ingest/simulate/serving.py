"""Running a simulated exchange: in an event loop that is there, or in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager

from aiohttp import web

from flightstore_ingest.simulate.exchange import SimulatedExchange

START_SECONDS = 30.0
# Answers under way get this long when the server stops; what hangs on purpose is ended at once.
SHUTDOWN_SECONDS = 1.0


@asynccontextmanager
async def serve(
    exchange: SimulatedExchange, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[str]:
    """Serve `exchange` and give its URL, such as http://127.0.0.1:9000; 0 is any free port."""
    runner = web.AppRunner(
        exchange.app(), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS, handle_signals=False
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextmanager
def running(exchange: SimulatedExchange, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """The same in a background thread, for programs whose own loop is busy or absent."""
    started: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run() -> None:
        async with serve(exchange, host, port) as url:
            stop = asyncio.Event()
            started.set_result((url, asyncio.get_running_loop(), stop))
            await stop.wait()

    def thread() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    worker = threading.Thread(target=thread, name=f"simulated-{exchange.name}", daemon=True)
    worker.start()
    url, loop, stop = started.result(START_SECONDS)
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(stop.set)
        worker.join()
