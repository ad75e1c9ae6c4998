"""A disk of which one operation fails: the n-th, once or from then on."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pytest

from flightstore_server.storage import catalog_file
from flightstore_server.storage.files import AppendFile, Files, Place

T = TypeVar("T")
READS = frozenset(
    {
        *("map", "read", "read_at", "read_from_disk", "size", "identity"),
        *("list_dir", "walk", "exists"),
    }
)


@dataclass(slots=True)
class Fault:
    """Operation number `at` fails with `code`, and so does number `also`; with `forever` every one
    after `at`.

    With `short`, a failing write leaves half of its bytes behind, as a full disk does.
    """

    at: int = 0
    code: int = errno.EIO
    forever: bool = False
    short: bool = False
    also: int = 0
    count: int = 0
    struck: list[str] = field(default_factory=list)

    def strikes(self, what: str) -> bool:
        self.count += 1
        hit = self.count in (self.at, self.also) or (self.forever and 0 < self.at <= self.count)
        if hit:
            self.struck.append(what)
        return hit

    def mend(self) -> None:
        """Nothing fails from here on."""
        self.at = self.also = 0

    def error(self) -> OSError:
        return OSError(self.code, os.strerror(self.code))

    def check(self, what: str) -> None:
        if self.strikes(what):
            raise self.error()

    @property
    def hit_a_write(self) -> bool:
        return any(what not in READS for what in self.struck)


class FailingFile:
    """An AppendFile that asks its Fault first."""

    def __init__(self, file: AppendFile, fault: Fault) -> None:
        self._file = file
        self._fault = fault

    @property
    def size(self) -> int:
        return self._file.size

    def write(self, pieces: Sequence[pa.Buffer | bytes | memoryview]) -> None:
        if self._fault.strikes("write"):
            if self._fault.short:
                whole = b"".join(bytes(memoryview(piece).cast("B")) for piece in pieces)
                self._file.write([whole[: len(whole) // 2]])
            raise self._fault.error()
        self._file.write(pieces)

    def sync(self) -> None:
        self._fault.check("sync")
        self._file.sync()

    def close(self) -> None:
        self._file.close()


class FailingFiles:
    """Files that ask their Fault before every operation."""

    def __init__(self, files: Files, fault: Fault) -> None:
        self._files = files
        self._fault = fault
        self.root = files.root

    def _do(self, what: str, work: Callable[[], T]) -> T:
        self._fault.check(what)
        return work()

    def make_dir(self, name: str) -> None:
        self._do("make_dir", lambda: self._files.make_dir(name))

    def create(self, name: str) -> AppendFile:
        return FailingFile(self._do("create", lambda: self._files.create(name)), self._fault)

    def create_private(self, name: str) -> AppendFile:
        made = self._do("create", lambda: self._files.create_private(name))
        return FailingFile(made, self._fault)

    def open_append(self, name: str) -> AppendFile:
        return FailingFile(self._do("open", lambda: self._files.open_append(name)), self._fault)

    def publish(self, temporary: str, name: str) -> None:
        self._do("publish", lambda: self._files.publish(temporary, name))

    def set_aside(self, name: str, to: str) -> None:
        self._do("set_aside", lambda: self._files.set_aside(name, to))

    def link(self, name: str, destination: Path) -> None:
        self._do("link", lambda: self._files.link(name, destination))

    def copy(self, name: str, destination: Path) -> None:
        self._do("copy", lambda: self._files.copy(name, destination))

    def remove(self, name: str) -> None:
        self._do("remove", lambda: self._files.remove(name))

    def truncate(self, name: str, size: int) -> None:
        self._do("truncate", lambda: self._files.truncate(name, size))

    def sync_dir(self, name: str) -> None:
        self._do("sync_dir", lambda: self._files.sync_dir(name))

    def settle(self, name: str) -> None:
        self._do("settle", lambda: self._files.settle(name))

    def exists(self, name: str) -> bool:
        return self._do("exists", lambda: self._files.exists(name))

    def list_dir(self, name: str) -> list[str]:
        return self._do("list_dir", lambda: self._files.list_dir(name))

    def walk(self, name: str) -> Iterator[str]:
        return self._do("walk", lambda: self._files.walk(name))

    def size(self, name: str) -> int:
        return self._do("size", lambda: self._files.size(name))

    def read(self, name: str) -> bytes:
        return self._do("read", lambda: self._files.read(name))

    def read_at(self, name: str, offset: int, size: int) -> bytes:
        return self._do("read_at", lambda: self._files.read_at(name, offset, size))

    def read_from_disk(self, name: str, offset: int, size: int) -> bytes:
        return self._do("read_from_disk", lambda: self._files.read_from_disk(name, offset, size))

    def map(self, name: str) -> pa.Buffer:
        return self._do("map", lambda: self._files.map(name))

    def place(self, name: str) -> Place | None:
        return self._files.place(name)

    def identity(self, name: str) -> object:
        return self._do("identity", lambda: self._files.identity(name))

    def lock(self, name: str) -> None:
        self._files.lock(name)

    def unlock(self) -> None:
        self._files.unlock()


def fail_catalog(patch: pytest.MonkeyPatch, fault: Fault) -> None:
    """Have commits of the catalog count as operations that fail."""
    leave = catalog_file.Transaction.__exit__

    def or_fail(
        self: catalog_file.Transaction, kind: object, error: BaseException | None, trace: object
    ) -> None:
        if kind is None and fault.strikes("commit"):
            failed = sqlite3.OperationalError("disk I/O error")
            leave(self, type(failed), failed, trace)
        leave(self, kind, error, trace)

    patch.setattr(catalog_file.Transaction, "__exit__", or_fail)
