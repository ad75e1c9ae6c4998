"""Streams over a ccxt that does what ccxt does, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from ccxt.async_support.base.ws.cache import ArrayCache, ArrayCacheByTimestamp

from flightstore_ingest.ccxt_source import streams
from flightstore_ingest.ccxt_source.profiles import Profile
from flightstore_ingest.ccxt_source.sockets import Sockets
from flightstore_ingest.errors import Refused, SourceError, Unreachable
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


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(streams, "LINGER_SECONDS", 0.001)
    monkeypatch.setattr(streams, "REDIAL_SECONDS", 0.001)
    monkeypatch.setattr(streams, "REDIAL_SECONDS_MAX", 0.01)


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


async def ids(pages: AsyncGenerator[Page, None], count: int) -> list[str]:
    """The ids of so many trades, as they come."""
    found: list[str] = []
    while len(found) < count:
        found += (await anext(pages)).rows.column("id").to_pylist()
    return found


async def bars(pages: AsyncGenerator[Page, None]) -> pa.Table:
    """The next page with bars."""
    while not (page := await anext(pages)).rows.num_rows:
        pass
    return page.rows


# ---- no queue, no losses


def test_trades_that_came_while_nobody_waited_are_not_left_in_the_cache() -> None:
    """Where the last ones of a burst find nobody waiting, nothing more may come for hours."""

    async def work(exchange: FakeExchange, pages: AsyncGenerator[Page, None]) -> None:
        first = asyncio.ensure_future(anext(pages))
        await watched(exchange)
        exchange.api.send(1)
        await first
        exchange.api.send(2)
        exchange.api.send(3)
        assert await ids(pages, 2) == ["2", "3"]

    following(work)


def test_a_burst_of_thousands_in_a_busy_loop_is_taken_whole() -> None:
    async def work(exchange: FakeExchange, pages: AsyncGenerator[Page, None]) -> None:
        taken = asyncio.ensure_future(ids(pages, 3_000))
        for number in range(3_000):
            exchange.api.send(number)
            if number % 500 == 0:
                await asyncio.sleep(0.001)
        assert await taken == [str(n) for n in range(3_000)]
        assert not exchange.api.trades["BTC/USD"]

    following(work)


def test_the_cache_is_empty_after_each_look() -> None:
    async def work(exchange: FakeExchange, pages: AsyncGenerator[Page, None]) -> None:
        for number in range(20):
            exchange.api.send(number)
            await ids(pages, 1)
            assert not exchange.api.trades["BTC/USD"]

    following(work)


# ---- lost connections


def test_a_lost_connection_is_told_by_an_empty_page_and_watched_anew() -> None:
    async def work(exchange: FakeExchange, pages: AsyncGenerator[Page, None]) -> None:
        page = asyncio.ensure_future(anext(pages))
        await watched(exchange)
        exchange.api.fail(Lost("gone"))
        assert (await page).rows.num_rows == 0
        page = asyncio.ensure_future(anext(pages))
        await watched(exchange)
        exchange.api.send(1)
        assert (await page).rows.num_rows == 1
        assert (await anext(pages)).rows.num_rows == 0  # up to here more may have been lost

    following(work)


def test_a_connection_that_was_replaced_while_nobody_watched_counts_as_lost() -> None:
    async def work(exchange: FakeExchange, pages: AsyncGenerator[Page, None]) -> None:
        taken = asyncio.ensure_future(ids(pages, 1))
        await watched(exchange)
        exchange.api.send(1)
        await taken
        assert (await anext(pages)).rows.num_rows == 0
        page = asyncio.ensure_future(anext(pages))
        await watched(exchange)
        exchange.api.send(2)
        exchange.api.clients.clear()
        assert (await page).rows.num_rows == 1
        assert (await anext(pages)).rows.num_rows == 0

    following(work)


def test_ids_that_are_missing_are_told_by_an_empty_page() -> None:
    async def work(exchange: FakeExchange, pages: AsyncGenerator[Page, None]) -> None:
        taken = asyncio.ensure_future(ids(pages, 2))
        await watched(exchange)
        exchange.api.send(1, 2)
        await taken
        assert (await anext(pages)).rows.num_rows == 0  # what came before is not known
        exchange.api.send(3)
        exchange.api.send(5)
        await ids(pages, 2)
        assert (await anext(pages)).rows.num_rows == 0

    following(work, contiguous_ids=True)


def test_an_unbroken_stream_says_what_it_makes_complete() -> None:
    async def work(exchange: FakeExchange, pages: AsyncGenerator[Page, None]) -> None:
        exchange.api.send(*range(1, 401))
        covers = (await anext(pages)).covers
        assert covers == (NOON + 1_010 * MS, NOON + 3_000 * MS)

    following(work, contiguous_ids=True)


def test_without_contiguous_ids_a_stream_proves_nothing() -> None:
    async def work(exchange: FakeExchange, pages: AsyncGenerator[Page, None]) -> None:
        exchange.api.send(*range(1, 401))
        assert (await anext(pages)).covers is None

    following(work)


def test_dialling_in_vain_becomes_slower_and_slower(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    really = asyncio.sleep

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await really(0)

    monkeypatch.setattr(streams.asyncio, "sleep", sleep)
    monkeypatch.setattr(streams, "REDIAL_SECONDS", 0.5)
    monkeypatch.setattr(streams, "REDIAL_SECONDS_MAX", 30.0)

    async def work(exchange: FakeExchange, pages: AsyncGenerator[Page, None]) -> None:
        exchange.api.refuse = Lost("503")
        for _ in range(10):
            assert (await anext(pages)).rows.num_rows == 0

    following(work)
    assert waits[0] < 1
    assert waits[2] > 1.5
    assert 20 < waits[-1] < 40


def test_what_will_never_work_is_not_tried_again() -> None:
    async def work(exchange: FakeExchange, pages: AsyncGenerator[Page, None]) -> None:
        exchange.api.refuse = Refused("no such stream")
        with pytest.raises(Refused):
            await anext(pages)

    following(work)


# ---- silence


def test_a_socket_that_is_silent_for_too_long_is_hung_up() -> None:
    async def work(exchange: FakeExchange, pages: AsyncGenerator[Page, None]) -> None:
        page = asyncio.ensure_future(anext(pages))
        await watched(exchange)
        socket = exchange.api.clients[URL]
        socket.last_message_at = 1  # in 1970
        assert (await page).rows.num_rows == 0
        assert "silent" in str(socket.errors[0])

    following(work)


def test_a_series_that_is_followed_again_gets_a_new_socket() -> None:
    """ccxt would not subscribe a second time on the old one, which may no longer send."""

    async def work(exchange: FakeExchange, pages: AsyncGenerator[Page, None]) -> None:
        exchange.api.send(1)
        await ids(pages, 1)
        await watched(exchange)
        socket = exchange.api.clients[URL]
        await pages.aclose()
        any_exchange: Any = exchange
        again = streams.live_trades(any_exchange, TRADES)
        exchange.api.send(2)
        assert await ids(again, 1) == ["2"]
        assert socket.errors
        await again.aclose()

    following(work)


def test_a_series_that_is_closed_leaves_no_watcher_behind() -> None:
    async def work(exchange: FakeExchange, pages: AsyncGenerator[Page, None]) -> None:
        before = asyncio.all_tasks()
        exchange.api.send(1)
        await ids(pages, 1)
        await watched(exchange)
        await pages.aclose()
        assert asyncio.all_tasks() == before

    following(work)


def test_a_series_that_is_cancelled_leaves_no_watcher_behind() -> None:
    async def work(exchange: FakeExchange, pages: AsyncGenerator[Page, None]) -> None:
        async def consume() -> None:
            async with aclosing(pages):
                async for _ in pages:
                    pass

        before = asyncio.all_tasks()
        consuming = asyncio.create_task(consume())
        await watched(exchange)
        consuming.cancel()
        await asyncio.wait([consuming])
        assert consuming.cancelled()
        assert asyncio.all_tasks() == before

    following(work)


# ---- candles


def test_a_bar_is_closed_by_the_exchanges_clock_even_if_no_other_bar_begins() -> None:
    """A quiet market: nothing comes that would show that the bar has ended."""

    async def work(exchange: FakeExchange, pages: AsyncGenerator[Page, None]) -> None:
        page = asyncio.ensure_future(bars(pages))
        await watched(exchange)
        exchange.api.draw(NOON, 5.0)
        exchange.time = NOON + MINUTE + SECOND
        await watched(exchange)
        assert not page.done()  # the grace is not over
        exchange.api.draw(NOON, 7.0)  # and this is what it is for
        exchange.time = NOON + MINUTE + 2 * SECOND
        assert (await page).column("close").to_pylist() == [7.0]

    following(work, BARS, grace=2 * SECOND)


def test_a_snapshot_of_the_past_is_handed_over_once() -> None:
    async def work(exchange: FakeExchange, pages: AsyncGenerator[Page, None]) -> None:
        page = asyncio.ensure_future(bars(pages))
        await watched(exchange)
        for minute in range(-9, 1):
            exchange.api.draw(NOON + minute * MINUTE, 5.0)
        exchange.time = NOON + MINUTE
        assert (await page).num_rows == 1
        for minute in range(-9, 2):
            exchange.api.draw(NOON + minute * MINUTE, 5.0)
        exchange.time = NOON + 2 * MINUTE
        found = await bars(pages)
        assert found.column("ts").cast("int64").to_pylist() == [NOON + MINUTE]

    following(work, BARS)


def test_a_bar_that_was_open_when_the_connection_was_lost_is_not_taken_for_whole() -> None:
    async def work(exchange: FakeExchange, pages: AsyncGenerator[Page, None]) -> None:
        page = asyncio.ensure_future(bars(pages))
        await watched(exchange)
        exchange.api.draw(NOON, 5.0)
        await watched(exchange)
        exchange.api.fail(Lost("gone"))
        while exchange.api.ohlcvs["BTC/USD"]["1m"]:
            await asyncio.sleep(0.001)
        assert not page.done()
        exchange.time = NOON + 2 * MINUTE
        exchange.api.draw(NOON + MINUTE, 6.0)
        found = await page
        assert found.column("ts").cast("int64").to_pylist() == [NOON + MINUTE]

    following(work, BARS)


def test_bars_without_a_time_are_left_to_the_history() -> None:
    async def work(exchange: FakeExchange, pages: AsyncGenerator[Page, None]) -> None:
        page = asyncio.ensure_future(bars(pages))
        await watched(exchange)
        exchange.api.draw(NOON, 5.0)
        exchange.api.ohlcvs["BTC/USD"]["1m"].append([None] * 6)
        exchange.time = NOON + MINUTE
        assert (await page).num_rows == 1

    following(work, BARS)
