"""Pages of candles from exchanges that send less than they were asked for, and do not say so."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.scripted_exchange import ScriptedExchange

from flightstore_ingest.ccxt_source.candles import CandleHistory, newest_candles
from flightstore_ingest.ccxt_source.instance import checked_rows
from flightstore_ingest.ccxt_source.profiles import Profile
from flightstore_ingest.errors import Garbage
from flightstore_ingest.source import CANDLES, Series
from flightstore_proto import intervals

MINUTE = 60_000_000_000
SERIES = Series(CANDLES, "scripted:BTC/USDT", "1m")
CAUTIOUS = Profile()


def fetched(
    exchange: ScriptedExchange, start: int, end: int, known: int | None = None
) -> tuple[list[int], list[tuple[int, int]]]:
    """Minutes of the bars in all pages of [start, end), and what the pages cover, in minutes."""

    async def work() -> tuple[list[int], list[tuple[int, int]]]:
        minutes, covered = [], intervals.EMPTY
        history = CandleHistory(exchange)  # type: ignore[arg-type]
        before = None if known is None else known * MINUTE
        async for page in history.pages(SERIES, start * MINUTE, end * MINUTE, before):
            assert page.covers is not None
            for stamp in page.rows.column("ts"):
                assert page.covers[0] <= stamp.value < page.covers[1], "a row outside its page"
                minutes.append(stamp.value // MINUTE)
            covered = intervals.add(covered, *page.covers)
        assert len(set(minutes)) == len(minutes), "a bar in two pages"
        return sorted(minutes), [(low // MINUTE, high // MINUTE) for low, high in covered]

    return asyncio.run(work())


@given(
    minutes=st.sets(st.integers(0, 400)),
    start=st.integers(0, 200),
    length=st.integers(1, 250),
    cap=st.integers(21, 60),
    newest=st.booleans(),
    until=st.booleans(),
)
def test_pages_hold_every_bar_and_claim_the_whole_range_however_answers_are_cut(
    minutes: set[int], start: int, length: int, cap: int, newest: bool, until: bool
) -> None:
    profile = Profile(candle_page=50, candle_paging="window", candle_until=until)
    exchange = ScriptedExchange(minutes, profile, cap=cap, newest=newest)
    end = start + length
    assert fetched(exchange, start, end) == (
        sorted(m for m in minutes if start <= m < end),
        [(start, end)],
    )


@pytest.mark.parametrize("newest", [False, True])
def test_a_limit_that_is_cut_in_silence_leaves_nothing_out(newest: bool) -> None:
    exchange = ScriptedExchange(range(500), cap=25, newest=newest)
    assert fetched(exchange, 0, 500) == (list(range(500)), [(0, 500)])
    assert len(exchange.asked) <= 500 / 25 * 1.5


def test_a_limit_that_shrinks_on_the_way_leaves_nothing_out() -> None:
    exchange = ScriptedExchange(range(500))
    whole = exchange.call

    async def shrinking(*args: object, **kwargs: object) -> list[list[object]]:
        exchange.cap = 30 if len(exchange.asked) >= 3 else 50
        return await whole(*args, **kwargs)  # type: ignore[arg-type]

    exchange.call = shrinking  # type: ignore[method-assign, assignment]
    assert fetched(exchange, 0, 500) == (list(range(500)), [(0, 500)])


def test_a_sparse_market_costs_little_more_than_one_request_per_page() -> None:
    minutes = [m for m in range(5_000) if m % 3 == 1]
    exchange = ScriptedExchange(minutes)
    assert fetched(exchange, 0, 5_000) == (minutes, [(0, 5_000)])
    assert len(exchange.asked) <= 5_000 / 50 * 1.25


def test_the_newest_bars_cost_one_request_also_where_some_are_missing() -> None:
    exchange = ScriptedExchange([1, 5, 8])
    assert fetched(exchange, 0, 10) == ([1, 5, 8], [(0, 10)])
    assert len(exchange.asked) == 1


def test_a_quiet_end_costs_one_request_if_a_bar_before_it_is_known() -> None:
    exchange = ScriptedExchange([90, 130])
    assert fetched(exchange, 95, 105, known=90) == ([], [(95, 105)])
    assert len(exchange.asked) == 1


def test_an_answer_with_nothing_is_asked_for_again_before_it_is_believed() -> None:
    exchange = ScriptedExchange(range(200), failing=frozenset({0, 2}))
    assert fetched(exchange, 0, 200) == (list(range(200)), [(0, 200)])


def test_a_long_silence_is_crossed_by_days() -> None:
    """Half a year of minutes would be five thousand empty windows."""
    far = 180 * 1_440
    profile = Profile(candle_page=500, candle_paging="window")
    exchange = ScriptedExchange([*range(100), *range(far, far + 100)], profile)
    minutes, covered = fetched(exchange, 0, far + 100)
    assert minutes == [*range(100), *range(far, far + 100)]
    assert covered == [(0, far + 100)]
    assert len(exchange.asked) < 50


def test_the_first_day_is_found_though_the_answer_is_cut_at_its_old_end() -> None:
    days = [m * 1_440 for m in range(400, 490)]
    exchange = ScriptedExchange(days, cap=30, newest=True)
    history = CandleHistory(exchange)  # type: ignore[arg-type]
    daily = Series(CANDLES, SERIES.instrument, "1d")
    first = asyncio.run(history.first_day(daily, 0, 490 * 1_440 * MINUTE))
    assert first == 400 * 1_440 * MINUTE


def test_the_first_day_is_found_though_an_answer_failed_empty() -> None:
    days = [m * 1_440 for m in range(120, 300)]
    exchange = ScriptedExchange(days, failing=frozenset({4}))
    history = CandleHistory(exchange)  # type: ignore[arg-type]
    daily = Series(CANDLES, SERIES.instrument, "1d")
    first = asyncio.run(history.first_day(daily, 0, 300 * 1_440 * MINUTE))
    assert first == 120 * 1_440 * MINUTE


def test_an_unknown_exchange_that_ignores_the_time_is_found_out() -> None:
    exchange = ScriptedExchange(range(5_000), CAUTIOUS, cap=500, ignores=True)
    history = CandleHistory(exchange)  # type: ignore[arg-type]
    assert not asyncio.run(history.reaches_back(SERIES))


@pytest.mark.parametrize("newest", [False, True])
@pytest.mark.parametrize("every", [1, 7, 900])
def test_an_unknown_exchange_that_honours_the_time_is_trusted(newest: bool, every: int) -> None:
    exchange = ScriptedExchange(range(0, 200_000, every), CAUTIOUS, cap=100, newest=newest)
    history = CandleHistory(exchange)  # type: ignore[arg-type]
    assert asyncio.run(history.reaches_back(SERIES))


def test_trust_in_an_exchange_is_earned_once() -> None:
    exchange = ScriptedExchange(range(5_000), CAUTIOUS, cap=500)
    history = CandleHistory(exchange)  # type: ignore[arg-type]

    async def twice() -> None:
        assert await history.reaches_back(SERIES)
        asked = len(exchange.asked)
        assert await history.reaches_back(Series(CANDLES, "scripted:ETH/USDT", "1m"))
        assert len(exchange.asked) == asked

    asyncio.run(twice())


def test_the_newest_page_is_complete_from_its_first_bar_on_and_no_earlier() -> None:
    exchange = ScriptedExchange(range(5_000), CAUTIOUS, cap=500, ignores=True)
    history = CandleHistory(exchange)  # type: ignore[arg-type]
    page, low = asyncio.run(newest_candles(history, SERIES, 0, 5_000 * MINUTE))
    assert page.covers == (4_500 * MINUTE, 5_000 * MINUTE)
    assert low == 4_500 * MINUTE
    assert page.rows.num_rows == 500


def test_a_newest_page_without_bars_proves_nothing() -> None:
    exchange = ScriptedExchange([], CAUTIOUS)
    history = CandleHistory(exchange)  # type: ignore[arg-type]
    page, low = asyncio.run(newest_candles(history, SERIES, 0, 100 * MINUTE))
    assert (page.covers, low) == (None, 100 * MINUTE)


def test_a_bar_without_a_time_is_no_bar_to_drop_in_silence() -> None:
    """ccxt leaves such rows out, and the page looks as if nothing had been traded then."""
    parse = checked_rows(lambda bar, market: list(bar))
    assert parse([60_000, 1, 1, 1, 1, 1]) == [60_000, 1, 1, 1, 1, 1]
    for bar in ([None] * 6, [0, 1, 1, 1, 1, 1], [0, None, None, None, None, None]):
        with pytest.raises(Garbage, match="without a time"):
            parse(bar)


def test_a_row_of_zeros_says_that_there_is_no_bar() -> None:
    parse = checked_rows(lambda bar, market: list(bar))
    assert parse([0, 0, 0, 0, 0, 0]) == [0] * 6
