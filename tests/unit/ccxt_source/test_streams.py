"""Streams over a ccxt that does what ccxt does, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pyarrow as pa
import pytest
from tests.support.streaming import (
    BARS,
    MINUTE,
    MS,
    NOON,
    SECOND,
    TRADES,
    URL,
    FakeExchange,
    Lost,
    following,
    watched,
)

from flightstore_ingest.ccxt_source import streams
from flightstore_ingest.errors import Refused
from flightstore_ingest.source import Page


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(streams, "LINGER_SECONDS", 0.001)
    monkeypatch.setattr(streams, "REDIAL_SECONDS", 0.001)
    monkeypatch.setattr(streams, "REDIAL_SECONDS_MAX", 0.01)


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
