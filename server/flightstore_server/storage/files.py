"""The disk: the only module that opens, writes, renames, locks or maps files.

Every byte that flightstore keeps passes through a `Files`. (SQLite, in catalog.py, is the one other
thing that touches files; it has its own proofs.) Tests replace it by one that records, fails or
forgets what was not synced, so a method promises no more than it says:

    append file   write() may be followed by a crash that keeps any part of it; sync() returns only
                  when everything written so far is on the disk. A failed sync is final: the kernel
                  drops the dirty pages, and a second sync would lie.
    publish()     makes a complete, synced file visible under its name, or nothing.
    map()         bytes of a file that will never change. Truncating a mapped file kills the
                  process, so no method here truncates anything but the log's torn tail, which is
                  never mapped.

Names are paths relative to the data directory; they come from layout.py.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from flightstore_proto.errors import DataDirError
from flightstore_server.storage import layout
from flightstore_server.storage.descriptors import RESERVE

# Linux takes at most IOV_MAX pieces in one writev.
_PIECES_MAX = 1024


class AppendFile(Protocol):
    """A file being written at its end."""

    size: int

    def write(self, pieces: Sequence[pa.Buffer | bytes | memoryview]) -> None: ...
    def sync(self) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where another process of this machine finds a file, and how it knows that it is the one."""

    path: str
    device: int
    inode: int


class Files(Protocol):
    """What storage needs from a disk. See the module's docstring for what survives a crash."""

    root: Path

    def make_dir(self, name: str) -> None: ...
    def create(self, name: str) -> AppendFile: ...
    def create_private(self, name: str) -> AppendFile: ...
    def open_append(self, name: str) -> AppendFile: ...
    def publish(self, temporary: str, name: str) -> None: ...
    def set_aside(self, name: str, to: str) -> None: ...
    def link(self, name: str, destination: Path) -> None: ...
    def copy(self, name: str, destination: Path) -> None: ...
    def remove(self, name: str) -> None: ...
    def truncate(self, name: str, size: int) -> None: ...
    def sync_dir(self, name: str) -> None: ...
    def settle(self, name: str) -> None: ...
    def exists(self, name: str) -> bool: ...
    def list_dir(self, name: str) -> list[str]: ...
    def walk(self, name: str) -> Iterator[str]: ...
    def size(self, name: str) -> int: ...
    def read(self, name: str) -> bytes: ...
    def read_at(self, name: str, offset: int, size: int) -> bytes: ...
    def read_from_disk(self, name: str, offset: int, size: int) -> bytes: ...
    def map(self, name: str) -> pa.Buffer: ...
    def place(self, name: str) -> Place | None: ...
    def identity(self, name: str) -> object: ...
    def lock(self, name: str) -> None: ...
    def unlock(self) -> None: ...


class DiskFile:
    """An AppendFile on the real disk."""

    def __init__(self, path: Path, flags: int, mode: int = 0o640) -> None:
        self._fd = _open(path, flags | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, mode)
        self.size = os.fstat(self._fd).st_size

    def write(self, pieces: Sequence[pa.Buffer | bytes | memoryview]) -> None:
        """Append all of `pieces`. A full disk shows as a short count first: counts are checked."""
        rest = [view for view in (memoryview(p).cast("B") for p in pieces) if len(view)]
        while rest:
            written = os.writev(self._fd, rest[:_PIECES_MAX])
            if written <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.size += written
            rest = _after(rest, written)

    def sync(self) -> None:
        os.fdatasync(self._fd)

    def close(self) -> None:
        # Whoever writes afterwards by mistake must not meet another file under the same number.
        fd, self._fd = self._fd, -1
        _close(fd)


def _after(pieces: list[memoryview], written: int) -> list[memoryview]:
    """What is left of `pieces` once their first `written` bytes are gone."""
    for position, piece in enumerate(pieces):
        if written < len(piece):
            return [piece[written:], *pieces[position + 1 :]]
        written -= len(piece)
    return []


class Disk:
    """Files in a directory of a local POSIX file system."""

    def __init__(self, root: Path) -> None:
        self.root = root
        # Joining paths with pathlib would cost as much as mapping a small file.
        self._prefix = f"{root}/"
        self._lock_fd: int | None = None
        self._making = threading.Lock()

    def make_dir(self, name: str) -> None:
        """Create the directory and those above it, durably."""
        missing: list[Path] = []
        path = self.root / name
        # One at a time: a directory that another thread has made, but not yet synced, is not
        # durable.
        with self._making:
            while not path.exists():
                missing.append(path)
                path = path.parent
            for made in reversed(missing):
                made.mkdir(mode=0o750, exist_ok=True)
                _sync_dir(made.parent)

    def create(self, name: str) -> DiskFile:
        """A new, empty file; one left behind under that name by a crash is replaced."""
        path = self.root / name
        path.unlink(missing_ok=True)
        return DiskFile(path, os.O_CREAT | os.O_EXCL)

    def create_private(self, name: str) -> DiskFile:
        """As create(), for what only the owner of the server's process may read."""
        path = self.root / name
        path.unlink(missing_ok=True)
        return DiskFile(path, os.O_CREAT | os.O_EXCL, 0o600)

    def open_append(self, name: str) -> DiskFile:
        return DiskFile(self.root / name, 0)

    def publish(self, temporary: str, name: str) -> None:
        target = self.root / name
        os.rename(self.root / temporary, target)
        _sync_dir(target.parent)

    def set_aside(self, name: str, to: str) -> None:
        """Move the file `name` out of the way, durably; nothing is there under `to` yet."""
        self.make_dir(os.path.dirname(to))
        self.publish(name, to)
        _sync_dir((self.root / name).parent)

    def link(self, name: str, destination: Path) -> None:
        """The file `name` also under `destination`: by a hard link, or by a synced copy."""
        destination.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(self.root / name, destination)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK):
                raise
            self.copy(name, destination)

    def copy(self, name: str, destination: Path) -> None:
        """The bytes of the file `name` also under `destination`, synced; its folder is not."""
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.root / name, destination)
        fd = _open(destination, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            _close(fd)

    def remove(self, name: str) -> None:
        (self.root / name).unlink(missing_ok=True)

    def truncate(self, name: str, size: int) -> None:
        """Cut the log's torn tail, durably. Never for a file that may be mapped."""
        fd = _open(self.root / name, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.ftruncate(fd, size)
            os.fsync(fd)
        finally:
            _close(fd)

    def sync_dir(self, name: str) -> None:
        _sync_dir(self.root / name)

    def settle(self, name: str) -> None:
        """Have the next read of the file see what the disk holds, and the disk hold what it sees.

        A killed process may leave bytes that were never synced. After a failed sync the kernel even
        keeps showing bytes that the disk never got; dropping them from its cache ends that.
        """
        fd = _open(self.root / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            _close(fd)

    def exists(self, name: str) -> bool:
        return (self.root / name).exists()

    def list_dir(self, name: str) -> list[str]:
        return sorted(RESERVE.opened(os.listdir, self.root / name))

    def walk(self, name: str) -> Iterator[str]:
        """Every file below `name`, as names relative to the data directory."""
        for folder, _, files in os.walk(self._prefix + name):
            relative = folder.removeprefix(self._prefix)
            yield from (f"{relative}/{file}" for file in files)

    def size(self, name: str) -> int:
        return (self.root / name).stat().st_size

    def read(self, name: str) -> bytes:
        return RESERVE.opened((self.root / name).read_bytes)

    def read_at(self, name: str, offset: int, size: int) -> bytes:
        """Up to `size` bytes of the file from `offset` on; fewer where it ends."""
        fd = _open(self._prefix + name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(fd, size, offset)
        finally:
            _close(fd)

    def read_from_disk(self, name: str, offset: int, size: int) -> bytes:
        """As read_at(), past the page cache and without filling it.

        What a process has mapped stays in the cache, and is then what is read.
        """
        fd = _open(self._prefix + name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.posix_fadvise(fd, offset, size, os.POSIX_FADV_DONTNEED)
            data = os.pread(fd, size, offset)
            os.posix_fadvise(fd, offset, size, os.POSIX_FADV_DONTNEED)
            return data
        finally:
            _close(fd)

    def map(self, name: str) -> pa.Buffer:
        # The buffer keeps the mapping alive and no descriptor: descriptors are few, maps are many.
        with RESERVE.opened(pa.memory_map, self._prefix + name, "r") as mapped:
            buffer = mapped.read_buffer()
        RESERVE.refill()
        return buffer

    def place(self, name: str) -> Place:
        """Where the file is; None from a disk that no other process can see."""
        path = self._prefix + name
        found = os.stat(path)
        return Place(path, found.st_dev, found.st_ino)

    def identity(self, name: str) -> object:
        """Something that is another one once the file was replaced; None without a file."""
        try:
            found = os.stat(self._prefix + name)
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def lock(self, name: str) -> None:
        """Take the directory for this process. Raises DataDirError if another server has it."""
        fd = _open(self.root / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            _close(fd)
            raise DataDirError(
                f"{self.root} is in use by another flightstore server (process {holder}); "
                "stop it or choose another --data-dir."
            ) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        self._lock_fd = fd

    def unlock(self) -> None:
        if self._lock_fd is not None:
            _close(self._lock_fd)
            self._lock_fd = None


def _open(path: Path | str, flags: int, mode: int = 0o777) -> int:
    return RESERVE.opened(os.open, path, flags, mode)


def _close(fd: int) -> None:
    os.close(fd)
    RESERVE.refill()


def _sync_dir(path: Path) -> None:
    fd = _open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        _close(fd)


def open_root(path: Path) -> Disk:
    """The data directory at `path`, created if need be. Raises DataDirError, saying why not."""
    try:
        path.mkdir(mode=0o750, parents=True, exist_ok=True)
        probe = path / ".write-probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise DataDirError(
            f"The data directory {path} cannot be used: {error.strerror or error}. "
            "Check that it is a directory this user may write to, or choose another --data-dir."
        ) from error
    return Disk(path.resolve())


def existing_root(path: Path) -> Disk:
    """The data directory at `path`. Raises DataDirError if there is none."""
    if not any((path / name).is_dir() for name in (layout.LOG_DIR, layout.SEGMENTS_DIR)):
        raise DataDirError(f"{path} is not a data directory of flightstore; name it by --data-dir.")
    return Disk(path.resolve())


def new_root(path: Path) -> Disk:
    """A new, empty directory at `path`. Raises DataDirError if there is something, or it fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o750)
        _sync_dir(path.parent)
    except OSError as error:
        raise DataDirError(
            f"The directory {path} cannot be created: {error.strerror or error}. Name one that "
            "does not exist yet, in a place this user may write to."
        ) from error
    return Disk(path.resolve())


def is_empty(path: Path) -> bool:
    """Whether there is nothing at `path`, or only an empty directory."""
    return not path.exists() or (path.is_dir() and not any(path.iterdir()))


def rename_root(old: Path, new: Path) -> None:
    """Give a finished directory its final name, durably."""
    old.rename(new)
    _sync_dir(new.parent)


def remove_root(path: Path) -> None:
    """Remove a directory that was begun and will not be finished, as far as that is possible."""
    shutil.rmtree(path, ignore_errors=True)


def disk_space(path: Path) -> tuple[int, int]:
    """Bytes that an ordinary user may still write where `path` is, and how many there are."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


@cache
def boot_id() -> str:
    """What tells this machine, since it was started, from all others; empty if it has no name."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
