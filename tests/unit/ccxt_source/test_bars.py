"""Candles made of pages of trades."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Iterable, Sequence
from weakref import ref

import pyarrow as pa
from tests.support.seeds import generator

from flightstore_ingest.ccxt_source.bars import bars_of, span_of_bars, whole_bars
from flightstore_ingest.simulate import Market, Tape, Trade, seeded
from flightstore_ingest.source import Page
from flightstore_proto import timeframe as timeframes
from flightstore_proto.schemas import TRADES

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
NOON = 1_700_049_600 * SECOND
ONE_MINUTE = timeframes.parse("1m")


def pages_of(tape: Tape, start: int, end: int, cuts: Iterable[int]) -> list[Page]:
    """The trades of [start, end) in pages that are cut at some of its moments."""
    edges = [start, *sorted(cut for cut in cuts if start < cut < end), end]
    return [Page(tape.table(a, b), (a, b)) for a, b in itertools.pairwise(edges)]


def made(
    pages: Sequence[Page], start: int, end: int, timeframe: str = "1m"
) -> tuple[pa.Table, list[tuple[int, int]]]:
    """All bars that come of `pages`, and what they are said to cover."""

    async def source() -> AsyncGenerator[Page, None]:
        for page in pages:
            yield page

    async def collect() -> list[Page]:
        frame = timeframes.parse(timeframe)
        return [page async for page in whole_bars(source(), frame, start, end)]

    found = asyncio.run(collect())
    return pa.concat_tables([p.rows for p in found]), [p.covers for p in found if p.covers]


def test_the_bars_of_trades_are_the_exchanges_own_however_the_pages_are_cut() -> None:
    draw = generator("bars")
    start, end = NOON, NOON + 90 * MINUTE
    tape = seeded(Market("BTC/USD"), start, end, 20.0, seed=draw.randrange(1000))
    cuts = [draw.randrange(start, end) for _ in range(40)]
    bars, covers = made(pages_of(tape, start, end, cuts), start, end)
    assert bars.equals(tape.bar_table("1m", start, end))
    assert covers[0][0] == start and covers[-1][1] == end
    assert all(a[1] == b[0] for a, b in itertools.pairwise(covers))


def test_bars_without_trades_are_absent_and_covered() -> None:
    tape = Tape(Market("BTC/USD"), [Trade(NOON, 1, 5.0, 1.0, 1)])
    bars, covers = made([Page(tape.table(), (NOON, NOON + 3 * MINUTE))], NOON, NOON + 3 * MINUTE)
    assert bars.num_rows == 1
    assert covers == [(NOON, NOON + 3 * MINUTE)]


def test_a_start_within_a_bar_makes_no_bar_of_half_its_trades() -> None:
    start, end = NOON + 30 * SECOND, NOON + 3 * MINUTE
    tape = seeded(Market("BTC/USD"), NOON, end, 60.0, seed=2, quiet_share=0)
    low, high = span_of_bars(ONE_MINUTE, start, end)
    bars, covers = made(pages_of(tape, low, high, []), start, end)
    assert bars.equals(tape.bar_table("1m", NOON + MINUTE, end))
    assert covers == [(start, end)]


def test_trades_before_the_first_whole_bar_are_left_out() -> None:
    start, end = NOON + 30 * SECOND, NOON + 3 * MINUTE
    tape = seeded(Market("BTC/USD"), NOON, end, 60.0, seed=2, quiet_share=0)
    bars, _ = made(pages_of(tape, start, end, []), start, end)
    assert bars.equals(tape.bar_table("1m", NOON + MINUTE, end))


def test_an_end_within_a_bar_includes_that_bar_whole() -> None:
    start, end = NOON, NOON + 90 * SECOND
    tape = seeded(Market("BTC/USD"), NOON, NOON + 3 * MINUTE, 60.0, seed=2, quiet_share=0)
    low, high = span_of_bars(ONE_MINUTE, start, end)
    assert high == NOON + 2 * MINUTE
    bars, covers = made(pages_of(tape, low, high, []), start, end)
    assert bars.equals(tape.bar_table("1m", NOON, NOON + 2 * MINUTE))
    assert covers == [(start, end)]


def test_a_bar_whose_trades_are_not_all_there_is_not_made() -> None:
    tape = seeded(Market("BTC/USD"), NOON, NOON + 3 * MINUTE, 60.0, seed=2, quiet_share=0)
    seen = NOON + 2 * MINUTE + 59 * SECOND
    bars, covers = made(pages_of(tape, NOON, seen, []), NOON, NOON + 3 * MINUTE)
    assert bars.num_rows == 2
    assert covers == [(NOON, NOON + 2 * MINUTE)]


def test_trades_of_one_instant_open_and_close_a_bar_by_their_ids_as_numbers() -> None:
    trades = pa.table(
        {
            "ts": pa.array([NOON] * 3, pa.int64()).cast(pa.timestamp("ns", "UTC")),
            "id": ["10", "9", "11"],
            "price": [2.0, 1.0, 3.0],
            "amount": [1.0] * 3,
            "side": pa.array([1] * 3, pa.int8()),
        }
    ).cast(TRADES)
    bar = bars_of(trades, ONE_MINUTE).to_pylist()[0]
    assert (bar["open"], bar["close"]) == (1.0, 3.0)


def test_volumes_have_no_noise_of_adding_up() -> None:
    """0.1 + 0.2 is 0.3 at the exchange."""
    trades = [Trade(NOON, 1, 5.0, 0.1, 1), Trade(NOON, 2, 5.0, 0.2, 1)]
    bars = bars_of(Tape(Market("BTC/USD"), trades).table(), ONE_MINUTE)
    assert bars.column("volume").to_pylist() == [0.3]


def test_the_trades_of_a_day_are_not_all_held_until_its_bar_is_whole() -> None:
    day, end = timeframes.parse("1d"), NOON + 12 * 3600 * SECOND
    midnight = end - 86_400 * SECOND
    tape = seeded(Market("BTC/USD"), midnight, end, 10.0, seed=3)
    pages: list[ref[pa.Table]] = []
    alive: list[int] = []

    async def source() -> AsyncGenerator[Page, None]:
        for low in range(midnight, end, 3600 * SECOND):
            page = Page(tape.table(low, low + 3600 * SECOND), (low, low + 3600 * SECOND))
            pages.append(ref(page.rows))
            yield page
            del page
            alive.append(sum(one() is not None for one in pages))

    async def collect() -> list[Page]:
        return [page async for page in whole_bars(source(), day, midnight, end)]

    [page] = asyncio.run(collect())
    assert page.rows.equals(tape.bar_table("1d", midnight, end))
    assert len(pages) == 24
    assert max(alive) <= 2
