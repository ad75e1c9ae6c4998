"""A disk that refuses one operation: the error is told, and nothing is left open or half done."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from flightstore_proto.errors import DataDirError
from flightstore_server.storage.catalog import Catalog
from flightstore_server.storage.catalog_file import Transaction
from flightstore_server.storage.files import Disk, DiskFile, new_root, open_root
from flightstore_server.storage.log.reader import LogEnd
from flightstore_server.storage.log.writer import LogWriter
from flightstore_server.storage.process import descriptors, read_ahead


@pytest.fixture
def files(tmp_path: Path) -> Disk:
    return open_root(tmp_path / "data")


def _refusing(code: int) -> Callable[..., NoReturn]:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError(code, os.strerror(code))

    return refuse


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.EMLINK])
def test_where_there_can_be_no_link_there_is_a_copy(
    files: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    (files.root / "a").write_bytes(b"rows")
    monkeypatch.setattr(os, "link", _refusing(code))
    files.link("a", tmp_path / "backup" / "a")
    assert (tmp_path / "backup" / "a").read_bytes() == b"rows"
    assert (tmp_path / "backup" / "a").stat().st_nlink == 1


def test_a_link_that_fails_for_another_reason_is_no_copy(
    files: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup that quietly became a copy would fill the disk that is full already."""
    (files.root / "a").write_bytes(b"rows")
    monkeypatch.setattr(os, "link", _refusing(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left"):
        files.link("a", tmp_path / "backup" / "a")
    assert not (tmp_path / "backup" / "a").exists()


def test_a_write_that_takes_nothing_is_a_full_disk(
    files: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tried again and again, it would never end."""
    file = files.create("a")
    monkeypatch.setattr(os, "writev", lambda *_: 0)
    with pytest.raises(OSError, match="No space left"):
        file.write([b"rows"])
    file.close()


def test_a_log_file_that_cannot_be_begun_is_closed(
    files: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.make_dir("log")
    before = len(descriptors())
    monkeypatch.setattr(DiskFile, "sync", _refusing(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        LogWriter(files, LogEnd(1, None, 0, 0), file_bytes=1 << 20)
    assert len(descriptors()) == before


def test_a_directory_that_cannot_be_made_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataDirError, match=r"restored cannot be created: .* Name one"):
        new_root(tmp_path / "file" / "restored")


def test_a_catalog_that_cannot_be_copied_is_an_error_of_the_disk(tmp_path: Path) -> None:
    """Of SQLite's own, a backup would have been told that the catalog is damaged."""
    catalog = Catalog(tmp_path / "catalog")
    (tmp_path / "copy").write_bytes(b"no database" * 100)
    with pytest.raises(OSError, match="the catalog could not be copied"):
        catalog.backup(tmp_path / "copy")
    catalog.close()


def test_a_change_that_cannot_even_begin_is_an_error_of_the_disk(tmp_path: Path) -> None:
    first = sqlite3.connect(tmp_path / "db", isolation_level=None, timeout=0)
    other = sqlite3.connect(tmp_path / "db", isolation_level=None, timeout=0)
    first.execute("begin immediate")
    with pytest.raises(OSError, match="could not be written: database is locked"):
        Transaction(other).__enter__()
    first.close()
    other.close()


def test_what_cannot_be_read_ahead_is_told_by_whoever_wants_it(tmp_path: Path) -> None:
    assert read_ahead(tmp_path / "missing") == 0
    (tmp_path / "there").write_bytes(bytes(1000))
    assert read_ahead(tmp_path / "there") == 1000
