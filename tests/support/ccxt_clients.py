"""ccxt's clients, talking to a simulated exchange instead of the real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import ccxt.pro

from flightstore_ingest.simulate import SimulatedExchange, serve

SECONDS = 30.0


@asynccontextmanager
async def talking_to(exchange: SimulatedExchange, **config: Any) -> AsyncIterator[Any]:
    """A client of ccxt.pro for `exchange`, of whose URLs nothing but the origin is changed."""
    async with serve(exchange) as url:
        client = getattr(ccxt.pro, exchange.name)({"enableRateLimit": False, **config})
        client.urls["api"] = swapped(client.urls["api"], urlsplit(url).netloc)
        try:
            yield client
        finally:
            await client.close()


def swapped(urls: Any, netloc: str) -> Any:
    """`urls` with their paths at http://`netloc` or ws://`netloc`."""
    if isinstance(urls, dict):
        return {name: swapped(value, netloc) for name, value in urls.items()}
    parts = urlsplit(urls)
    scheme = "ws" if parts.scheme == "wss" else "http"
    return parts._replace(scheme=scheme, netloc=netloc).geturl()


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine, and fail where it hangs."""
    asyncio.run(asyncio.wait_for(coroutine, SECONDS))


async def watched(
    watch: Callable[[], Awaitable[Any]], act: Callable[[], Any], ready: Callable[[], bool]
) -> Any:
    """What `watch` gives for what `act` sets off, as soon as the exchange is `ready`."""
    task = asyncio.ensure_future(watch())
    await until(ready)
    act()
    return await task


async def until(condition: Callable[[], bool]) -> None:
    """Wait for `condition`; `run` ends the waiting."""
    while not condition():
        await asyncio.sleep(0.005)
