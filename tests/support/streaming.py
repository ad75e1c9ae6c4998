"""A ccxt that does with streams what ccxt does, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any

from ccxt.async_support.base.ws.cache import ArrayCache, ArrayCacheByTimestamp

from flightstore_ingest.ccxt_source import streams
from flightstore_ingest.ccxt_source.profiles import Profile
from flightstore_ingest.ccxt_source.sockets import Sockets
from flightstore_ingest.errors import SourceError, Unreachable
from flightstore_ingest.source import Page, Series

MS = 1_000_000
SECOND = 1_000 * MS
MINUTE = 60 * SECOND
NOON = 1_700_049_600 * SECOND
TRADES = Series("trades", "any:BTC/USD")
BARS = Series("candles", "any:BTC/USD", "1m")
URL = "ws://any"


class Socket:
    """A websocket client of ccxt's, as far as streams look at it."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.last_message_at: int | None = None
        self.connectionEstablished: int | None = None
        self.errors: list[Exception] = []

    def closed(self) -> bool:
        return bool(self.errors)

    def on_error(self, error: Exception) -> None:
        self.errors.append(error)
        self.api.clients.pop(URL, None)
        self.api.fail(error)


class Api:
    """ccxt's side: a cache that fills, and one future that is resolved when something comes."""

    def __init__(self) -> None:
        self.clients: dict[str, Socket] = {}
        self.trades: dict[str, ArrayCache] = {}
        self.ohlcvs: dict[str, dict[str, ArrayCacheByTimestamp]] = {}
        self.waiting: asyncio.Future[Any] | None = None
        self.watched = 0
        self.refuse: Exception | None = None

    def client(self, url: str) -> Socket:
        return self.clients.setdefault(url, Socket(self))

    async def watch_trades(self, *args: Any) -> Any:
        return await self._watch()

    async def watch_ohlcv(self, *args: Any) -> Any:
        return await self._watch()

    async def _watch(self) -> Any:
        self.watched += 1
        if self.refuse is not None:
            raise self.refuse
        self.client(URL)
        if self.waiting is None or self.waiting.done():
            self.waiting = asyncio.get_running_loop().create_future()
        return await self.waiting

    def send(self, *numbers: int, ms: int = NOON // MS) -> None:
        """Trades come; who waits is woken, and who does not finds them in the cache only."""
        cache = self.trades.setdefault("BTC/USD", ArrayCache(100_000))
        for number in numbers:
            cache.append(
                {
                    "symbol": "BTC/USD",
                    "id": str(number),
                    "timestamp": ms + number * 10,
                    "price": 5.0,
                    "amount": 1.0,
                    "side": "buy",
                    "info": {},
                }
            )
        self._wake()

    def draw(self, opened: int, close: float) -> None:
        """The state of a bar comes."""
        bars = self.ohlcvs.setdefault("BTC/USD", {}).setdefault("1m", ArrayCacheByTimestamp(100))
        bars.append([opened // MS, 5.0, 9.0, 1.0, close, 1.0])
        self._wake()

    def _wake(self) -> None:
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_result(None)

    def fail(self, error: Exception) -> None:
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_exception(error)


class Lost(Exception):
    """ccxt's NetworkError."""


class FakeExchange:
    """Stands for an Exchange; its clock is moved by the test."""

    def __init__(self, **profile: Any) -> None:
        self.name, self.api, self.profile = "any", Api(), Profile(**profile)
        self.sockets = Sockets(self.api)
        self.time = NOON
        self.clock = SimpleNamespace(now=lambda: self.time)

    def translated(self, error: Exception) -> SourceError:
        return error if isinstance(error, SourceError) else Unreachable(str(error))

    def hang_up(self, stream: Any, why: str) -> bool:
        return self.sockets.hang_up(stream, Lost(why))


def following(
    work: Callable[[FakeExchange, AsyncGenerator[Page, None]], Coroutine[Any, Any, None]],
    series: Series = TRADES,
    grace: int = 0,
    **profile: Any,
) -> FakeExchange:
    """Run `work` with the pages of a live series, and close them."""
    exchange = FakeExchange(**profile)
    any_exchange: Any = exchange

    async def run() -> None:
        if series is TRADES:
            pages = streams.live_trades(any_exchange, series)
        else:
            pages = streams.live_candles(any_exchange, series, grace)
        async with aclosing(pages):
            await asyncio.wait_for(work(exchange, pages), 20)

    asyncio.run(run())
    return exchange


async def watched(exchange: FakeExchange) -> None:
    """Until somebody waits for news."""
    while exchange.api.waiting is None or exchange.api.waiting.done():
        await asyncio.sleep(0.001)
