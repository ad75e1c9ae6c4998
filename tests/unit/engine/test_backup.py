"""A backup is a data directory: complete, consistent, and never half there."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest
from tests.support.contents import contents_of, with_snapshots
from tests.support.rows import MINUTE, candles
from tests.support.stores import BTC, put, stepped

from flightstore_proto.errors import Corrupt, DataDirError, Poisoned
from flightstore_server.engine.backup import backup
from flightstore_server.engine.store import Store
from flightstore_server.engine.verify import verify_store


def _filled(root: Path) -> Store:
    store = stepped(root)
    put(store, candles([i * MINUTE for i in range(60)]), covers=[(0, 60 * MINUTE)])
    store.describe("candles", BTC, "1m", {"source": "test"})
    store.snapshot("first")
    store.delete("candles", BTC, "1m", 0, 10 * MINUTE)
    put(store, candles([i * MINUTE for i in range(50, 70)], 2.0))
    return store


def test_a_backup_opens_with_the_same_contents_and_goes_on_counting(tmp_path: Path) -> None:
    store = _filled(tmp_path / "data")
    held = with_snapshots(store)
    done = backup(store, tmp_path / "copy")
    put(store, candles([500 * MINUTE]))
    store.close()
    assert list((tmp_path / "copy" / "log").iterdir()) == []
    copy = stepped(tmp_path / "copy")
    assert with_snapshots(copy) == held
    assert [p.damage for p in verify_store(copy)][-1] == []
    assert copy.state.last_lsn == done.lsn
    assert put(copy, candles([600 * MINUTE])).lsn == done.lsn + 1
    grown = contents_of(copy)
    copy.close()
    copy = stepped(tmp_path / "copy")
    assert contents_of(copy) == grown
    copy.close()


def test_it_says_how_much_it_holds(tmp_path: Path) -> None:
    store = _filled(tmp_path / "data")
    done = backup(store, tmp_path / "copy")
    store.close()
    files = [path for path in (tmp_path / "copy").rglob("*") if path.is_file()]
    assert done.files == len(files)
    assert done.bytes == sum(path.stat().st_size for path in files)


def test_what_happens_to_the_store_later_does_not_reach_the_backup(tmp_path: Path) -> None:
    store = _filled(tmp_path / "data")
    backup(store, tmp_path / "copy")
    held = contents_of(store)
    put(store, candles([i * MINUTE for i in range(100)], 9.0))
    store.flush()
    store.compact(full=True)
    store.drop_snapshot("first")
    store.maintenance.collect()
    store.close()
    copy = stepped(tmp_path / "copy")
    assert contents_of(copy) == held
    copy.close()


def test_backups_are_consistent_while_writers_and_compaction_go_on(tmp_path: Path) -> None:
    store = stepped(tmp_path / "data")
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            put(
                store, candles([number * MINUTE]), covers=[(number * MINUTE, (number + 1) * MINUTE)]
            )
            number += 1
            if number % 5 == 0:
                store.flush()
                store.upkeep()

    put(store, candles([0]))
    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = [(tmp_path / str(n), backup(store, tmp_path / str(n))) for n in range(8)]
    finally:
        stop.set()
        writer.join()
        store.close()
    for path, _ in made:
        copy = stepped(path)
        [(rows, covered, _)] = contents_of(copy).values()
        assert [row[0] for row in rows] == [i * MINUTE for i in range(len(rows))]
        assert covered in ((), ((0, len(rows) * MINUTE),))
        assert [p.damage for p in verify_store(copy)][-1] == []
        copy.close()


@pytest.mark.parametrize("where", ["inside", "existing", "relative"])
def test_a_destination_that_cannot_be_is_refused(where: str, tmp_path: Path) -> None:
    store = _filled(tmp_path / "data")
    (tmp_path / "there").mkdir()
    destination = {
        "inside": tmp_path / "data" / "segments" / "copy",
        "existing": tmp_path / "there",
        "relative": Path("copy"),
    }[where]
    with pytest.raises(DataDirError):
        backup(store, destination)
    assert not (tmp_path / "data" / "segments" / "copy").exists()
    store.close()


def test_a_backup_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = _filled(tmp_path / "data")
    with monkeypatch.context() as full:
        full.setattr(store.files, "link", _no_space)
        with pytest.raises(DataDirError, match="No space left"):
            backup(store, tmp_path / "copy")
    assert [p.name for p in tmp_path.iterdir()] == ["data"]
    put(store, candles([500 * MINUTE]))  # the store's own disk is well
    backup(store, tmp_path / "copy")
    store.close()


def _no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_missing_segment_is_named(tmp_path: Path) -> None:
    store = _filled(tmp_path / "data")
    store.flush()
    segment = next(iter(store.catalog.files()))
    (tmp_path / "data" / segment.file).unlink()
    with pytest.raises(Corrupt, match="is missing from offset 0"):
        backup(store, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    store.close()


def test_a_store_that_refuses_writes_makes_no_backup(tmp_path: Path) -> None:
    store = _filled(tmp_path / "data")
    store.committer.poison("a test", OSError("broken"))
    with pytest.raises(Poisoned):
        backup(store, tmp_path / "copy")
    store.close()
