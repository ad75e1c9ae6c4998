"""Which reads are answered with places in files, and what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from tests.support.rows import MINUTE, NOON_2024, candles
from tests.support.stores import BTC, put, stepped

from flightstore_server.engine.limits import Limits
from flightstore_server.engine.local import reads as local_reads
from flightstore_server.engine.local.parts import FilePart
from flightstore_server.engine.local.reads import LocalRows, local_rows
from flightstore_server.engine.queries import Query
from flightstore_server.engine.store import Store
from flightstore_server.storage.segment import store as segments

LIMITS = Limits(segment_rows_max=1_000, bulk_put_bytes_min=1 << 30)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """3,000 bars in three files, all of them worth it, and a few later ones in memory."""
    monkeypatch.setattr(local_reads, "MAPPED_BYTES_MIN", 1_000 * 48)
    monkeypatch.setattr(segments, "HANDED_OUT_BYTES_MIN", 1_000 * 40)
    opened = stepped(tmp_path, LIMITS)
    put(opened, _bars(0, 3_000))
    opened.flush()
    put(opened, _bars(3_000, 10))
    yield opened
    opened.close()


def _bars(first: int, rows: int) -> pa.RecordBatch:
    return candles([NOON_2024 + n * MINUTE for n in range(first, first + rows)], range(rows))


def _found(store: Store, **words: object) -> LocalRows | None:
    query = Query("candles", [BTC], "1m", **words)
    return local_rows(store.reader.select(query), query)


def _shape(found: LocalRows | None) -> list[tuple[str, int]]:
    """Where the parts are, and how many rows each has."""
    assert found is not None
    return [("file" if isinstance(p, FilePart) else "rows", len(p)) for _, p in found.parts]


FILES = [("file", 1_000)] * 3


@pytest.mark.parametrize(
    ("words", "shape"),
    [
        ({}, [*FILES, ("rows", 10)]),
        ({"end": NOON_2024 + 3_000 * MINUTE}, FILES),
        (
            {"start": NOON_2024 + 10 * MINUTE, "end": NOON_2024 + 1_500 * MINUTE},
            [("file", 990), ("file", 500)],
        ),
        ({"limit": 1_200}, [("file", 1_000), ("file", 200)]),
        ({"tail": 1_200}, [("file", 190), ("file", 1_000), ("rows", 10)]),
        ({"tail": 5_000}, [*FILES, ("rows", 10)]),
    ],
    ids=str,
)
def test_parts_are_in_order_and_those_in_files_are_told_by_their_place(
    store: Store, words: dict[str, object], shape: list[tuple[str, int]]
) -> None:
    assert _shape(_found(store, **words)) == shape


def test_a_file_that_holds_older_versions_comes_as_merged_rows(store: Store) -> None:
    store.flush()
    put(store, _bars(1_500, 5))
    shape = _shape(_found(store))
    assert [rows for kind, rows in shape if kind == "file"] == [1_000, 1_000]
    assert sum(rows for _, rows in shape) == 3_010


@pytest.mark.parametrize(
    "words",
    [
        {"limit": 900},
        {"tail": 900},
        {"end": NOON_2024 + 900 * MINUTE},
        {"columns": ("close",), "limit": 2_900},
        {"start": NOON_2024 + 3_000 * MINUTE},
    ],
    ids=str,
)
def test_few_bytes_are_better_sent(store: Store, words: dict[str, object]) -> None:
    assert _found(store, **words) is None


def test_small_files_are_better_sent(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "HANDED_OUT_BYTES_MIN", 1_000 * 60)
    assert _found(store) is None


def test_rows_of_which_most_are_in_memory_are_better_sent(store: Store) -> None:
    put(store, _bars(3_010, 3_000))
    assert _found(store) is None


def test_more_rows_than_may_be_gathered_are_better_sent(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_reads, "ROWS_BYTES_MAX", 9 * 48)
    assert _found(store) is None


def test_bytes_that_would_take_long_to_check_are_better_sent(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_reads, "FRESH_BYTES_MAX", 1_500 * 48)
    assert _found(store) is None  # it has checked two batches by then
    assert _shape(_found(store)) == [*FILES, ("rows", 10)]


def test_compressed_files_are_better_sent(store: Store, tmp_path: Path) -> None:
    cold = stepped(tmp_path / "cold", replace(LIMITS, cold_age_days=1.0))
    put(cold, _bars(0, 3_000))
    cold.flush()
    cold.upkeep()
    with cold.state.lock:
        [series] = cold.state.names.by_id.values()
    assert {segment.codec for segment in series.segments} == {"zstd"}
    assert _found(cold) is None
    cold.close()


def test_rows_that_are_not_those_stored_are_sent(store: Store) -> None:
    assert _found(store, label_close=True) is None


def test_rows_that_a_delete_has_hidden_are_in_no_part(store: Store) -> None:
    store.delete("candles", BTC, "1m", NOON_2024 + 10 * MINUTE, NOON_2024 + 1_010 * MINUTE)
    shape = _shape(_found(store, end=NOON_2024 + 3_000 * MINUTE))
    assert shape == [("file", 10), ("file", 990), ("file", 1_000)]
