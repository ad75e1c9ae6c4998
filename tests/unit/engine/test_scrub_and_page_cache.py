"""The background check reads from the disk, and leaves the page cache as it found it."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.support.rows import MINUTE, candles
from tests.support.stores import put, stepped, view

from flightstore_server.engine.limits import Limits
from flightstore_server.engine.scrubbing.scrub import Scrub
from flightstore_server.engine.store import Store

ROWS = 60_000  # several of the pieces that it reads at once, and more than the kernel reads ahead
_LIBC = ctypes.CDLL(None, use_errno=True)


class Watched:
    """A file's pages in the page cache, counted without touching one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        self._bytes = np.frombuffer(self._map, np.uint8)
        self.pages = -(-len(self._bytes) // mmap.PAGESIZE)

    def cached(self) -> int:
        found = (ctypes.c_ubyte * self.pages)()
        start = ctypes.c_void_p(self._bytes.ctypes.data)
        if _LIBC.mincore(start, ctypes.c_size_t(len(self._bytes)), found):
            raise OSError(ctypes.get_errno(), "mincore")
        return sum(page & 1 for page in found)

    def touch(self) -> None:
        """Read every page through this mapping, as whoever has mapped a segment does."""
        assert self._bytes[:: mmap.PAGESIZE].sum() >= 0

    def drop(self) -> None:
        """Have nothing of it in the cache. Skips where files live in nothing but memory."""
        with self._path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if self.cached():
            pytest.skip("NO DISK below the temporary directory: its files cannot leave memory")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """One segment of some megabytes."""
    opened = stepped(tmp_path, Limits())
    put(opened, candles([at * MINUTE for at in range(ROWS)]))
    opened.flush()
    yield opened
    opened.close()


@pytest.fixture
def segment(store: Store) -> Watched:
    [segment] = view(store).segments
    assert segment.size > 2 << 20
    return Watched(store.files.root / segment.file)


def _check_all(store: Store) -> None:
    scrub = Scrub(store, bytes_per_second=1, interval_days=7)
    while scrub.step():
        pass
    assert (scrub.done, scrub.damaged) == (1, 0)


def test_a_file_that_nobody_uses_is_not_in_the_cache_after_it_was_checked(
    store: Store, segment: Watched
) -> None:
    """Checking years of history must not drive out what everybody reads."""
    segment.drop()
    _check_all(store)
    assert segment.cached() == 0


def test_what_somebody_has_mapped_and_reads_stays_in_the_cache(
    store: Store, segment: Watched
) -> None:
    segment.touch()
    assert segment.cached() == segment.pages
    _check_all(store)
    assert segment.cached() == segment.pages
