"""Durable positions: what is remembered across restarts, and what the log is held for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.failing_files import Fault, fail_catalog
from tests.support.rows import MINUTE, NOON_2024, candles
from tests.support.stores import NOW, SMALL, crash, put, stepped

from flightstore_server.engine.positions import Positions
from flightstore_server.storage.catalog import Catalog

SECOND = 10**9


def test_nobody_has_a_position_at_first(tmp_path: Path) -> None:
    store = stepped(tmp_path / "data")
    assert store.positions.get("alerts") is None
    assert store.positions.oldest() is None
    store.close()


def test_a_position_is_known_at_once(tmp_path: Path) -> None:
    store = stepped(tmp_path / "data")
    store.positions.set("alerts", 7)
    store.positions.set("copy", 5)
    assert (store.positions.get("alerts"), store.positions.oldest()) == (7, 5)
    store.positions.forget("copy")
    store.positions.forget("copy")
    assert store.positions.oldest() == 7
    store.close()


def test_positions_survive_a_stop(tmp_path: Path) -> None:
    """Those of the last second were lost, and everything since was dealt with again."""
    store = stepped(tmp_path / "data")
    store.positions.set("alerts", 7)
    store.close()
    store = stepped(tmp_path / "data")
    assert store.positions.get("alerts") == 7
    store.positions.forget("alerts")
    store.close()
    store = stepped(tmp_path / "data")
    assert store.positions.get("alerts") is None
    store.close()


def test_positions_are_written_with_each_flush(tmp_path: Path) -> None:
    store = stepped(tmp_path / "0")
    put(store, candles([NOON_2024]))
    store.positions.set("alerts", 1)
    store.flush()
    store.positions.set("alerts", 2)
    store = stepped(crash(store, tmp_path / "1"))
    assert store.positions.get("alerts") == 1
    store.close()


def test_positions_are_written_at_most_every_second(tmp_path: Path) -> None:
    now = [0]
    catalog = Catalog(tmp_path / "catalog")
    positions = Positions(catalog, lambda: now[0])
    positions.set("alerts", 1)
    now[0] = SECOND - 1
    positions.step()
    assert catalog.positions() == {}
    now[0] = SECOND
    positions.step()
    assert catalog.positions() == {"alerts": 1}
    catalog.close()


def test_positions_that_have_not_changed_are_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = Catalog(tmp_path / "catalog")
    positions = Positions(catalog, lambda: NOW)
    positions.set("alerts", 1)
    positions.write()
    monkeypatch.setattr(catalog, "set_positions", None)
    positions.write()
    catalog.close()


def test_upkeep_writes_positions(tmp_path: Path) -> None:
    now = [NOW]
    store = stepped(tmp_path / "data", clock=lambda: now[0])
    store.positions.set("alerts", 1)
    now[0] += SECOND
    store.upkeep()
    assert store.catalog.positions() == {"alerts": 1}
    store.close()


def test_positions_that_cannot_be_written_stop_the_writes(tmp_path: Path) -> None:
    now = [NOW]
    store = stepped(tmp_path / "data", clock=lambda: now[0])
    store.positions.set("alerts", 1)
    now[0] += SECOND
    with pytest.MonkeyPatch.context() as patch:
        fail_catalog(patch, Fault(at=1, forever=True))
        store.upkeep()
    assert "disk I/O error" in store.committer.poison_reason
    store.close()


def test_a_store_closes_also_where_positions_cannot_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = stepped(tmp_path / "data")
    store.positions.set("alerts", 1)
    with pytest.MonkeyPatch.context() as patch:
        fail_catalog(patch, Fault(at=1, forever=True))
        store.close()
    assert "the positions of consumers are those of a second ago" in caplog.text
    stepped(tmp_path / "data").close()


@pytest.mark.parametrize(("hold_bytes", "held"), [(1 << 30, True), (0, False)])
def test_the_log_is_held_for_the_oldest_position_up_to_a_limit(
    tmp_path: Path, hold_bytes: int, held: bool
) -> None:
    now = [NOW]
    limits = replace(SMALL, log_file_bytes=1, log_hold_bytes=hold_bytes)
    store = stepped(tmp_path / "data", limits, clock=lambda: now[0])
    store.positions.set("alerts", 2)
    for minute in range(6):
        put(store, candles([NOON_2024 + minute * MINUTE]))
        store.flush()
        now[0] += SECOND
        store.upkeep()
    assert (store.maintenance.log_tail_lsn <= 3) is held
    store.close()
