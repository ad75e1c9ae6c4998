"""What the system tells of this process and its machine. Touches nothing of the store's."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_PIECE_BYTES = 1 << 20


def resident_bytes() -> int:
    """This process's resident memory without mapped files: what a memory limit speaks of."""
    try:
        resident, mapped = Path("/proc/self/statm").read_bytes().split()[1:3]
    except OSError:  # not Linux
        return 0
    return (int(resident) - int(mapped)) * _PAGE_BYTES


def thread_count() -> int:
    """The threads of this process, those of libraries included."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("Threads:"):
            return int(line.split()[1])
    return 0


def machine_memory_bytes() -> int:
    """What the machine has, or the control group of this process if that allows less."""
    found = [os.sysconf("SC_PHYS_PAGES") * _PAGE_BYTES]
    for limit in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # there is none, or it says "max"
            found.append(int(Path("/sys/fs/cgroup", limit).read_text()))
    return min(found)


def read_ahead(path: Path) -> int:
    """Have the system read a file, which is soon wanted in pieces, from its beginning to its end.

    Returns its bytes; 0 if it cannot be read, which is told by whoever then wants it.
    """
    size = 0
    try:
        with path.open("rb", buffering=0) as file:
            while piece := file.read(_PIECE_BYTES):
                size += len(piece)
    except OSError:
        return 0
    return size


def descriptors() -> list[int]:
    """The file descriptors this process has, as far as the system tells."""
    try:
        return [int(path.name) for path in Path("/proc/self/fd").iterdir()]
    except OSError:
        return []
