"""Verification finds what is wrong, and nothing where nothing is, also while the store works."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.rows import MINUTE, candles, trades
from tests.support.stores import SMALL, put, stepped, view

from flightstore_proto.errors import DataDirError
from flightstore_server.engine import verify
from flightstore_server.engine.store import Store
from flightstore_server.engine.verify import Progress, verify_directory, verify_store
from flightstore_server.storage import layout
from flightstore_server.storage.catalog_file import Transaction, open_catalog
from flightstore_server.storage.files import existing_root
from flightstore_server.storage.segment import index


def _filled(root: Path) -> Store:
    store = stepped(root)
    put(store, candles([i * MINUTE for i in range(30)]))
    ticks = trades([(i // 3, str(i), 2.0) for i in range(40)])
    put(store, ticks, dataset="trades", timeframe="")
    store.flush()
    put(store, candles([i * MINUTE for i in range(20, 40)], 2.0))
    store.delete("candles", "binance:BTC/USDT", "1m", 3 * MINUTE, 6 * MINUTE)
    return store


def _verdict(store: Store) -> Progress:
    steps = list(verify_store(store))
    assert [step.finished for step in steps[-1:]] == [True]
    return steps[-1]


def _offline(root: Path) -> list[str]:
    return list(verify_directory(existing_root(root)))[-1].damage


def _change(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.unlink()
    path.write_bytes(data)


def test_a_sound_store_verifies_open_and_closed(tmp_path: Path) -> None:
    store = _filled(tmp_path)
    verdict = _verdict(store)
    store.close()
    assert verdict.damage == []
    assert verdict.files_done == verdict.files_total == 1 + 2 + 2  # catalog, segments, log
    assert verdict.bytes_done > 1000
    assert _offline(tmp_path) == []


def test_verifying_offline_changes_nothing(tmp_path: Path) -> None:
    _filled(tmp_path).close()
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.suffix in (".log", ".arrow")}
    _offline(tmp_path)
    assert before == {
        p: p.read_bytes() for p in tmp_path.rglob("*") if p.suffix in (".log", ".arrow")
    }


def test_a_directory_in_use_is_not_verified_offline(tmp_path: Path) -> None:
    store = _filled(tmp_path)
    with pytest.raises(DataDirError, match="is in use"):
        _offline(tmp_path)
    store.close()


@pytest.mark.parametrize("where", ["head", "batch", "footer"])
def test_damage_anywhere_in_a_segment_is_named_with_file_and_offset(
    where: str, tmp_path: Path
) -> None:
    store = _filled(tmp_path)
    segment = view(store).segments[0]
    [entry] = index.decode(segment.index)
    at = {"head": 20, "batch": entry.offset + 40, "footer": segment.size - 30}[where]
    _change(tmp_path / segment.file, at)
    [sentence] = _verdict(store).damage
    assert segment.file in sentence
    assert f"offset {entry.offset if where == 'batch' else 0}" in sentence
    store.close()
    assert sentence in _offline(tmp_path)


def test_a_missing_segment_is_damage(tmp_path: Path) -> None:
    store = _filled(tmp_path)
    segment = view(store).segments[0]
    (tmp_path / segment.file).unlink()
    [sentence] = _verdict(store).damage
    assert f"{segment.file} is missing" in sentence
    store.close()


def test_a_file_that_compaction_removed_meanwhile_is_not_missed(tmp_path: Path) -> None:
    store = _filled(tmp_path)
    store.flush()
    steps = verify_store(store)
    next(steps)
    store.compact(full=True)
    store.maintenance.collect()
    assert list(steps)[-1].damage == []
    store.close()


def test_a_store_that_is_written_to_and_compacted_verifies_all_the_while(tmp_path: Path) -> None:
    store = _filled(tmp_path)
    stop = threading.Event()

    def work() -> None:
        number = 100
        while not stop.is_set():
            put(store, candles([(number + i) * MINUTE for i in range(5)]))
            number += 3
            if number % 4 == 0:
                store.flush()
                store.upkeep()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(20):
            assert _verdict(store).damage == []
    finally:
        stop.set()
        worker.join()
        store.close()


def test_a_damaged_catalog_is_named(tmp_path: Path) -> None:
    _filled(tmp_path).close()
    path = tmp_path / layout.CATALOG
    path.write_bytes(path.read_bytes()[:5000])
    damage = _offline(tmp_path)
    assert any(layout.CATALOG in sentence for sentence in damage)


def test_a_missing_catalog_is_named_and_not_made(tmp_path: Path) -> None:
    _filled(tmp_path).close()
    for name in layout.CATALOG_FILES:
        (tmp_path / name).unlink(missing_ok=True)
    [sentence] = _offline(tmp_path)
    assert "damaged or missing" in sentence
    assert not (tmp_path / layout.CATALOG).exists()


@pytest.mark.parametrize("column", ["rows", "min_ts", "max_ts", "file_rows"])
def test_a_catalog_that_says_other_things_than_the_file_is_found_out(
    column: str, tmp_path: Path
) -> None:
    _filled(tmp_path).close()
    db = open_catalog(tmp_path / layout.CATALOG, may_create=False)  # its triggers keep the sums
    with Transaction(db):
        db.execute(f"update segments set {column} = {column} + 1 where series = 1")
    db.close()
    assert any(".arrow" in sentence for sentence in _offline(tmp_path))


def test_damage_in_old_parts_of_the_log_is_named_too(tmp_path: Path) -> None:
    store = stepped(tmp_path, replace(SMALL, log_keep_bytes=1 << 20))
    for number in range(60):
        put(store, candles([number * MINUTE]))
    store.flush()
    store.close()
    first, *rest = sorted((tmp_path / "log").iterdir())
    assert rest
    _change(first, 100)
    [sentence] = _offline(tmp_path)
    assert first.name in sentence
    assert "offset 8" in sentence


def test_a_torn_write_at_the_end_of_the_log_is_not_damage(tmp_path: Path) -> None:
    _filled(tmp_path).close()
    file = max((tmp_path / "log").iterdir())
    file.write_bytes(file.read_bytes() + b"torn")
    assert _offline(tmp_path) == []


def test_an_open_store_whose_log_lost_acknowledged_records_says_so(tmp_path: Path) -> None:
    store = _filled(tmp_path)
    file = max((tmp_path / "log").iterdir())
    file.write_bytes(file.read_bytes()[:-30])
    [sentence] = _verdict(store).damage
    assert "was acknowledged" in sentence
    assert file.name in sentence
    store.close()


def test_a_log_that_a_flush_trims_meanwhile_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files were listed, then a flush dropped the oldest of them before they were read: the log
    seemed to begin too late."""
    store = stepped(tmp_path, replace(SMALL, log_keep_bytes=0, log_keep_seconds=0.0))
    for number in range(60):
        put(store, candles([number * MINUTE]))
    store.flush()
    store.upkeep()
    listed = verify.log_files(store.files)
    # What was there to be counted, and when its size was asked for.
    before = iter([[replace(listed[0], first_lsn=1)]] * 2)
    assert listed[0].first_lsn > 1
    monkeypatch.setattr(verify, "log_files", lambda files: next(before, listed))
    assert _verdict(store).damage == []
    store.close()


def test_files_that_the_log_keeps_of_a_deleted_series_are_no_damage(tmp_path: Path) -> None:
    """The deleted series was forgotten as soon as anything could be, its files only with the log:
    verify then found files of a series that nobody knew, and advised a repair."""
    kept = replace(SMALL, log_keep_bytes=1 << 40, log_keep_seconds=1e12)
    store = stepped(tmp_path, replace(kept, bulk_put_bytes_min=1))
    put(store, candles([0]), instrument="kraken:ETH/EUR")
    store.flush()
    store.delete("candles", "kraken:ETH/EUR", "1m", None, None)
    store.close()
    store = stepped(tmp_path, kept)
    for minute in range(2):
        put(store, candles([minute * MINUTE]))
        store.flush()
    store.compact(full=True)
    store.upkeep()
    assert [s.file for s in store.catalog.files() if "ETH" in s.file]
    assert not _verdict(store).damage
    store.close()
    assert not _offline(tmp_path)
