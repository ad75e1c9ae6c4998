"""The memtable: whatever the order of appends, reads and folds, the rows are those of a dict."""

from __future__ import annotations

from threading import RLock

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.rows import bars_of, candles, own

from flightstore_server.engine import memtable
from flightstore_server.engine.memtable import Memtable

RUNS = st.lists(
    st.tuples(st.sets(st.integers(0, 60), max_size=10).map(sorted), st.integers(1, 10**6)),
    max_size=15,
)


def _rows(table: Memtable) -> list[tuple[int, float]]:
    return bars_of(table.view().sorted_chunks())


@given(RUNS, st.sets(st.integers(0, 14)))
def test_the_last_append_wins_whenever_somebody_reads(
    runs: list[tuple[list[int], int]], reads_after: set[int]
) -> None:
    table, expected = Memtable(False, RLock()), {}
    for number, (times, value) in enumerate(runs):
        table.append(candles(times, float(value)), number + 1, 100)
        expected.update(dict.fromkeys(times, float(value)))
        if number in reads_after:
            assert _rows(table) == sorted(expected.items())
    assert _rows(table) == sorted(expected.items())


@given(RUNS, st.integers(0, 14))
def test_a_view_stays_as_it_was(runs: list[tuple[list[int], int]], taken_after: int) -> None:
    table, expected, view = Memtable(False, RLock()), {}, None
    for number, (times, value) in enumerate(runs):
        table.append(candles(times, float(value)), number + 1, 100)
        if number <= taken_after:
            expected.update(dict.fromkeys(times, float(value)))
        if number == taken_after:
            view = table.view()
    if view is not None:
        _rows(table)  # somebody else folds meanwhile
        assert bars_of(view.sorted_chunks()) == sorted(expected.items())


@given(RUNS, st.integers(-1, 61), st.integers(-1, 61))
def test_a_cut_leaves_the_rows_outside(
    runs: list[tuple[list[int], int]], start: int, end: int
) -> None:
    table, expected = Memtable(False, RLock()), {}
    for number, (times, value) in enumerate(runs):
        table.append(candles(times, float(value)), number + 1, 100)
        expected.update(dict.fromkeys(times, float(value)))
    kept = table.without(start, end)
    assert _rows(kept) == sorted((t, v) for t, v in expected.items() if not start <= t < end)


def test_many_small_appends_are_folded_by_the_writer() -> None:
    table = Memtable(False, RLock())
    for number in range(memtable.PENDING_MAX):
        table.append(candles([number]), number + 1, 100)
    assert table.pending == []


def test_rows_from_before_a_column_was_added_are_kept() -> None:
    table = Memtable(False, RLock())
    table.append(own([1, 3], x=[1.0, 3.0]), 1, 100)
    table.append(own([2, 3], x=[2.0, 4.0], y=["b", "c"]), 2, 100)
    rows = pa.Table.from_batches(table.view().sorted_chunks())
    assert rows.column("x").to_pylist() == [1.0, 2.0, 4.0]
    assert rows.column("y").to_pylist() == [None, "b", "c"]


def _large(first: int) -> pa.RecordBatch:
    return candles(range(first, first + memtable._TAIL_ROWS_MAX), 1.0)


def test_large_runs_that_follow_each_other_are_kept_without_a_copy() -> None:
    """A start after a kill spent most of its time on copying what was in order already."""
    runs = [_large(number * memtable._TAIL_ROWS_MAX) for number in range(3)]
    chunks = memtable.fold((), runs, key_has_id=False)
    addresses = [chunk.column("close").buffers()[1].address for chunk in chunks]
    assert addresses == [run.column("close").buffers()[1].address for run in runs]


def test_large_runs_that_share_a_time_are_merged() -> None:
    runs = [_large(0), _large(memtable._TAIL_ROWS_MAX - 1)]
    chunks = memtable.fold((), runs, key_has_id=False)
    assert sum(map(len, chunks)) == 2 * memtable._TAIL_ROWS_MAX - 1


def test_a_view_is_folded_once_however_often_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand late trades made a derived series fold its whole base a thousand times."""
    table, folds = Memtable(False, RLock()), []
    for number in range(3):
        table.append(candles([number], 1.0), number + 1, 100)
    view, fold = table.view(), memtable.fold

    def counted(
        chunks: memtable.Chunks, runs: list[pa.RecordBatch], key_has_id: bool
    ) -> memtable.Chunks:
        folds.append(len(runs))
        return fold(chunks, runs, key_has_id)

    monkeypatch.setattr(memtable, "fold", counted)
    read = [bars_of(view.sorted_chunks()) for _ in range(5)]
    assert folds == [3]
    assert read == [[(0, 1.0), (1, 1.0), (2, 1.0)]] * 5
