"""A restored backup is proved equal, or is not there."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.contents import with_snapshots
from tests.support.rows import DAY, MINUTE, candles, trades
from tests.support.stores import BTC, put, stepped

from flightstore_proto.errors import Corrupt, DataDirError
from flightstore_server.engine import restore as restoring
from flightstore_server.engine.backup import backup
from flightstore_server.engine.fingerprint import Fingerprint, SeriesSum, fingerprint
from flightstore_server.engine.restore import Proof, restore
from flightstore_server.storage.catalog import Catalog
from flightstore_server.storage.files import Disk, existing_root


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A backup of two series and a snapshot, beside the directory it was made of."""
    store = stepped(tmp_path / "data")
    put(store, candles([i * MINUTE for i in range(60)]), covers=[(0, 60 * MINUTE)])
    put(store, trades([(i * DAY, f"t{i}", 1.0 + i) for i in range(5)]), dataset="trades",
        timeframe="")  # fmt: skip
    store.snapshot("first")
    store.delete("candles", BTC, "1m", 0, 10 * MINUTE)
    put(store, candles([i * MINUTE for i in range(50, 70)], 2.0))
    backup(store, tmp_path / "backup")
    store.close()
    return tmp_path / "backup"


def restored(source: Path, destination: Path, *, link: bool = False, compare: bool = True) -> Proof:
    *_, last = restore(existing_root(source), destination, link=link, compare=compare)
    assert last.proof is not None
    return last.proof


def contents(path: Path) -> dict[str, object]:
    store = stepped(path)
    found = with_snapshots(store)
    store.close()
    return dict(found)


@pytest.mark.parametrize("link", [False, True])
def test_a_restored_directory_holds_what_was_backed_up(
    saved: Path, tmp_path: Path, link: bool
) -> None:
    proof = restored(saved, tmp_path / "new", link=link)
    assert contents(tmp_path / "new") == contents(tmp_path / "data")
    assert proof.compared is not None
    assert (len(proof.compared.series), proof.compared.rows) == (2, 65)


def test_the_proof_says_how_much_there_is(saved: Path, tmp_path: Path) -> None:
    proof = restored(saved, tmp_path / "new")
    files = [path for path in saved.rglob("*") if path.is_file()]
    assert proof.files == len(files)
    assert proof.lsn == 4


def test_the_backup_is_not_touched(saved: Path, tmp_path: Path) -> None:
    def snapshot() -> dict[str, tuple[bytes, int]]:
        return {
            str(path): (path.read_bytes(), path.stat().st_mtime_ns)
            for path in saved.rglob("*")
            if path.is_file()
        }

    before = snapshot()
    restored(saved, tmp_path / "new")
    assert snapshot() == before


def test_two_restores_of_one_backup_have_the_same_checksum(saved: Path, tmp_path: Path) -> None:
    first = restored(saved, tmp_path / "one")
    second = restored(saved, tmp_path / "two", link=True)
    assert first.compared == second.compared


def test_without_the_comparison_checksums_are_verified_all_the_same(
    saved: Path, tmp_path: Path
) -> None:
    assert restored(saved, tmp_path / "new", compare=False).compared is None
    _flip(saved)
    with pytest.raises(Corrupt, match="is damaged between offset"):
        restored(saved, tmp_path / "other", compare=False)


def test_a_damaged_backup_is_not_restored_and_leaves_nothing(saved: Path, tmp_path: Path) -> None:
    _flip(saved)
    with pytest.raises(Corrupt, match="was not restored"):
        restored(saved, tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "data"]


def test_a_backup_without_one_of_its_files_is_named(saved: Path, tmp_path: Path) -> None:
    segment = next(saved.rglob("*.arrow"))
    segment.unlink()
    with pytest.raises(Corrupt, match="is missing in the backup, from offset 0"):
        restored(saved, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_directory_that_is_not_empty_is_not_overwritten(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "precious").touch()
    with pytest.raises(DataDirError, match="is not empty"):
        restored(saved, tmp_path / "new")
    assert (tmp_path / "new" / "precious").exists()


def test_an_empty_directory_that_is_there_already_will_do(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    restored(saved, tmp_path / "new")
    assert (tmp_path / "new" / "catalog.sqlite").exists()


def test_a_place_inside_of_the_backup_is_refused(saved: Path) -> None:
    with pytest.raises(DataDirError, match="lies inside the backup"):
        restored(saved, saved / "segments" / "new")


def test_what_a_killed_restore_left_is_named(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "new.unfinished" / "segments").mkdir(parents=True)
    with pytest.raises(DataDirError, match=r"new\.unfinished is there"):
        restored(saved, tmp_path / "new")
    assert (tmp_path / "new.unfinished" / "segments").exists()


def test_a_directory_that_a_server_has_written_to_is_no_backup(tmp_path: Path, saved: Path) -> None:
    with pytest.raises(DataDirError, match="has a log"):
        restored(tmp_path / "data", tmp_path / "new")


def test_a_folder_without_a_catalog_is_no_backup(saved: Path, tmp_path: Path) -> None:
    (saved / "catalog.sqlite").unlink()
    with pytest.raises(DataDirError, match="so it is no backup"):
        restored(saved, tmp_path / "new")


def test_a_full_disk_leaves_nothing_behind(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(DataDirError, match="No space left"):
        restored(saved, tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "data"]


def test_a_copy_that_reads_otherwise_is_not_handed_over(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_there(files: Disk, catalog: Catalog) -> Iterator[Fingerprint]:
        for found in fingerprint(files, catalog):
            if files.root == saved:
                found.series = {name: SeriesSum(1, 1) for name in found.series}
            yield found

    monkeypatch.setattr(restoring, "fingerprint", other_there)
    with pytest.raises(Corrupt, match="is not the same in the backup"):
        restored(saved, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_fingerprint_tells_other_rows_and_other_coverage(tmp_path: Path) -> None:
    def made(name: str, close: float, covered: int) -> Fingerprint:
        store = stepped(tmp_path / name)
        put(store, candles([0, MINUTE], close), covers=[(0, covered)])
        store.close()
        catalog = Catalog(tmp_path / name / "catalog.sqlite")
        *_, found = fingerprint(Disk(tmp_path / name), catalog)
        catalog.close()
        return found

    same = made("a", 1.0, 2 * MINUTE)
    assert made("b", 1.0, 2 * MINUTE) == same
    assert made("c", 2.0, 2 * MINUTE) != same
    assert made("d", 1.0, 3 * MINUTE) != same


def _flip(saved: Path) -> None:
    segment = sorted(saved.rglob("*.arrow"))[0]
    data = bytearray(segment.read_bytes())
    data[600] ^= 1
    segment.write_bytes(data)
