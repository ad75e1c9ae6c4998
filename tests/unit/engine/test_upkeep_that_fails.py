"""Background work that meets damage, a failing disk or a mistake: it says so, and harms nobody."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.replicating import until
from tests.support.rows import MINUTE, NOON_2024, bars_of, candles
from tests.support.stores import BTC, NOW, SMALL, put, read, stepped, view

from flightstore_proto.errors import Corrupt, DataDirError, Poisoned
from flightstore_proto.timeframe import DAY_NS
from flightstore_server.engine.retention import RetentionRule
from flightstore_server.engine.scrubbing.scrub import Scrub
from flightstore_server.engine.store import Store, open_store
from flightstore_server.storage.catalog import Catalog
from flightstore_server.storage.files import Disk, open_root
from flightstore_server.storage.segment import index

ETH = "binance:ETH/USDT"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = stepped(tmp_path / "data")
    yield opened
    opened.close()


def _mistaken(*_: object, **__: object) -> None:
    raise LookupError("a mistake")


def _full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _segments_of(store: Store, instrument: str) -> int:
    return len(store.reader.view("candles", instrument, "1m", "").segments)


def test_a_damaged_series_is_not_compacted_and_all_others_are(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        for name in (BTC, ETH):
            put(store, candles([NOON_2024 + number * MINUTE]), instrument=name)
        store.flush()
    [damaged, *_] = view(store).segments
    path, entry = store.files.root / damaged.file, index.decode(damaged.index)[0]
    data = bytearray(path.read_bytes())
    data[entry.offset + entry.size - 1] ^= 1
    path.unlink()
    path.write_bytes(data)
    store.compact(full=True)
    assert f"{BTC} 1m is not compacted" in caplog.text
    assert (_segments_of(store, BTC), _segments_of(store, ETH)) == (3, 1)
    assert not store.committer.poison_reason
    with pytest.raises(Corrupt):
        read(store)


@pytest.mark.parametrize("work", ["flush", "compact", "snapshot"])
def test_work_that_an_operator_asks_for_ends_writing_when_the_disk_fails(
    store: Store, monkeypatch: pytest.MonkeyPatch, work: str
) -> None:
    for number in range(3):
        put(store, candles([NOON_2024 + number * MINUTE]))
        store.flush()
    put(store, candles([NOON_2024 + 5 * MINUTE]))
    acts: dict[str, Callable[[], object]] = {
        "flush": store.flush,
        "compact": lambda: store.compact(full=True),
        "snapshot": lambda: store.snapshot("paper"),
    }
    with monkeypatch.context() as patch:
        patch.setattr(Disk, "create", _full)
        patch.setattr(Catalog, "commit", _full)
        with pytest.raises(Poisoned, match="No space left on device"):
            acts[work]()
    with pytest.raises(Poisoned):
        put(store, candles([NOON_2024]))
    assert len(bars_of(read(store))) == 4, "reads go on"


def test_a_mistake_in_the_upkeep_thread_ends_writing_and_not_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without upkeep memory would only fill, until writers were told that it is full."""
    filled = stepped(tmp_path / "data")
    put(filled, candles([NOON_2024]))
    filled.close()
    monkeypatch.setattr(Store, "upkeep", _mistaken)
    store = Store(open_root(tmp_path / "data"), SMALL)
    until(lambda: bool(store.committer.poison_reason))
    with pytest.raises(Poisoned, match=r"upkeep failed \(a mistake\)"):
        put(store, candles([NOON_2024]))
    assert "upkeep has ended" in caplog.text
    assert len(bars_of(read(store))) == 1
    store.close()


def test_a_mistake_in_the_check_of_segments_ends_the_check_only(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scrub = Scrub(store, bytes_per_second=1, interval_days=7)
    monkeypatch.setattr(scrub, "step", _mistaken)
    scrub.start()
    until(lambda: "not checked in the background any more" in caplog.text)
    scrub.stop()
    put(store, candles([NOON_2024]))
    assert not store.committer.poison_reason


def test_retention_of_one_series_that_fails_leaves_that_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    old, rule = NOW - 30 * DAY_NS, RetentionRule("candles", 3.0)
    store = Store(
        open_root(tmp_path / "data"),
        SMALL,
        clock=lambda: NOW,
        upkeep_thread=False,
        retention=[rule],
    )
    for name in (BTC, ETH):
        put(store, candles([old, NOW - MINUTE]), instrument=name)
    plain = store._retention._delete

    def failing_once(series: object, cutoff: int) -> int:
        if "BTC" in str(series):
            raise Corrupt("The file is damaged.")
        return plain(series, cutoff)  # type: ignore[arg-type]

    monkeypatch.setattr(store._retention, "_delete", failing_once)
    store.upkeep()
    assert f"retention of candles {BTC} 1m failed: The file is damaged." in caplog.text
    assert [len(bars_of(read(store, instrument=name))) for name in (BTC, ETH)] == [2, 1]
    store.close()


def test_a_directory_whose_disk_fails_at_the_start_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it can be opened once the disk is mended: nothing holds its lock."""
    with monkeypatch.context() as patch:
        patch.setattr(Disk, "create", _full)
        with pytest.raises(DataDirError, match=r"data cannot be used: No space left on device"):
            open_store(tmp_path / "data", SMALL)
    open_store(tmp_path / "data", SMALL).close()
