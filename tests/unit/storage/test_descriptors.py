"""Descriptors that are kept back for files, when everything else has taken all others."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from flightstore_server.storage.descriptors import Reserve

FEW = 3


@contextmanager
def _exhausted() -> Iterator[None]:
    """While the block lasts, this process has no descriptor left but those that are kept back."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    taken: list[int] = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 8, before[1]))
        with suppress(OSError):
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for fd in taken:
            os.close(fd)


@pytest.fixture
def reserve() -> Iterator[Reserve]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    reserve = Reserve()
    reserve.keep(FEW)
    yield reserve
    reserve.let_all_go()
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_files_are_opened_when_every_other_descriptor_is_taken(
    reserve: Reserve, tmp_path: Path
) -> None:
    """Connections took all descriptors, and the log found none for its next file: no put
    succeeded from then on, until a restart."""
    with _exhausted():
        flags = os.O_CREAT | os.O_WRONLY
        opened = [reserve.opened(os.open, tmp_path / str(n), flags) for n in range(FEW)]
        with pytest.raises(OSError, match="Too many open files"):
            reserve.opened(os.open, tmp_path, os.O_RDONLY)
        for fd in opened:
            os.close(fd)


def test_what_is_closed_is_kept_back_again(reserve: Reserve) -> None:
    with _exhausted():
        for _ in range(5 * FEW):
            os.close(reserve.opened(os.open, "/dev/null", os.O_RDONLY))
            reserve.refill()
            with pytest.raises(OSError, match="Too many open files"):
                os.open("/dev/null", os.O_RDONLY)


def test_other_errors_are_those_of_the_system(reserve: Reserve, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        reserve.opened(os.open, tmp_path / "missing", os.O_RDONLY)


def test_without_a_reserve_nothing_is_kept_back() -> None:
    with _exhausted(), pytest.raises(OSError) as failure:
        Reserve().opened(os.open, "/dev/null", os.O_RDONLY)
    assert failure.value.errno == errno.EMFILE
