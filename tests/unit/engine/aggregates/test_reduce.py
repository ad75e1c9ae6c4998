"""Bars of windows, against a loop over the rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.recorded import same_bits
from tests.support.trade_batches import Trade, pieces, trades

from flightstore_proto.schemas import BATCH_ROWS_MAX, CANDLES
from flightstore_proto.timeframe import parse
from flightstore_server.engine.aggregates.reduce import bars
from flightstore_server.engine.aggregates.windows import Windows

SECOND = 10**9
MINUTE = 60 * SECOND
LAST = 2**63 - 1
PRICES = st.floats(-1e6, 1e6).map(lambda price: price + 0.0)
AMOUNTS = st.integers(0, 10**9).map(lambda units: units / 1e6)
TRADE_LISTS = st.lists(
    st.tuples(st.integers(0, 3_600 * SECOND), PRICES, AMOUNTS), max_size=120
).map(lambda rows: sorted(rows, key=lambda row: row[0]))
CUTS = st.lists(st.integers(0, 120), max_size=6).map(sorted)


def naive(rows: Sequence[Trade], windows: Windows) -> list[tuple[float, ...]]:
    groups: dict[int, list[Trade]] = {}
    for row in rows:
        groups.setdefault(windows.floor(row[0]), []).append(row)
    return [
        (
            start,
            group[0][1],
            max(price for _, price, _ in group),
            min(price for _, price, _ in group),
            group[-1][1],
            math.fsum(amount for _, _, amount in group),
        )
        for start, group in groups.items()
    ]


def rows_of(batches: Sequence[pa.RecordBatch]) -> list[tuple[float, ...]]:
    made = pa.Table.from_batches(batches, CANDLES)
    made.validate(full=True)
    columns = [made.column("ts").cast(pa.int64()), *made.columns[1:]]
    return list(zip(*(column.to_pylist() for column in columns), strict=True))


@given(TRADE_LISTS, CUTS, st.sampled_from(["1s", "1m", "7m", "1h", "1M"]))
def test_bars_are_those_of_a_loop_wherever_batches_end(
    rows: list[Trade], cuts: list[int], name: str
) -> None:
    windows = Windows(parse(name))
    made = list(bars(pieces(trades(rows), cuts), windows))
    assert rows_of(made) == naive(rows, windows)


@given(TRADE_LISTS, CUTS)
def test_bars_of_bars_are_the_bars_of_the_trades(rows: list[Trade], cuts: list[int]) -> None:
    minutes, hours = Windows(parse("1m")), Windows(parse("1h"))
    batch = pa.Table.from_batches(bars([trades(rows)], minutes), CANDLES).combine_chunks()
    whole = batch.to_batches()[0] if batch.num_rows else pa.RecordBatch.from_pylist([], CANDLES)
    of_bars = rows_of(list(bars(pieces(whole, cuts), hours)))
    of_trades = rows_of(list(bars([trades(rows)], hours)))
    assert [bar[:5] for bar in of_bars] == [bar[:5] for bar in of_trades]
    # Each minute's volume was rounded before it was added.
    assert [bar[5] for bar in of_bars] == pytest.approx([bar[5] for bar in of_trades], rel=1e-14)


@pytest.mark.parametrize("name", ["1s", "1m", "1h", "1d"])
def test_a_long_series_is_the_same_in_any_batches(name: str) -> None:
    random = np.random.default_rng(7)
    ts = np.sort(random.integers(0, 86_400 * SECOND, 100_000)).tolist()
    rows = list(zip(ts, random.normal(size=100_000), random.random(100_000), strict=True))
    batch, windows = trades(rows), Windows(parse(name))
    whole = pa.Table.from_batches(bars([batch], windows), CANDLES)
    parts = [batch.slice(at, 4_111) for at in range(0, 100_000, 4_111)]
    assert same_bits(whole, pa.Table.from_batches(bars(parts, windows), CANDLES))
    assert rows_of(whole.to_batches()) == naive(rows, windows)


def test_no_batch_is_longer_than_readers_are_promised() -> None:
    rows = [(n * SECOND, 1.0, 1.0) for n in range(100_000)]
    made = list(bars(pieces(trades(rows), [10_000, 80_000]), Windows(parse("1s"))))
    assert [b.num_rows for b in made] == [BATCH_ROWS_MAX, 80_000 - 1 - BATCH_ROWS_MAX, 20_001]


def test_a_volume_beyond_the_largest_float_is_infinite() -> None:
    rows = [(n, 1.0, 1e308) for n in range(3)]
    assert rows_of(list(bars([trades(rows)], Windows(parse("1m")))))[0][5] == math.inf


def test_rows_at_both_ends_of_time_make_bars() -> None:
    rows = [(-LAST - 1, 1.0, 1.0), (0, 2.0, 1.0), (LAST, 3.0, 1.0)]
    windows = Windows(parse("1s"))
    assert rows_of(list(bars([trades(rows)], windows))) == naive(rows, windows)


def test_nothing_comes_of_nothing() -> None:
    assert not list(bars([], Windows(parse("1m"))))
    assert not list(bars([trades([])], Windows(parse("1m"))))


@given(st.sets(st.integers(0, 200)), CUTS, st.sampled_from(["7m", "1h", "1d", "1M"]))
def test_rows_that_are_known_to_sit_on_a_grid_make_the_same_bars(
    present: set[int], cuts: list[int], name: str
) -> None:
    """Whether none is absent from a batch or some are."""
    rows = [(number * MINUTE, float(number), 1.0) for number in sorted(present)]
    windows = Windows(parse(name), "America/New_York")
    batches = pieces(trades(rows), cuts)
    assert rows_of(list(bars(batches, windows, spacing=MINUTE))) == naive(rows, windows)


def test_bars_are_handed_out_once_there_are_enough() -> None:
    taken: list[int] = []
    rows = [(number * MINUTE, 1.0, 1.0) for number in range(100)]

    def batches() -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(pieces(trades(rows), range(10, 100, 10))):
            taken.append(number)
            yield batch

    first = next(bars(batches(), Windows(parse("1m")), enough=15))
    assert first.num_rows >= 15
    assert taken == [0, 1]
