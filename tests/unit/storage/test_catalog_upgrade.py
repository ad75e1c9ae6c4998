"""A data directory of flightstore 1 is opened as it is, and has rules from then on."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support import catalog_format_1
from tests.support.contents import contents_of
from tests.support.failing_files import Fault, fail_catalog
from tests.support.rows import MINUTE, NOON_2024, candles
from tests.support.stores import BTC, crash, put, read, stepped

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import DataDirError
from flightstore_server.engine.verify import verify_directory
from flightstore_server.storage import catalog_upgrade, layout
from flightstore_server.storage.catalog import Catalog
from flightstore_server.storage.files import existing_root

TIMES = [NOON_2024 + minute * MINUTE for minute in range(10)]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A directory with segments, a snapshot, coverage, a position and an unflushed log."""
    store = stepped(tmp_path / "new")
    put(store, candles(TIMES), covers=[(0, TIMES[-1])])
    store.describe("candles", BTC, "1m", {"source": "here"})
    store.positions.set("alerts", 1)
    store.snapshot("paper")
    put(store, candles(TIMES[:3], 2.0))
    root = crash(store, tmp_path / "old")
    catalog_format_1.rewrite(root / layout.CATALOG)
    return root


def test_what_was_stored_is_there(old: Path, tmp_path: Path) -> None:
    before = stepped(tmp_path / "new")
    expected = contents_of(before), read(before, snapshot="paper")
    before.close()
    store = stepped(old)
    assert (contents_of(store), read(store, snapshot="paper")) == expected
    assert store.positions.get("alerts") == 1
    store.close()


def test_rules_work_and_survive(old: Path, tmp_path: Path) -> None:
    store = stepped(old)
    store.rules.add(pb.Rule(on="candles/*/1m", to=["5m"], name="fives"))
    bars = read(store, timeframe="5m")
    store.flush()
    store = stepped(crash(store, tmp_path / "again"))
    assert [rule.name for rule in store.rules.list()] == ["fives"]
    assert read(store, timeframe="5m") == bars
    store.close()


def test_the_upgraded_catalog_verifies(old: Path) -> None:
    stepped(old).close()
    assert [p.damage for p in verify_directory(existing_root(old))][-1] == []


def test_it_is_upgraded_once(old: Path) -> None:
    stepped(old).close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog_upgrade, "upgrade_from_1", None)
        stepped(old).close()


def test_an_upgrade_that_failed_has_changed_nothing(old: Path) -> None:
    path = old / layout.CATALOG
    with pytest.MonkeyPatch.context() as patch:
        fail_catalog(patch, Fault(at=1))
        with pytest.raises(OSError, match="the catalog could not be written: disk I/O error"):
            Catalog(path)
    assert _format(path) == 1
    store = stepped(old)
    assert len(read(store)) > 0
    store.close()


def _format(path: Path) -> int:
    db = sqlite3.connect(path)
    [found] = db.execute("select value from meta where key = 'format'").fetchone()
    db.close()
    return int(found)


def _change_a_row(db: sqlite3.Connection) -> None:
    db.execute("drop trigger series_update")
    db.execute("update series set instrument = 'binance:ETH/USDT'")


def _change_the_tables(db: sqlite3.Connection) -> None:
    db.execute("alter table series add column other integer")


def _change_a_sum(db: sqlite3.Connection) -> None:
    db.execute("update sums set value = value + 1 where name = 'series'")


@pytest.mark.parametrize("change", [_change_a_row, _change_the_tables, _change_a_sum])
def test_a_damaged_one_is_refused_and_left_as_it_is(
    old: Path, change: Callable[[sqlite3.Connection], None]
) -> None:
    path = old / layout.CATALOG
    db = sqlite3.connect(path)
    change(db)
    db.commit()
    db.close()
    with pytest.raises(DataDirError, match="is damaged or missing"):
        Catalog(path)
    assert _format(path) == 1


@pytest.mark.parametrize("number", [0, 3])
def test_other_formats_are_refused(old: Path, number: int) -> None:
    path = old / layout.CATALOG
    db = sqlite3.connect(path)
    db.execute("drop trigger meta_update")
    db.execute("update meta set value = ? where key = 'format'", (number,))
    db.commit()
    db.close()
    with pytest.raises(DataDirError, match=f"has format {number}, and this flightstore reads"):
        Catalog(path)
