"""A disk in memory that knows what a power cut would leave of it.

What it assumes, and nothing more: a synced file keeps its synced bytes; a synced directory keeps
its entries; a rename is atomic. Bytes written since the last sync may be there, missing, zero, cut
at a 512-byte sector, or there without the sector before them. Directory changes since the last sync
of the directory may be there or not, each by itself. SQLite's commits are atomic and durable.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from flightstore_server.storage import layout

SECTOR = 512


@dataclass(frozen=True, slots=True)
class Inode:
    data: bytes
    synced: int

    def cut(self, how: str) -> Inode:
        """What a power cut leaves of it, where `how` is one of HOW."""
        if len(self.data) == self.synced:
            return self
        data = self._after_cut(how)
        return Inode(data, len(data))

    def _after_cut(self, how: str) -> bytes:
        kept, fresh = self.data[: self.synced], self.data[self.synced :]
        if how == "all":
            return self.data
        if how == "none" or not fresh:
            return kept
        if how == "zeros":
            return kept + bytes(len(fresh))
        sectors = [self.synced, *range(-(-self.synced // SECTOR) * SECTOR, len(self.data), SECTOR)]
        sectors = sorted({at for at in sectors if at < len(self.data)})
        if how == "hole":
            first_end = sectors[1] if len(sectors) > 1 else self.synced + len(fresh) // 2
            return kept + bytes(first_end - self.synced) + self.data[first_end:]
        cut = {"first": sectors[min(1, len(sectors) - 1)], "last": sectors[-1]}[how]
        # Where everything lies in one sector, a cut inside of it shows the torn group as well.
        return self.data[: cut if cut > self.synced else self.synced + len(fresh) // 2]


HOW = ("all", "none", "zeros", "first", "last", "hole")


@dataclass(frozen=True, slots=True)
class Entry:
    """A change of a directory: `name` becomes `inode` (None: goes away), and `gone` disappears."""

    folder: str
    name: str
    inode: int | None
    gone: str = ""


@dataclass(slots=True)
class DiskState:
    """All of the disk at one moment: what programs see, and what is safe."""

    inodes: dict[int, Inode] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    durable: dict[str, int] = field(default_factory=dict)
    pending: list[Entry] = field(default_factory=list)
    folders: set[str] = field(default_factory=lambda: {"."})
    catalog: bytes | None = None
    # Of what a cut left, which nobody changes: programs are given a copy.
    _fingerprint: int | None = None

    def copy(self) -> DiskState:
        return DiskState(
            dict(self.inodes),
            dict(self.names),
            dict(self.durable),
            list(self.pending),
            set(self.folders),
            self.catalog,
        )

    def cuts(self) -> Iterator[DiskState]:
        """What may be found after the power was cut now."""
        seen = set()
        subsets = _subsets(self.pending)
        for how in HOW if self._has_unsynced_bytes() else ("all",):
            inodes = {number: inode.cut(how) for number, inode in self.inodes.items()}
            for kept in subsets:
                state = self._cut(inodes, kept)
                state._fingerprint = state.fingerprint()
                if state._fingerprint not in seen:
                    seen.add(state._fingerprint)
                    yield state

    def is_unsafe(self) -> bool:
        """Whether a power cut now could take anything away."""
        return bool(self.pending) or self._has_unsynced_bytes()

    def _has_unsynced_bytes(self) -> bool:
        return any(len(inode.data) > inode.synced for inode in self.inodes.values())

    def _cut(self, inodes: dict[int, Inode], kept: Sequence[Entry]) -> DiskState:
        names = dict(self.durable)
        for entry in kept:
            _apply(names, entry)
        left = {number: inodes[number] for number in names.values()}
        return DiskState(left, names, dict(names), [], set(self.folders), self.catalog)

    def fingerprint(self) -> int:
        """Equal for disks that a program cannot tell apart."""
        if self._fingerprint is not None:
            return self._fingerprint
        files = frozenset((name, self.inodes[number].data) for name, number in self.names.items())
        return hash((files, self.catalog))


@dataclass(frozen=True, slots=True)
class Look:
    """Something that a program looked at: the bytes of a file, or the names in a folder."""

    name: str
    is_folder: bool

    def seen_on(self, state: DiskState) -> int:
        """Equal for disks on which it looks the same."""
        if self.is_folder:
            return hash(frozenset(n for n in state.names if _folder(n).startswith(self.name)))
        number = state.names.get(self.name)
        return 0 if number is None else hash(state.inodes[number].data)


def _apply(names: dict[str, int], entry: Entry) -> None:
    names.pop(entry.gone, None)
    if entry.inode is None:
        names.pop(entry.name, None)
    else:
        names[entry.name] = entry.inode


def _subsets(pending: Sequence[Entry]) -> list[list[Entry]]:
    """All of them if there are few; else all, none, and each left out or taken alone."""
    if len(pending) <= 3:
        sizes = range(len(pending) + 1)
        return [list(kept) for n in sizes for kept in itertools.combinations(pending, n)]
    without = [[e for e in pending if e is not one] for one in pending]
    return [list(pending), [], *without, *([one] for one in pending)]


class CrashFile:
    """An AppendFile of CrashFiles."""

    def __init__(self, files: CrashFiles, inode: int) -> None:
        self._files = files
        self.inode = inode
        self.size = len(files.state.inodes[inode].data)

    def write(self, pieces: Sequence[pa.Buffer | bytes | memoryview]) -> None:
        known = self._files.state.inodes[self.inode]
        data = known.data + b"".join(bytes(memoryview(piece).cast("B")) for piece in pieces)
        self._files.state.inodes[self.inode] = Inode(data, known.synced)
        self.size = len(data)
        self._files.record(f"write {self.inode}")

    def sync(self) -> None:
        data = self._files.state.inodes[self.inode].data
        self._files.state.inodes[self.inode] = Inode(data, len(data))
        self._files.record(f"sync {self.inode}")

    def names(self) -> list[tuple[str, int]]:
        return list(self._files.state.names.items())

    def close(self) -> None:
        """Closing promises nothing."""


class CrashFiles:
    """Files on a DiskState; `moments` holds the disk as it was after every operation."""

    root = Path("/in-memory")  # for messages: nothing is there

    def __init__(self, state: DiskState | None = None) -> None:
        self.state = state or DiskState()
        self.moments: list[tuple[str, DiskState]] = []
        self.looks: dict[Look, None] = {}  # in the order of the first times
        self._next = max(self.state.inodes, default=0) + 1

    def _look_at(self, name: str, *, folder: bool = False) -> None:
        self.looks[Look(name, folder)] = None

    def record(self, what: str) -> None:
        self.moments.append((what, self.state.copy()))

    def _change(self, what: str, entry: Entry) -> None:
        _apply(self.state.names, entry)
        self.state.pending.append(entry)
        self.record(what)

    def make_dir(self, name: str) -> None:
        self.state.folders.add(name)

    def create(self, name: str) -> CrashFile:
        number, self._next = self._next, self._next + 1
        self.state.inodes[number] = Inode(b"", 0)
        self._change(f"create {name}", Entry(_folder(name), name, number))
        return CrashFile(self, number)

    def create_private(self, name: str) -> CrashFile:
        return self.create(name)

    def open_append(self, name: str) -> CrashFile:
        self._look_at(name)
        return CrashFile(self, self.state.names[name])

    def publish(self, temporary: str, name: str) -> None:
        number = self.state.names[temporary]
        inode = self.state.inodes[number]
        assert len(inode.data) == inode.synced, f"{temporary} is published before it is synced"
        assert _folder(name) in self.state.folders, f"{name} has no folder"
        self._change(f"rename {name}", Entry(_folder(name), name, number, gone=temporary))
        self.sync_dir(_folder(name))

    def set_aside(self, name: str, to: str) -> None:
        self.make_dir(_folder(to))
        self._change(f"move {name}", Entry(_folder(to), to, self.state.names[name], gone=name))
        self.sync_dir(_folder(to))

    def link(self, name: str, destination: Path) -> None:
        raise NotImplementedError("no crash test links files")

    def copy(self, name: str, destination: Path) -> None:
        raise NotImplementedError("no crash test copies files")

    def remove(self, name: str) -> None:
        if name in self.state.names:
            self._change(f"remove {name}", Entry(_folder(name), name, None))

    def truncate(self, name: str, size: int) -> None:
        self._look_at(name)
        number = self.state.names[name]
        data = self.state.inodes[number].data[:size]
        self.state.inodes[number] = Inode(data, len(data))
        self.record(f"truncate {name}")

    def sync_dir(self, name: str) -> None:
        for entry in self.state.pending:
            if entry.folder == name:
                _apply(self.state.durable, entry)
        self.state.pending = [e for e in self.state.pending if e.folder != name]
        self.record(f"sync {name}/")

    def settle(self, name: str) -> None:
        CrashFile(self, self.state.names[name]).sync()

    def exists(self, name: str) -> bool:
        self._look_at(name)
        holds_catalog = name == layout.CATALOG and self.state.catalog is not None
        return name in self.state.names or holds_catalog

    def list_dir(self, name: str) -> list[str]:
        self._look_at(name, folder=True)
        return sorted(n.rpartition("/")[2] for n in self.state.names if _folder(n) == name)

    def walk(self, name: str) -> Iterator[str]:
        self._look_at(name, folder=True)
        return iter([n for n in self.state.names if n.startswith(f"{name}/")])

    def size(self, name: str) -> int:
        return len(self._data(name))

    def read(self, name: str) -> bytes:
        return self._data(name)

    def read_at(self, name: str, offset: int, size: int) -> bytes:
        return self._data(name)[offset : offset + size]

    def read_from_disk(self, name: str, offset: int, size: int) -> bytes:
        return self.read_at(name, offset, size)

    def map(self, name: str) -> pa.Buffer:
        return pa.py_buffer(self._data(name))

    def place(self, name: str) -> None:
        """It is in memory, where no other process finds it."""

    def identity(self, name: str) -> object:
        self._look_at(name)
        return self.state.names.get(name)

    def lock(self, name: str) -> None:
        """Tests open one store at a time."""

    def unlock(self) -> None:
        """See lock()."""

    def _data(self, name: str) -> bytes:
        self._look_at(name)
        number = self.state.names.get(name)
        if number is None:
            raise FileNotFoundError(2, "No such file", name)
        return self.state.inodes[number].data


def _folder(name: str) -> str:
    return name.rpartition("/")[0] or "."
