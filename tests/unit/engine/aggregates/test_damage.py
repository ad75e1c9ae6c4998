"""Derived series where something is damaged, full, lost or let go."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from tests.support.derived_stores import TIMES, bars, filled, series
from tests.support.failing_files import FailingFiles, Fault
from tests.support.rows import MINUTE, NOON_2024, candles, trades
from tests.support.stores import BTC, BULK, NOW, SMALL, put, read, stepped

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import Corrupt
from flightstore_server.engine.aggregates import freshen
from flightstore_server.engine.queries import Query
from flightstore_server.engine.repair import repair
from flightstore_server.engine.store import Store
from flightstore_server.engine.verify import verify_directory
from flightstore_server.engine.wide_reads import shared_batches
from flightstore_server.storage.files import existing_root, open_root
from flightstore_server.storage.segment import index

ETH = "kraken:ETH/EUR"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = filled(tmp_path / "data")
    yield opened
    opened.close()


def damage(store: Store, timeframe: str) -> None:
    """Change a byte among the rows of every file of a series."""
    assert series(store, timeframe).segments
    for segment in series(store, timeframe).segments:
        entry = index.decode(segment.index)[0]
        file = store.files.root / segment.file
        data = bytearray(file.read_bytes())
        data[entry.offset + entry.size - 1] ^= 0xFF
        file.write_bytes(data)


def test_a_damaged_base_is_told_to_who_reads_what_is_derived(tmp_path: Path) -> None:
    store = filled(tmp_path / "data")
    put(store, candles(TIMES), instrument=ETH)
    store.flush()
    put(store, candles(TIMES[:1], 3.0))
    damage(store, "1m")
    with pytest.raises(Corrupt):
        bars(store)
    assert store.aggregates.stale()
    found = store.reader.select(Query("candles", ["*"], "5m"))
    assert set(found.problems) == {BTC}
    [shared] = shared_batches(found)
    assert shared.rows == 4
    store.aggregates.freshen_all(store.aggregates.stale())
    assert store.aggregates.errors > 0
    assert store.aggregates.state == "retrying"
    assert f"candles {BTC}" in store.aggregates.error
    store.close()


def test_that_bars_cannot_be_computed_is_logged_once_and_shown_until_they_can(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """Upkeep with nothing to do forgot the error a tenth of a second later."""
    put(store, candles(TIMES[:1], 3.0))
    ids = store.aggregates.stale()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(freshen, "bars", _damaged)
        for _ in range(3):
            store.aggregates.freshen_all(ids)
            store.maintenance.step()
        assert "damaged here" in store.aggregates.error
    logged = [record for record in caplog.records if "bars could not" in record.getMessage()]
    assert len(logged) == len(ids)
    bars(store, "1h")
    assert (store.aggregates.error, store.aggregates.state) == ("", "running")


def _damaged(*_: object) -> Iterator[pa.RecordBatch]:
    raise Corrupt("damaged here")


def test_retention_waits_where_bars_cannot_be_computed(store: Store) -> None:
    """It deleted the base all the same, and the bars could never be computed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(freshen, "bars", _damaged)
        with pytest.raises(Corrupt):
            store._delete_before(series(store, "1m"), NOON_2024 + 60 * MINUTE)
    assert len(read(store)) > 0
    store._delete_before(series(store, "1m"), NOON_2024 + 60 * MINUTE)
    assert read(store) == []
    assert len(bars(store)) == 4


def test_retention_that_finds_nothing_to_delete_logs_nothing(store: Store) -> None:
    """Rows of an hour that is old only in part made it delete nothing, every hour."""
    lsn = store.state.last_lsn
    assert store._delete_before(series(store, "1m"), TIMES[10]) == 0
    assert store.state.last_lsn == lsn


def test_frozen_bars_are_said_to_be(store: Store) -> None:
    store._delete_before(series(store, "1m"), NOON_2024 + 60 * MINUTE)
    said = series(store, "5m").metadata["frozen_before"]
    assert said.startswith("2024-01-01T13:00")
    put(store, candles(TIMES[:1], 44.0))
    assert bars(store)[TIMES[0]] == 1.0


def test_a_full_disk_does_not_keep_bars_from_being_read(tmp_path: Path) -> None:
    fault = Fault(code=errno.ENOSPC, forever=True)
    files = FailingFiles(open_root(tmp_path / "data"), fault)
    store = Store(files, BULK, clock=lambda: NOW, upkeep_thread=False)
    put(store, candles(TIMES))
    store.rules.add(pb.Rule(on="candles/*/1m", to=["5m"]))
    make = files.create

    def full(name: str) -> object:
        raise OSError(errno.ENOSPC, "No space left on device")

    files.create = full  # type: ignore[method-assign,assignment]
    assert len(bars(store)) == 4
    assert series(store, "5m").segments == ()
    files.create = make  # type: ignore[method-assign]
    store.flush()
    assert len(bars(store)) == 4
    assert not store.committer.poison_reason
    store.close()


def test_repair_of_a_base_has_its_bars_computed_again(tmp_path: Path) -> None:
    """Bars went on to show rows that were lost."""
    store = filled(tmp_path / "data")
    store.flush()
    damage(store, "1m")
    store.close()
    repair(existing_root(tmp_path / "data"))
    store = stepped(tmp_path / "data")
    assert read(store) == []
    assert bars(store) == {}
    assert bars(store, "1h") == {}
    store.close()


@pytest.mark.parametrize("timeframe", ["5m", "1h", "3tick"])
def test_repair_has_damaged_bars_computed_again(tmp_path: Path, timeframe: str) -> None:
    """Their stale windows were taken for coverage, and cut by what was lost."""
    store = filled(tmp_path / "data")
    store.rules.add(pb.Rule(on="trades/*", to=["3tick"]))
    rows = [(NOON_2024 + n, str(n), 1.0) for n in range(7)]
    put(store, trades(rows), dataset="trades", timeframe="")
    expected = bars(store, timeframe)
    store.snapshot("old")
    damage(store, timeframe)
    store.close()
    said = repair(existing_root(tmp_path / "data"))
    assert any("are computed again, as far as their base is still there" in line for line in said)
    store = stepped(tmp_path / "data")
    assert bars(store, timeframe) == expected
    assert bars(store, timeframe, snapshot="old") == expected
    store.close()
    assert [p.damage for p in verify_directory(existing_root(tmp_path / "data"))][-1] == []


def test_bars_are_there_again_after_the_catalog_was_lost(tmp_path: Path) -> None:
    keep = replace(SMALL, log_keep_bytes=1 << 30, log_keep_seconds=1e9)
    store = filled(tmp_path / "data", keep)
    store.flush()
    expected = bars(store, "1h")
    store.close()
    for file in (tmp_path / "data").glob("catalog*"):
        file.unlink()
    repair(existing_root(tmp_path / "data"))
    store = stepped(tmp_path / "data")
    assert [rule.name for rule in store.rules.list()] == ["fives", "hours"]
    assert bars(store, "1h") == expected
    store.close()
