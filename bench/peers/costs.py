"""What processes cost: processor time and memory of whole trees, the disk that a folder takes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench import processes

_SAMPLE_SECONDS = 0.1


def processor_seconds(roots: Iterable[int]) -> float:
    """Seconds of processor time that this process and the trees of `roots` have used so far."""
    return time.process_time() + sum(map(processes.processor_seconds, _trees(roots)))


def _trees(roots: Iterable[int]) -> set[int]:
    """The processes of all trees; a server is in its client's, too, if that has started it."""
    return {pid for root in roots for pid in tree(root)}


def tree(root: int) -> Iterator[int]:
    """A process and all that descend from it."""
    yield root
    for tasks in Path(f"/proc/{root}/task").glob("*/children"):
        for child in _text(tasks).split():
            yield from tree(int(child))


def memory(roots: Iterable[int]) -> int:
    """Bytes of memory of the trees of `roots`, what they share counted once; no mapped files."""
    return sum(map(_proportional, _trees(roots)))


def _proportional(pid: int) -> int:
    kib = 0
    for line in _text(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
        if line.startswith(("Pss_Anon:", "Pss_Shmem:")):
            kib += int(line.split()[1])
    return kib * 1024


def _text(path: Path) -> str:
    """What a file of /proc says, or nothing once its process is gone."""
    try:
        return path.read_text()
    except OSError:
        return ""


def disk(folder: Path) -> int:
    """Bytes that the files below `folder` take on the disk."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*") if not path.is_symlink())


class PeakMemory(processes.Peak):
    """The highest `memory` of some processes within a `with` block."""

    def __init__(self, roots: Iterable[int]) -> None:
        listed = list(roots)
        super().__init__(lambda: memory(listed), _SAMPLE_SECONDS)
