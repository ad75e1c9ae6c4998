"""A reader finds every file it was promised, whatever maintenance does meanwhile."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from tests.support.rows import MINUTE, NOON_2024, bars_of, candles
from tests.support.stores import BTC, put, stepped

from flightstore_server.engine.pins import Pins
from flightstore_server.engine.queries import Query
from flightstore_server.engine.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A series in six segments."""
    opened = stepped(tmp_path)
    for minute in range(6):
        put(opened, candles([NOON_2024 + minute * MINUTE]))
        opened.flush()
    yield opened
    opened.close()


def _rows(store: Store, **words: object) -> Iterator[pa.RecordBatch]:
    """The rows of a read that has not begun, and nothing else that belongs to it."""
    selection = store.reader.select(Query("candles", [BTC], "1m", **words))
    return selection.rows(selection.views[0])


def _tidy(store: Store) -> None:
    gc.collect()
    store.compact(full=True)
    store.maintenance.collect()
    store.maintenance.collect()


@pytest.mark.parametrize("words", [{}, {"columns": ("close",)}, {"limit": 6}, {"tail": 6}])
def test_a_read_that_has_not_begun_keeps_its_files(store: Store, words: dict[str, object]) -> None:
    rows = _rows(store, **words)
    _tidy(store)
    assert sum(batch.num_rows for batch in rows) == 6


def test_a_read_of_a_snapshot_that_is_dropped_goes_on(store: Store) -> None:
    store.snapshot("paper")
    rows = _rows(store, snapshot="paper")
    store.snapshots.drop("paper")
    store.delete("candles", BTC, "1m", None, None)
    store.flush()
    _tidy(store)
    assert len(bars_of(rows)) == 6


def test_files_go_once_the_last_reader_is_done(store: Store) -> None:
    rows = _rows(store)
    _tidy(store)
    folder = store.files.root / "segments"
    assert len(list(folder.rglob("*.arrow"))) == 7
    list(rows)
    del rows
    _tidy(store)
    assert len(list(folder.rglob("*.arrow"))) == 1


def test_a_file_retired_under_a_reader_waits_for_that_reader_only() -> None:
    pins = Pins()
    before = pins.take()
    pins.retire(1, "a")
    after = pins.take()
    assert pins.removable() == []
    del before
    assert pins.removable() == [(1, "a")]
    assert pins.removable() == []
    assert after is not None


def test_a_file_without_readers_goes_at_once() -> None:
    pins = Pins()
    pins.retire(1, "a")
    assert pins.removable() == [(1, "a")]


def test_a_store_in_which_nothing_changes_does_not_ask_what_can_go(store: Store) -> None:
    _tidy(store)
    asked: list[str] = []
    store.catalog._db.set_trace_callback(asked.append)
    store.maintenance.collect()
    assert asked == []


def test_files_go_when_the_snapshot_that_pinned_them_is_dropped(store: Store) -> None:
    store.snapshot("paper")
    _tidy(store)
    before = store.files.root.joinpath("segments")
    assert len(list(before.rglob("*.arrow"))) == 7
    store.snapshots.drop("paper")
    store.maintenance.collect()
    assert len(list(before.rglob("*.arrow"))) == 1
