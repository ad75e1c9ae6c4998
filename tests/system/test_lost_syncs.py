"""A disk that loses what it could not write, and says so once.

The image of a file system lies in a memory that has less room than the image promises. When it is
used up, a sync fails, and the kernel forgets which pages it could not write: a second sync would
succeed, and reads go on showing what the disk does not hold. So nothing may be tried again after
the first error.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.support.abilities import need_file_system
from tests.support.mounts import EXT4, MIB, LoopDisk, enlarge, loop_disk, tmpfs, used_bytes
from tests.support.seeds import generator, scaled
from tests.support.stores import BTC
from tests.system.filling import check_poisoned, check_whole, fill, found, random_limits
from tests.system.prefixes import Prefix

from flightstore_proto.errors import DataDirError
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.store import open_store

ENOUGH = 256 * MIB


def test_nothing_is_acknowledged_after_a_sync_has_failed(request: pytest.FixtureRequest) -> None:
    need_file_system(EXT4.name, EXT4.package)
    rng = generator("lost syncs")
    for _ in range(scaled(request.config, ci=4, nightly=80)):
        with tmpfs(ENOUGH) as thin, loop_disk(EXT4, thin) as disk:
            disk.be_thin()
            _fill_and_restart(thin, disk, rng)


def _fill_and_restart(thin: Path, disk: LoopDisk, rng: random.Random) -> None:
    prefix, limits = Prefix(BTC, rng.randrange(1, 500)), random_limits(rng)
    store = open_store(disk.path, limits)
    try:
        enlarge(thin, used_bytes(thin) + rng.randrange(64 * 1024, MIB))
        fill(store, prefix)
        check_poisoned(store, prefix)
    finally:
        store.close()
    del store
    enlarge(thin, ENOUGH)
    shown = _puts_after_restart(disk, prefix, limits)
    disk.cut_power(2)
    disk.unmount()
    disk.mount()
    store = open_store(disk.path, limits)
    try:
        held = prefix.puts_in(found(store, prefix))
        assert shown in (None, held), "a restart believed what only the kernel's memory held"
        check_whole(store, prefix)
    finally:
        store.close()


def _puts_after_restart(disk: LoopDisk, prefix: Prefix, limits: Limits) -> int | None:
    """What a start finds while the kernel still shows what was lost; None if it refuses.

    A file system that could not write its own journal lets nobody write.
    """
    try:
        store = open_store(disk.path, limits)
    except DataDirError:
        return None
    try:
        prefix.check(found(store, prefix))
        return prefix.puts_in(found(store, prefix))
    finally:
        store.close()
