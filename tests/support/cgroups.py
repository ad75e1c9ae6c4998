"""Limits of the system for a process under test: its memory, and how fast it may write."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.abilities import need_cgroup
from tests.support.live_wire import eventually

_NAME = f"flightstore-test-{os.getpid()}"


@contextmanager
def _group(controller: str) -> Iterator[Path]:
    """A new group; the processes in it have ended before the block does."""
    remove_leftovers(parent := need_cgroup(controller))
    group = parent / _NAME
    group.mkdir()
    try:
        yield group
    finally:
        eventually(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


def remove_leftovers(parent: Path) -> None:
    """Remove the groups of runs that were killed, unless something still lives in them."""
    for group in parent.glob("flightstore-test-*"):
        owner = Path("/proc", group.name.rpartition("-")[2])
        if not owner.exists() and not (group / "cgroup.procs").read_text():
            group.rmdir()


def enter(group: Path, pid: int) -> None:
    """Move a process into the group. What it holds already is not counted there."""
    (group / "cgroup.procs").write_text(str(pid))


@contextmanager
def memory_limit(limit_bytes: int) -> Iterator[Path]:
    """A group whose processes, their cached files included, have so much memory, and no swap."""
    with _group("memory") as group:
        old = (group / "memory.limit_in_bytes").exists()
        limit = "memory.limit_in_bytes" if old else "memory.max"
        (group / limit).write_text(str(limit_bytes))
        yield group


def kills(group: Path) -> int:
    """How many processes of the group the kernel has killed for want of memory."""
    for name in ("memory.oom_control", "memory.events"):
        if (group / name).exists():
            words = dict(line.split() for line in (group / name).read_text().splitlines())
            return int(words["oom_kill"])
    raise AssertionError(f"{group} does not say how often it ran out of memory")


@contextmanager
def write_limit(device: str, bytes_per_second: int) -> Iterator[Path]:
    """A group whose processes write so slowly to the device `major:minor`."""
    with _group("blkio") as group:
        old = group / "blkio.throttle.write_bps_device"
        if old.exists():
            old.write_text(f"{device} {bytes_per_second}")
        else:
            (group / "io.max").write_text(f"{device} wbps={bytes_per_second}")
        yield group
