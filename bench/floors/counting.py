"""A store in this process whose disk counts what is written, and need not wait for the platter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from flightstore_server.engine.limits import Limits
from flightstore_server.engine.store import Store
from flightstore_server.storage.files import AppendFile, Disk, open_root


class CountedFile:
    """An append file that adds what it writes to `written[kind]`, and never syncs."""

    def __init__(self, file: AppendFile, kind: str, written: Counter[str]) -> None:
        self._file, self._kind, self._written = file, kind, written

    @property
    def size(self) -> int:
        return self._file.size

    def write(self, pieces: Sequence[pa.Buffer | bytes | memoryview]) -> None:
        before = self._file.size
        self._file.write(pieces)
        self._written[self._kind] += self._file.size - before

    def sync(self) -> None:
        """Nothing: bytes are counted here, and syncs change none."""

    def close(self) -> None:
        self._file.close()


class CountingDisk(Disk):
    """The real disk, counting bytes by the folder they are first written to: log or tmp."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.written: Counter[str] = Counter()

    def create(self, name: str) -> AppendFile:  # type: ignore[override]
        return CountedFile(super().create(name), name.partition("/")[0], self.written)

    def open_append(self, name: str) -> AppendFile:  # type: ignore[override]
        return CountedFile(super().open_append(name), name.partition("/")[0], self.written)

    def make_dir(self, name: str) -> None:
        (self.root / name).mkdir(parents=True, exist_ok=True)

    def publish(self, temporary: str, name: str) -> None:
        (self.root / temporary).rename(self.root / name)


class Clock:
    """A clock that stands still until it is told the time."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns


def open_counted(folder: Path, clock: Clock, limits: Limits) -> tuple[Store, CountingDisk]:
    """A store in `folder` with no thread of its own for upkeep: call `upkeep()`."""
    disk = CountingDisk(open_root(folder).root)
    return Store(disk, limits, clock=clock, upkeep_thread=False), disk


def written_by_process() -> int:
    """Bytes this process has given to write calls: what the counted files and SQLite wrote."""
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("wchar:"):
            return int(line.split()[1])
    return 0
