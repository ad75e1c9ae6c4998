"""Bringing derived series up to date: when, how much of them, and what happens meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from tests.model.derived_driver import bars_of
from tests.support.derived_stores import FIVES, TIMES, bars, closed, filled, series
from tests.support.rows import DAY, MINUTE, NOON_2024, candles, trades
from tests.support.stores import BTC, BULK, SMALL, crash, put, read, stepped

from flightstore_proto import flightstore_pb2 as pb
from flightstore_server.engine.aggregates import freshen
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.queries import Query
from flightstore_server.engine.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = filled(tmp_path / "data")
    yield opened
    opened.close()


def test_a_read_sees_what_was_written_before_it(store: Store) -> None:
    assert bars(store, "1h") == {NOON_2024: 1.0}
    put(store, candles(TIMES[-1:], 9.0))
    assert bars(store, "1h") == {NOON_2024: 9.0}
    assert bars(store) == dict(zip(FIVES, [1.0, 1.0, 1.0, 9.0], strict=True))


def test_a_read_computes_no_more_than_its_range_needs(store: Store) -> None:
    bars(store)
    put(store, candles(TIMES, 2.0))
    assert bars(store, start=TIMES[6], end=TIMES[11]) == {TIMES[10]: 2.0}
    derived = series(store, "5m").derived
    assert derived is not None
    assert derived.unsettled() == ((TIMES[0], TIMES[5]), (TIMES[15], TIMES[15] + 5 * MINUTE))


def test_a_window_that_lost_its_last_row_has_no_bar(store: Store) -> None:
    bars(store, "1h")
    store.delete("candles", BTC, "1m", TIMES[5], TIMES[10])
    assert list(bars(store)) == [FIVES[0], FIVES[2], FIVES[3]]
    store.delete("candles", BTC, "1m", None, TIMES[-1] + 1)
    assert bars(store) == {}
    assert bars(store, "1h") == {}


def test_upkeep_computes_what_a_bulk_put_made_stale(tmp_path: Path) -> None:
    store = filled(tmp_path / "0", BULK)
    assert store.aggregates.stale()
    store.maintenance.step()
    assert store.aggregates.stale() == []
    assert len(series(store, "5m").segments) > 0
    assert len(bars(store)) == 4
    store.close()


def test_upkeep_computes_what_many_single_rows_made_stale(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody read, so notes piled up, and each further one took longer to add."""
    bars(store, "1h")
    for number in range(300):
        put(store, candles([NOON_2024 - (number + 1) * DAY]))
    assert series(store, "5m").id in store.state.hasty
    monkeypatch.setattr(freshen, "_STEP_SECONDS", 60.0)
    store.aggregates.step()
    assert store.aggregates.stale() == [] or store.state.hasty == set()


def test_upkeep_leaves_the_rest_for_the_next_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule on years of many series kept the flush waiting until writers were refused."""
    store.rules.add(pb.Rule(name="more", on="candles/*/1m", to=["10m", "15m", "30m"]))
    monkeypatch.setattr(freshen, "_STEP_SECONDS", 0.0)
    waiting = set(store.state.hasty)
    store.maintenance.step()
    assert store.state.hasty == waiting
    monkeypatch.setattr(freshen, "_STEP_SECONDS", 60.0)
    store.maintenance.step()
    assert store.state.hasty == set()


def test_a_flush_leaves_little_to_be_computed_by_the_next_start(tmp_path: Path) -> None:
    store = filled(tmp_path / "0")
    expected = bars(store, "1h")
    put(store, candles(TIMES[-1:], 9.0))
    store.flush()
    store = stepped(crash(store, tmp_path / "1"))
    assert store.aggregates.stale() == []
    assert bars(store, "1h") == {**expected, NOON_2024: 9.0}
    store.close()


def test_what_a_flush_does_not_wait_for_is_computed_after_the_next_start(tmp_path: Path) -> None:
    store = filled(tmp_path / "0", BULK)
    store.flush()
    store = stepped(crash(store, tmp_path / "1"))
    assert store.state.hasty >= {series(store, "5m").id}
    assert len(bars(store)) == 4
    store.close()


def test_bars_that_were_computed_since_the_last_flush_are_flushed_without_a_record(
    tmp_path: Path,
) -> None:
    """A flush at the same record wrote nothing, and forgot that there was something to write:
    retention let the base go, and a crash took the bars."""
    store = filled(tmp_path / "0", BULK)
    store.flush()
    assert len(bars(store)) == 4
    assert len(bars(store, "1h")) == 1
    store.flush()
    store._delete_before(series(store, "1m"), NOON_2024 + 60 * MINUTE)
    store = stepped(crash(store, tmp_path / "1"))
    assert read(store) == []
    assert len(bars(store)) == 4
    assert len(bars(store, "1h")) == 1
    store.close()


def test_memory_that_bars_fill_without_a_record_is_flushed(store: Store) -> None:
    """Writers waited for room that no flush would make, as none was due without a record."""
    store.flush()
    store.state.dirty.add(series(store, "5m").id)
    store.maintenance._limits = replace(SMALL, flush_bytes=0)
    assert store.maintenance._flush_is_due()
    store.maintenance.step()
    assert not store.maintenance._flush_is_due()


def test_what_is_computed_again_at_the_same_record_wins_over_what_was_flushed(
    store: Store,
) -> None:
    """The base of a base changed in between: the newer bars lost against a file of equal age."""
    put(store, candles(TIMES[:1], 5.0))
    bars(store, "1h")
    hour = series(store, "1h")
    wrong = candles([NOON_2024], 77.0)
    with store.state.lock:
        store.state.hold(hour, wrong, store.state.last_lsn)
        store.state.dirty.add(hour.id)
    store.flush()
    assert bars(store, "1h") == {NOON_2024: 77.0}
    assert hour.derived is not None
    with store.state.lock:
        hour.derived.mark(NOON_2024, NOON_2024 + 1)
    assert bars(store, "1h") == {NOON_2024: 1.0}


@pytest.mark.parametrize("limits", [SMALL, BULK])
def test_a_rule_that_is_removed_while_its_bars_are_computed_is_harmless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: Limits
) -> None:
    """The series was marked as changed after it was gone, and the next flush failed on it."""
    store = filled(tmp_path / "data", limits)
    hold, free = store.aggregates._bulk.wants, store.state.memtable_bytes

    def remove_first(rows: pa.RecordBatch, runs: int) -> bool:
        monkeypatch.undo()
        store.rules.remove("fives")
        return hold(rows, runs)

    monkeypatch.setattr(store.aggregates._bulk, "wants", remove_first)
    store.aggregates.freshen(series(store, "5m"))
    assert store.state.memtable_bytes == free
    store.flush()
    store.maintenance.collect()
    files = [str(file) for file in (store.files.root / "segments").rglob("*.arrow")]
    assert files
    assert not [file for file in files if "5m" in file]
    store.close()


def test_a_snapshot_has_the_bars_of_its_time(store: Store) -> None:
    store.snapshot("old")
    put(store, candles(TIMES, 2.0))
    store.rules.remove("fives")
    assert set(bars(store, snapshot="old").values()) == {1.0}
    assert set(bars(store, "1h", snapshot="old").values()) == {1.0}


def test_a_snapshot_has_bars_that_a_flush_would_have_left_for_later(tmp_path: Path) -> None:
    """Retention then took what they would have been computed of."""
    store = filled(tmp_path / "data", BULK)
    store.snapshot("old")
    assert store.aggregates.stale() == []
    store.close()


def test_bars_of_a_snapshot_are_computed_beside_the_stores_memory(store: Store) -> None:
    store.snapshot("old")
    names = store.snapshots.names("old")
    old = names.get("candles", BTC, "5m")
    assert old is not None
    assert old.derived is not None
    with store.state.lock:
        old.derived.mark_everything()
    memory, dirty = store.state.memtable_bytes, set(store.state.dirty)
    assert len(bars(store, snapshot="old")) == 4
    assert (store.state.memtable_bytes, store.state.dirty) == (memory, dirty)


def test_an_open_window_is_visible_and_not_closed(store: Store) -> None:
    assert list(bars(store)) == FIVES
    assert closed(store, "5m") == FIVES[:-1]
    assert closed(store, "1h") == []
    put(store, candles([TIMES[-1] + MINUTE]))
    assert closed(store, "5m") == FIVES


def test_coverage_closes_a_window(store: Store) -> None:
    put(store, candles([]), covers=[(TIMES[0], TIMES[0] + 60 * MINUTE)])
    assert closed(store, "5m") == FIVES
    assert closed(store, "1h") == [NOON_2024]


def test_a_written_bar_is_closed_once_all_of_its_time_is_covered(store: Store) -> None:
    """Half a minute of coverage closed a bar of a minute."""
    put(store, candles([]), covers=[(TIMES[0], TIMES[-1] + MINUTE // 2)])
    assert closed(store, "1m") == TIMES[:-1]
    put(store, candles([]), covers=[(TIMES[0], TIMES[-1] + MINUTE)])
    assert closed(store, "1m") == TIMES


def test_of_bars_by_count_the_last_one_may_still_grow(store: Store) -> None:
    store.rules.add(pb.Rule(on="trades/*", to=["3tick"]))
    rows = [(NOON_2024 + n, str(n), 1.0) for n in range(7)]
    put(store, trades(rows), dataset="trades", timeframe="")
    assert list(bars(store, "3tick")) == [NOON_2024, NOON_2024 + 3, NOON_2024 + 6]
    assert closed(store, "3tick") == [NOON_2024, NOON_2024 + 3]
    put(store, trades([(NOON_2024 + DAY, "9", 1.0)]), dataset="trades", timeframe="")
    assert closed(store, "3tick") == [NOON_2024, NOON_2024 + 3, NOON_2024 + 6]


def test_rows_that_come_during_a_read_do_not_close_its_bars(store: Store) -> None:
    """The last window was read without the rows that closed it, and counted as closed."""
    query = Query("candles", [BTC], "5m", closed=True)
    selection = store.reader.select(query)
    put(store, candles([TIMES[-1] + MINUTE], 8.0))
    found = bars_of(list(selection.rows(selection.views[0])))
    assert [bar[0] for bar in found] == FIVES[:-1]
