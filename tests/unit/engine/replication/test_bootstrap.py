"""The first copy: complete, or not there at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import cast

import pyarrow as pa
import pytest
from tests.support.contents import with_snapshots
from tests.support.replicating import LocalPrimary, copied
from tests.support.rows import MINUTE, NOON_2024, candles, trades
from tests.support.stores import put, stepped

from flightstore_proto.errors import Corrupt, DataDirError, Unavailable
from flightstore_server.engine.replication.bootstrap import prepare
from flightstore_server.engine.replication.primary import Copy, Piece
from flightstore_server.engine.store import Store
from flightstore_server.storage import layout
from flightstore_server.storage.files import Disk, DiskFile, open_root

Change = Callable[[Iterator[Piece]], Iterator[Piece]]


class _Altered(LocalPrimary):
    """A primary whose copies arrive as `change` makes them."""

    def __init__(self, store: Store, change: Change) -> None:
        super().__init__(store)
        self._change = change

    def copy(self) -> Copy:
        copy = super().copy()
        return replace(copy, pieces=self._change(copy.pieces))


@pytest.fixture
def filled(store: Store) -> Store:
    """Several series and files, a snapshot of what was there before a delete."""
    bars = candles([NOON_2024 + minute * MINUTE for minute in range(120)], 1.0)
    put(store, bars, covers=[(NOON_2024, NOON_2024 + 200 * MINUTE)])
    put(store, trades([(NOON_2024, "1", 5.0)]), dataset="trades", timeframe="", put_id=7)
    store.describe("candles", "binance:BTC/USDT", "1m", {"source": "test"})
    store.snapshot("before")
    store.delete("candles", "binance:BTC/USDT", "1m", NOON_2024, NOON_2024 + 30 * MINUTE)
    return store


def test_a_copy_holds_everything_and_every_snapshot(
    filled: Store, primary: LocalPrimary, tmp_path: Path
) -> None:
    replica = copied(tmp_path / "replica", primary)
    assert replica.state.last_lsn == filled.state.last_lsn
    assert with_snapshots(replica) == with_snapshots(filled)
    replica.close()


def test_a_copy_of_nothing_is_an_empty_replica(primary: LocalPrimary, tmp_path: Path) -> None:
    replica = copied(tmp_path / "replica", primary)
    assert replica.state.last_lsn == 0
    replica.close()


def test_a_copy_interrupted_anywhere_is_begun_anew(filled: Store, tmp_path: Path) -> None:
    pieces = len(list(LocalPrimary(filled).copy().pieces))
    for whole in range(pieces):
        root = tmp_path / f"replica {whole}"
        with pytest.raises(Unavailable, match="start the replica again"):
            prepare(open_root(root), _Altered(filled, lambda p, n=whole: islice(p, n)))
        with pytest.raises(DataDirError, match="was interrupted; start with --follow"):
            stepped(root)
        replica = copied(root, LocalPrimary(filled))
        assert with_snapshots(replica) == with_snapshots(filled)
        assert not list(open_root(root).walk(layout.TMP_DIR))
        replica.close()


def test_a_copy_with_a_changed_byte_is_refused_and_names_the_file(
    filled: Store, tmp_path: Path
) -> None:
    def flipped(pieces: Iterator[Piece]) -> Iterator[Piece]:
        for number, piece in enumerate(pieces):
            data = bytearray(piece.data)
            data[len(data) // 2] ^= number == 0
            yield replace(piece, data=pa.py_buffer(bytes(data)))

    with pytest.raises(Corrupt, match=r"dataset=.*\.arrow is not what the primary's catalog says"):
        prepare(open_root(tmp_path / "replica"), _Altered(filled, flipped))
    assert not (tmp_path / "replica" / layout.CATALOG).exists()


@pytest.mark.parametrize("name", ["../escaped-1.arrow", "segments/../../escaped-1.arrow", "LOCK"])
def test_a_copy_cannot_write_outside_of_its_folders(
    filled: Store, tmp_path: Path, name: str
) -> None:
    def renamed(pieces: Iterator[Piece]) -> Iterator[Piece]:
        return (replace(piece, file=name) for piece in pieces)

    with pytest.raises(Corrupt, match="which a copy has not"):
        prepare(open_root(tmp_path / "replica"), _Altered(filled, renamed))
    assert not list(tmp_path.rglob("escaped*"))


def test_a_directory_with_data_of_its_own_is_not_overwritten(
    primary: LocalPrimary, tmp_path: Path
) -> None:
    own = stepped(tmp_path / "own")
    put(own, candles([NOON_2024]))
    own.close()
    with pytest.raises(DataDirError, match="follow with an empty data directory"):
        prepare(open_root(tmp_path / "own"), primary)
    assert stepped(tmp_path / "own").state.last_lsn == 1


def test_a_directory_in_use_is_not_copied_into(primary: LocalPrimary, tmp_path: Path) -> None:
    replica = copied(tmp_path / "replica", primary)
    with pytest.raises(DataDirError, match="in use"):
        prepare(open_root(tmp_path / "replica"), primary)
    replica.close()


def test_copying_leaves_nothing_behind_on_the_primary(filled: Store, primary: LocalPrimary) -> None:
    list(primary.copy().pieces)
    assert not list(filled.files.walk(layout.TMP_DIR))
    assert filled.maintenance.pins.count() == 0


class _WatchedFile:
    """Tells its disk when it is synced."""

    def __init__(self, disk: _WatchedDisk, name: str, file: DiskFile) -> None:
        self._disk, self._name, self._file = disk, name, file

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)

    def sync(self) -> None:
        self._file.sync()
        self._disk.unsynced.discard(self._name)


class _WatchedDisk(Disk):
    """Knows what a power cut would take, and what it would have taken when each name appeared."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.unsynced: set[str] = set()
        self.at_risk: dict[str, set[str]] = {}

    def create(self, name: str) -> DiskFile:
        self.unsynced |= {name, f"{name.rpartition('/')[0]}/"}
        return cast(DiskFile, _WatchedFile(self, name, super().create(name)))

    def settle(self, name: str) -> None:
        super().settle(name)
        self.unsynced.discard(name)

    def sync_dir(self, name: str) -> None:
        super().sync_dir(name)
        self.unsynced.discard(f"{name}/")

    def publish(self, temporary: str, name: str) -> None:
        self.at_risk[name] = self.unsynced - {f"{layout.TMP_DIR}/"}
        super().publish(temporary, name)


def test_the_catalog_appears_when_everything_else_is_on_the_disk(
    filled: Store, tmp_path: Path
) -> None:
    disk = _WatchedDisk(open_root(tmp_path / "replica").root)
    prepare(disk, LocalPrimary(filled))
    assert set(disk.at_risk) == {layout.REPLICA, layout.CATALOG}
    assert disk.at_risk[layout.CATALOG] == set()
    assert any(name.endswith(".arrow") for name in disk.walk(layout.SEGMENTS_DIR))
