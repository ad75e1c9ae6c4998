"""Rows of series that lie in files alone are found as those of any other series are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tests.support.rows import MINUTE, NOON_2024, bars_of, candles, own
from tests.support.seeds import generator
from tests.support.stores import BTC, SMALL, put, read, stepped, view

from flightstore_proto.errors import Corrupt
from flightstore_server.engine.store import Store
from flightstore_server.engine.training.file_rows import FileRows, rows_of
from flightstore_server.engine.training.row_index import RowIndex

COLUMNS = ("ts", "open", "high", "low", "close", "volume")


@pytest.fixture(params=["as written", "compressed"])
def store(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    """Segments of at most 50 rows."""
    days = 1.0 if request.param == "compressed" else 0.0
    opened = stepped(tmp_path / "data", replace(SMALL, cold_age_days=days))
    yield opened
    opened.close()


def rows_in_files(store: Store, closes: np.ndarray) -> None:
    put(store, candles(NOON_2024 + np.arange(len(closes)) * MINUTE, closes.tolist()))
    store.maintenance.flush()
    store.maintenance.compact(full=True)
    store.upkeep()  # compresses what is cold


def test_windows_across_files_are_slices_of_a_plain_read(store: Store) -> None:
    random = generator("file rows")
    rows_in_files(store, np.arange(330.0))
    bars = bars_of(read(store))
    rows = rows_of(view(store), store.segments, COLUMNS)
    assert isinstance(rows, FileRows)
    assert rows.rows == len(bars) == 330
    assert len(view(store).segments) > 5
    for first in sorted(random.choices(range(330), k=60)):
        length = random.randrange(1, 331 - first)
        start, parts = rows.window(first, length)
        assert bars_of(parts) == bars[first : first + length]
        assert start == bars[first][0]
        ts = start + random.randrange(-MINUTE, MINUTE)
        assert rows.before(ts) == sum(bar[0] < ts for bar in bars)
    assert rows.before(bars[-1][0] + 1) == 330


def test_windows_across_batches_of_one_file_are_slices_of_a_plain_read(tmp_path: Path) -> None:
    store = stepped(tmp_path / "data", replace(SMALL, segment_rows_max=1 << 20))
    rows_in_files(store, np.arange(150_000.0))
    assert len(view(store).segments) == 1
    rows = rows_of(view(store), store.segments, ("close",))
    for first, length in ((0, 150_000), (65_500, 100), (65_536, 1), (131_000, 100), (149_999, 1)):
        start, parts = rows.window(first, length)
        closes = np.concatenate([part.column("close").to_numpy() for part in parts])
        np.testing.assert_array_equal(closes, np.arange(first, first + length))
        assert start == NOON_2024 + first * MINUTE
        assert rows.before(start) == first
    store.close()


def test_what_is_in_memory_overlaps_or_was_deleted_is_planned(store: Store) -> None:
    rows_in_files(store, np.arange(100.0))
    put(store, candles([NOON_2024 + 7 * MINUTE], 5.0))
    assert isinstance(rows_of(view(store), store.segments, COLUMNS), RowIndex)
    store.maintenance.flush()
    assert isinstance(rows_of(view(store), store.segments, COLUMNS), RowIndex)
    store.maintenance.compact(full=True)
    assert isinstance(rows_of(view(store), store.segments, COLUMNS), FileRows)
    store.delete("candles", BTC, "1m", NOON_2024, NOON_2024 + MINUTE)
    assert isinstance(rows_of(view(store), store.segments, COLUMNS), RowIndex)


def test_other_columns_of_the_same_rows_are_not_mixed_up(store: Store) -> None:
    rows_in_files(store, np.arange(40.0))
    for columns in (("close",), ("volume", "close"), ("close",)):
        batch = rows_of(view(store), store.segments, columns).window(3, 2)[1][0]
        assert batch.schema.names == list(columns)
        assert batch.column("close").to_pylist() == [3.0, 4.0]


def test_a_column_added_later_is_null_in_rows_written_before(store: Store) -> None:
    for minute, rows in enumerate((own([NOON_2024], a=[1]), own([NOON_2024 + 1], a=[2], b=[3]))):
        put(store, rows, dataset="own", timeframe="")
        store.maintenance.flush()
        assert len(view(store, "own", "").segments) == minute + 1
    rows = rows_of(view(store, "own", ""), store.segments, ("b", "a"))
    assert isinstance(rows, FileRows)
    table = pa.Table.from_batches(rows.window(0, 2)[1])
    assert table.to_pydict() == {"b": [None, 3], "a": [1, 2]}


def test_a_damaged_file_is_an_error_of_the_windows_in_it_alone(store: Store) -> None:
    rows_in_files(store, np.arange(100.0))
    segments = sorted(view(store).segments, key=lambda segment: segment.min_ts)
    path = store.files.root / segments[1].file
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    rows = rows_of(view(store), store.segments, COLUMNS)
    assert rows.window(0, 10)[0] == NOON_2024
    with pytest.raises(Corrupt, match=segments[1].file):
        rows.window(segments[0].rows - 1, 2)
