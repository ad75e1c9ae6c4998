"""Group commit: one sync for many, in order, each put once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests.support.rows import MINUTE, NOON_2024, bars_of, candles
from tests.support.stores import BTC, read

from flightstore_server.engine.limits import Limits
from flightstore_server.engine.received import Put, SeriesRows
from flightstore_server.engine.store import Store
from flightstore_server.storage.files import DiskFile, open_root


class _Gate:
    """A disk whose syncs wait until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.syncs = 0
        self.opened, self.entered = threading.Event(), threading.Event()
        plain = DiskFile.sync

        def sync(file: DiskFile) -> None:
            self.entered.set()
            assert self.opened.wait(30)
            self.syncs += 1
            plain(file)

        monkeypatch.setattr(DiskFile, "sync", sync)


def _put(minute: int, value: float, put_id: int = 0) -> Put:
    rows = candles([NOON_2024 + minute * MINUTE], value)
    return Put("candles", [rows], [SeriesRows(BTC, "1m", 1)], put_id)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(open_root(tmp_path), Limits(), upkeep_thread=False)


def test_puts_that_meet_share_a_sync_and_the_later_wins(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = _Gate(monkeypatch)
    first = threading.Thread(target=lambda: store.put(_put(0, 0.0)).result(timeout=30))
    first.start()
    assert gate.entered.wait(30)
    waiting = [store.put(_put(1, float(value))) for value in range(50)]
    gate.opened.set()
    lsns = [pending.result(timeout=30).lsn for pending in waiting]
    first.join(30)
    assert lsns == list(range(2, 52))
    assert gate.syncs == 2
    assert bars_of(read(store))[1] == (NOON_2024 + MINUTE, 49.0)
    store.close()


def test_one_put_sent_twice_into_one_group_is_applied_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came between the two must not be undone by the second."""
    gate = _Gate(monkeypatch)
    first = threading.Thread(target=lambda: store.put(_put(0, 0.0)).result(timeout=30))
    first.start()
    assert gate.entered.wait(30)
    waiting = [store.put(_put(1, 1.0, 7)), store.put(_put(1, 2.0)), store.put(_put(1, 1.0, 7))]
    gate.opened.set()
    acks = [pending.result(timeout=30) for pending in waiting]
    first.join(30)
    assert acks[0] == acks[2]
    assert acks[1].lsn == acks[0].lsn + 1
    assert bars_of(read(store))[1] == (NOON_2024 + MINUTE, 2.0)
    store.close()
