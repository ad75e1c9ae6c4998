"""Bars by count, against a loop that adds up fractions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.recorded import same_bits
from tests.support.trade_batches import Trade, pieces, trades

from flightstore_proto.schemas import CANDLES
from flightstore_proto.timeframe import parse
from flightstore_server.engine.aggregates.counting import CountBars
from flightstore_server.engine.aggregates.windows import Windows

SECOND = 10**9
DAY = 86_400 * SECOND
DAYS = Windows(parse("1d"))
# Amounts whose sums often are just the size, in floats or nearly.
AMOUNTS = st.sampled_from([0.0, 0.1, 0.3, 0.5, 1.0, 2.5]) | st.floats(0, 5).map(abs)
TRADE_LISTS = st.lists(
    st.tuples(
        st.integers(0, 30).map(lambda n: n * DAY // 10),
        st.sampled_from([1.0, -2.0, 0.1, 3.3]),
        AMOUNTS,
    ),
    max_size=60,
).map(lambda rows: sorted(rows, key=lambda row: row[0]))
CUTS = st.lists(st.integers(0, 60), max_size=5).map(sorted)
COUNTS = st.one_of(
    st.tuples(st.just("tick"), st.integers(1, 7).map(float)),
    st.tuples(st.sampled_from(["volume", "dollar"]), st.sampled_from([0.2, 0.3, 1.0, 3.0, 7.5])),
)


def rows_of(batches: Sequence[pa.RecordBatch]) -> list[tuple[float, ...]]:
    made = pa.Table.from_batches(batches, CANDLES)
    columns = [made.column("ts").cast(pa.int64()), *made.columns[1:]]
    return list(zip(*(column.to_pylist() for column in columns), strict=True))


def is_full(group: list[Trade], kind: str, size: float) -> bool:
    if kind == "tick":
        return len(group) == size
    dollar = kind == "dollar"
    return float(sum(Fraction(abs(p * a) if dollar else a) for _, p, a in group)) >= size


def naive(rows: Sequence[Trade], kind: str, size: float) -> tuple[list[list[Trade]], bool]:
    """The trades of each bar, and whether the last bar is full."""
    groups: list[list[Trade]] = []
    full = True
    for row in rows:
        if full or row[0] // DAY != groups[-1][-1][0] // DAY:
            groups.append([])
        groups[-1].append(row)
        full = is_full(groups[-1], kind, size)
    return groups, full


@given(TRADE_LISTS, CUTS, COUNTS)
def test_bars_are_those_of_a_loop_wherever_batches_end(
    rows: list[Trade], cuts: list[int], count: tuple[str, float]
) -> None:
    made = CountBars(pieces(trades(rows), cuts), *count, DAYS)
    groups, full = naive(rows, *count)
    expected = [
        (
            group[0][1],
            max(price for _, price, _ in group),
            min(price for _, price, _ in group),
            group[-1][1],
            math.fsum(amount for _, _, amount in group),
        )
        for group in groups
    ]
    assert [bar[1:] for bar in rows_of(list(made))] == expected
    assert made.last_is_full == full


@given(TRADE_LISTS, CUTS, COUNTS)
def test_times_of_bars_rise_strictly(
    rows: list[Trade], cuts: list[int], count: tuple[str, float]
) -> None:
    made = rows_of(list(CountBars(pieces(trades(rows), cuts), *count, DAYS)))
    ts, last = [], (-1, -1)
    for group in naive(rows, *count)[0]:
        first = group[0][0]
        at = max(first, last[1] + 1) if last[0] == first // DAY else first
        ts.append(at)
        last = (first // DAY, at)
    assert [bar[0] for bar in made] == ts
    assert all(a < b for a, b in pairwise(ts))


@given(TRADE_LISTS, COUNTS)
def test_a_day_by_itself_has_the_bars_it_has_among_others(
    rows: list[Trade], count: tuple[str, float]
) -> None:
    days = [[row for row in rows if row[0] // DAY == day] for day in range(4)]
    alone = [bar for day in days for bar in rows_of(list(CountBars([trades(day)], *count, DAYS)))]
    assert alone == rows_of(list(CountBars([trades(rows)], *count, DAYS)))


def test_ten_tenths_are_one() -> None:
    """One after the other, as floats, they are a little less."""
    rows = [(n, 5.0, 0.1) for n in range(30)]
    made = CountBars([trades(rows)], "volume", 1.0, DAYS)
    assert [bar[5] for bar in rows_of(list(made))] == [1.0, 1.0, 1.0]
    assert made.last_is_full


@pytest.mark.parametrize(("kind", "size"), [("tick", 1_000), ("volume", 700.0), ("dollar", 9e4)])
def test_long_bars_are_the_same_in_any_batches(kind: str, size: float) -> None:
    rows = [(n * SECOND * 3, 100.0 + n % 17, (n % 29) / 10) for n in range(60_000)]
    batch = trades(rows)
    whole = CountBars([batch], kind, size, DAYS)
    parts = CountBars([batch.slice(at, 777) for at in range(0, 60_000, 777)], kind, size, DAYS)
    assert same_bits(pa.Table.from_batches(whole, CANDLES), pa.Table.from_batches(parts, CANDLES))
    assert whole.last_is_full == parts.last_is_full


def test_the_count_begins_anew_with_the_zones_day() -> None:
    rows = [(n * 3_600 * SECOND, 1.0, 1.0) for n in range(48)]
    days = Windows(parse("1d"), "Asia/Tokyo")
    made = rows_of(list(CountBars([trades(rows)], "tick", 20, days)))
    assert [bar[0] // (3_600 * SECOND) for bar in made] == [0, 15, 35, 39]


@pytest.mark.parametrize("kind", ["volume", "dollar"])
def test_sums_beyond_the_largest_float_end_bars(kind: str) -> None:
    rows = [(n, 1e300, 1e308) for n in range(4)]
    made = CountBars([trades(rows)], kind, 1.5e308, DAYS)
    assert len(rows_of(list(made))) == (2 if kind == "volume" else 4)


def test_without_trades_there_are_no_bars() -> None:
    assert not list(CountBars([trades([])], "volume", 1.0, DAYS))
