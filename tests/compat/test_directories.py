"""Data directories of every version there was are opened as they are, and hold what they held.

What they hold was written down by the version that made them (make.py).
"""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.compat.make import GOLDEN, KEPT, KINDS, listing, pack
from tests.support.live_rows import Held, stored
from tests.support.stores import crash, stepped

from flightstore_proto.errors import Corrupt, DataDirError, Lagged
from flightstore_server.engine.updates import Selector, UpdateFollower
from flightstore_server.engine.verify import verify_directory
from flightstore_server.storage import layout
from flightstore_server.storage.catalog import Catalog
from flightstore_server.storage.files import existing_root

NAMES = sorted(path.name.removesuffix(".tar.gz") for path in GOLDEN.glob("*.tar.gz"))
FIVES = Selector("candles", ["*"], "5m")
BYTES_MAX = 200 * 1024


@pytest.fixture
def unpacked(tmp_path: Path) -> Callable[[str], Path]:
    def unpack(name: str) -> Path:
        with tarfile.open(GOLDEN / f"{name}.tar.gz") as archive:
            archive.extractall(tmp_path / name, filter="data")
        return tmp_path / name

    return unpack


def _recorded(name: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(gzip.decompress((GOLDEN / f"{name}.json.gz").read_bytes()))
    return said


@pytest.mark.parametrize("name", NAMES)
def test_a_directory_holds_what_the_version_that_made_it_said(
    name: str, unpacked: Callable[[str], Path]
) -> None:
    store = stepped(unpacked(name), KEPT)
    assert listing(store) == _recorded(name)
    store.close()


@pytest.mark.parametrize("name", NAMES)
def test_it_still_does_after_a_flush_a_merge_and_a_crash(
    name: str, unpacked: Callable[[str], Path], tmp_path: Path
) -> None:
    store = stepped(unpacked(name), KEPT)
    store.flush()
    store.compact(full=True)
    store = stepped(crash(store, tmp_path / "crashed"), KEPT)
    assert listing(store) == _recorded(name)
    store.close()
    checked = verify_directory(existing_root(tmp_path / "crashed"))
    assert [progress.damage for progress in checked][-1] == []


def test_rules_and_positions_of_before_are_in_force(unpacked: Callable[[str], Path]) -> None:
    store = stepped(unpacked("catalog-2"), KEPT)
    assert [rule.name for rule in store.rules.list()] == ["fives"]
    assert store.positions.get("alerts") == 3
    store.close()


def test_a_replica_of_before_knows_whom_it_follows(unpacked: Callable[[str], Path]) -> None:
    store = stepped(unpacked("replica-2"), KEPT)
    assert store.origin is not None
    assert store.origin.primary == "grpc://primary:8815"
    store.close()


def test_a_log_that_names_what_went_is_followed_from_its_beginning(
    unpacked: Callable[[str], Path],
) -> None:
    store = stepped(unpacked("catalog-2-gone"), KEPT)
    follower, held = UpdateFollower(store, FIVES, 0), Held()
    while follower.wait(0):
        update = follower.take()
        if update is not None:
            held.apply(update)
    assert held.filled() == stored(store, "candles", "5m")
    store.close()


def test_a_log_that_does_not_is_told_as_lagged_and_no_row_is_kept_by_mistake(
    unpacked: Callable[[str], Path],
) -> None:
    store = stepped(unpacked("catalog-2"), KEPT)
    follower = UpdateFollower(store, FIVES, 0)
    with pytest.raises(Lagged, match=r"of version 0\.1 and does not say which series"):
        while follower.wait(0):
            follower.take()
    store.close()


def _catalog_of_the_future(root: Path) -> None:
    with sqlite3.connect(root / layout.CATALOG) as db:
        db.execute("drop trigger meta_update")
        db.execute("update meta set value = 99 where key = 'format'")
    db.close()


def _log_of_the_future(root: Path) -> None:
    newest = max((root / "log").iterdir())
    newest.write_bytes(b"FSLOG099" + newest.read_bytes()[8:])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_catalog_of_the_future, "has format 99, and this flightstore reads format 2; use the"),
        (_log_of_the_future, "has format 099, and this flightstore reads format 001; use the"),
    ],
    ids=["catalog", "log"],
)
def test_a_directory_of_the_future_is_refused_and_left_as_it_is(
    unpacked: Callable[[str], Path], tmp_path: Path, change: Callable[[Path], None], said: str
) -> None:
    root = unpacked("catalog-2")
    change(root)
    pack(root / "log", tmp_path / "before")
    with pytest.raises((DataDirError, Corrupt), match=said):
        stepped(root, KEPT)
    pack(root / "log", tmp_path / "after")
    assert (tmp_path / "before").read_bytes() == (tmp_path / "after").read_bytes()


def test_an_upgrade_that_is_killed_at_any_statement_can_be_done_again(
    unpacked: Callable[[str], Path],
) -> None:
    root = unpacked("catalog-1")
    killed_at = 0
    while _is_killed_at(killed_at + 1, root / layout.CATALOG):
        killed_at += 1
    assert killed_at > 10  # it has been killed, and the last time it was not
    store = stepped(root, KEPT)
    assert listing(store) == _recorded("catalog-1")
    store.close()


def _is_killed_at(statement: int, path: Path) -> bool:
    """Open the catalog in a process that ends with its statement of that number, if it has it."""
    child = os.fork()
    if child == 0:
        _open_until(statement, path)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


def _open_until(statement: int, path: Path) -> None:
    """In the child: end with 1 at that statement, or with 0 once the catalog is open."""
    made, left = sqlite3.connect, iter(range(statement - 1))

    def connect(*args: Any, **options: Any) -> sqlite3.Connection:
        db = made(*args, **options)
        db.set_trace_callback(lambda _: None if next(left, None) is not None else os._exit(1))
        return db

    sqlite3.connect = connect
    Catalog(path)
    os._exit(0)


def test_what_is_kept_of_older_versions_is_small() -> None:
    assert sum(path.stat().st_size for path in GOLDEN.iterdir()) < BYTES_MAX


def test_directories_are_made_as_they_were(tmp_path: Path) -> None:
    """So that the next format can be added by running make.py once more."""
    store = stepped(KINDS["rules"](tmp_path), KEPT)
    assert listing(store) == _recorded("catalog-2-gone")
    store.close()
