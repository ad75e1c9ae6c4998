"""Catalogs of a simulated disk: SQLite in memory, opened from the bytes that the disk holds.

A crash test starts tens of thousands of stores over a few hundred different catalogs. So what
SQLite parsed, and that the sums of the tables are right, is remembered by the catalog's bytes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from flightstore_server.storage import catalog_file

if TYPE_CHECKING:
    from tests.support.crash_files import CrashFiles

_SQLITE = vars(sqlite3)
_leave = catalog_file.Transaction.__exit__
_KEPT_MAX = 64
_unchanged: dict[bytes, MemoryCatalog] = {}
_sound: set[int] = set()


class MemoryCatalog(sqlite3.Connection):
    """A connection to a catalog in memory, kept for the next start if nothing was changed."""

    files: CrashFiles
    image: bytes | None = None
    _changes = 0

    def load(self, image: bytes) -> None:
        self.deserialize(_without_wal(image))
        self.image = image
        self._changes = self.total_changes

    @property
    def is_unchanged(self) -> bool:
        changed = self.in_transaction or self.total_changes != self._changes
        return self.image is not None and not changed

    def close(self) -> None:
        if self.image is None or self.image in _unchanged or not self.is_unchanged:
            super().close()
            return
        _unchanged[self.image] = self
        if len(_unchanged) > _KEPT_MAX:
            oldest = _unchanged.pop(next(iter(_unchanged)))
            super(MemoryCatalog, oldest).close()


def in_memory(patch: pytest.MonkeyPatch, files: CrashFiles) -> None:
    """Have the catalog that is opened be that of `files`, and each commit a moment of them."""

    def connect(address: str, **_: object) -> MemoryCatalog:
        connection = _connect(files.state.catalog, address.rpartition("mode=")[2])
        connection.files = files
        return connection

    patch.setattr(catalog_file, "sqlite3", SimpleNamespace(**{**_SQLITE, "connect": connect}))
    patch.setattr(catalog_file, "_wrong_sums", partial(_once, catalog_file._wrong_sums))
    patch.setattr(catalog_file.Transaction, "__exit__", _leave_and_record)


def _leave_and_record(
    self: catalog_file.Transaction, kind: object, error: BaseException | None, trace: object
) -> None:
    _leave(self, kind, error, trace)
    if kind is None and isinstance(self._db, MemoryCatalog):
        self._db.files.state.catalog = self._db.serialize()
        self._db.files.record("commit")


def _connect(image: bytes | None, mode: str) -> MemoryCatalog:
    if image is None and mode != "rwc":
        raise sqlite3.OperationalError("unable to open database file")
    kept = _unchanged.pop(image, None) if image is not None and mode != "ro" else None
    if kept is not None:
        return kept
    made = sqlite3.connect(
        ":memory:", isolation_level=None, check_same_thread=False, factory=MemoryCatalog
    )
    if image is not None:
        made.load(image)
    return made


def _without_wal(image: bytes) -> bytes:
    """`image` marked as a database without a WAL, which is all that memory can hold."""
    return image[:18] + b"\1\1" + image[20:]


def _once(
    wrong_sums: Callable[..., Iterator[str]], db: sqlite3.Connection, *tables: object
) -> Iterator[str]:
    """What is wrong with the sums; not asked again of a catalog that was found sound."""
    image = db.image if isinstance(db, MemoryCatalog) and db.is_unchanged else None
    if hash(image) in _sound:
        return
    problems = list(wrong_sums(db, *tables))
    yield from problems
    if image is not None and not problems:
        _sound.add(hash(image))
