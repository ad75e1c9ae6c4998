"""Merging rows by key, against a dict."""

from __future__ import annotations

import itertools

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from tests.support.rows import candles, own, trades, trades_of

from flightstore_server.storage.rows import (
    are_sorted_and_distinct,
    is_sorted_and_distinct,
    merge,
    ts_of,
    widen,
)

# Few distinct keys, so that ties are common; ids that sort differently as text and by length.
TIMES = st.sampled_from([-(2**63), -1, 0, 1, 2, 3, 2**63 - 1])
IDS = st.sampled_from(["1", "9", "10", "11", "99", "100", "a", "é", "zz"])
BARS = st.lists(st.lists(st.tuples(TIMES, st.floats(1, 99)), max_size=12), min_size=1, max_size=4)
TRADES = st.lists(
    st.lists(st.tuples(TIMES, IDS, st.floats(1, 99)), max_size=12), min_size=1, max_size=4
)


def _bars(batch: pa.RecordBatch) -> list[tuple[int, float]]:
    return list(zip(ts_of(batch).tolist(), batch.column("close").to_pylist(), strict=True))


def _key(trade: tuple[int, str, float]) -> tuple[int, int, bytes]:
    return trade[0], len(trade[1].encode()), trade[1].encode()


@given(BARS)
def test_of_bars_with_one_time_the_last_wins(runs: list[list[tuple[int, float]]]) -> None:
    batches = [candles([ts for ts, _ in run], [v for _, v in run]) for run in runs]
    merged = merge(batches, key_has_id=False)
    expected = {ts: value for run in runs for ts, value in run}
    assert _bars(merged) == sorted(expected.items())


@given(TRADES)
def test_of_trades_with_one_time_and_id_the_last_wins(
    runs: list[list[tuple[int, str, float]]],
) -> None:
    merged = merge([trades(run) for run in runs], key_has_id=True)
    expected = {_key(trade): trade for run in runs for trade in run}
    assert trades_of([merged]) == [expected[key] for key in sorted(expected)]


@given(TRADES)
def test_merged_rows_are_sorted_and_distinct(runs: list[list[tuple[int, str, float]]]) -> None:
    merged = merge([trades(run) for run in runs], key_has_id=True)
    assert is_sorted_and_distinct(merged, key_has_id=True)


@given(st.lists(st.tuples(TIMES, IDS, st.just(1.0)), max_size=8))
def test_rows_are_sorted_and_distinct_when_their_keys_rise(
    rows: list[tuple[int, str, float]],
) -> None:
    keys = [_key(row) for row in rows]
    rising = all(a < b for a, b in itertools.pairwise(keys))
    assert is_sorted_and_distinct(trades(rows), key_has_id=True) == rising


@given(TRADES)
def test_runs_are_sorted_when_each_of_them_is(runs: list[list[tuple[int, str, float]]]) -> None:
    batches = [trades(run) for run in runs]
    each = all(is_sorted_and_distinct(batch, key_has_id=True) for batch in batches)
    counts = [len(run) for run in runs]
    whole = pa.concat_batches(batches)
    assert are_sorted_and_distinct(whole, counts, key_has_id=True) == each


def test_rows_that_need_no_merging_are_handed_back_without_a_copy() -> None:
    rows = candles([1, 2, 3])
    merged = merge([rows], key_has_id=False)
    assert merged.column("close").buffers()[1].address == rows.column("close").buffers()[1].address


def test_the_times_of_a_slice_are_its_own() -> None:
    assert ts_of(candles([1, 2, 3, 4]).slice(1, 2)).tolist() == [2, 3]


def test_rows_of_an_older_schema_get_nulls_in_newer_columns() -> None:
    wide = own([1], x=[1.0], y=["a"]).schema
    assert widen(own([5], x=[2.0]), wide).column("y").to_pylist() == [None]
