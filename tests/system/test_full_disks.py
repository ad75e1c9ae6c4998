"""Disks that are really full, of bytes or of inodes: puts fail, reads go on, nothing is lost.

A file system in memory of each of many sizes is filled by a store with small limits, so that the
disk is full sometimes for the log, sometimes for a segment, sometimes for the catalog. Then it is
given more room, and a restart has to serve all that was acknowledged.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.support.abilities import need_root
from tests.support.mounts import MIB, enlarge, tmpfs
from tests.support.seeds import generator, scaled
from tests.support.server_process import running, toml
from tests.support.stores import BTC, stepped
from tests.system.filling import (
    ROW_BYTES,
    check_poisoned,
    check_whole,
    fill,
    found,
    random_limits,
)
from tests.system.prefixes import Prefix, PrefixWriter, check_served, served

import flightstore as fs
from flightstore_proto.errors import DataDirError
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.store import Store, open_store

SIZES = range(256 * 1024, 4 * MIB, 4096)
INODES = range(5, 250)
ENOUGH = 64 * MIB


def test_a_disk_without_room_costs_nothing_that_was_acknowledged(
    request: pytest.FixtureRequest,
) -> None:
    need_root()
    rng = generator("full disks")
    for size in rng.sample(SIZES, scaled(request.config, ci=60, nightly=960, release=960)):
        with tmpfs(size) as path:
            # So that some dozens of puts fill the disk, whatever its size.
            _fill_and_restart(path, rng, rows=size // (ROW_BYTES * rng.randrange(5, 50)))


def test_a_disk_without_inodes_costs_nothing_that_was_acknowledged(
    request: pytest.FixtureRequest,
) -> None:
    need_root()
    rng = generator("disks without inodes")
    for inodes in INODES[: scaled(request.config, ci=30, nightly=245, release=245)]:
        with tmpfs(16 * MIB, inodes=inodes) as path:
            _fill_and_restart(path, rng, rows=20)


def test_a_server_on_a_full_disk_reads_on_and_says_why_it_does_not_write(tmp_path: Path) -> None:
    need_root()
    with tmpfs(MIB) as path:
        (tmp_path / "data").symlink_to(path)
        with running(tmp_path / "data", toml({"log": {"file_bytes": 65_536}})) as server:
            prefix = Prefix(BTC, 500)
            writer = PrefixWriter(server.uri, prefix)
            writer.start()
            writer.join(60)
            assert isinstance(writer.error, fs.Poisoned)
            assert "No space left on device" in str(writer.error)
            with fs.connect(server.uri) as db:
                assert prefix.puts_in(served(db, prefix)) == prefix.acknowledged
            enlarge(path, ENOUGH)
            server.restart()
            check_served(server.uri, [prefix])


def _fill_and_restart(path: Path, rng: random.Random, rows: int) -> None:
    prefix, limits = Prefix(BTC, rows), random_limits(rng)
    store = _opened(path, limits)
    if store is not None:
        try:
            fill(store, prefix)
            check_poisoned(store, prefix)
        finally:
            store.close()
    # A start on the full disk serves what there is, or says that the directory cannot be used.
    store = _opened(path, limits)
    if store is not None:
        prefix.check(found(store, prefix))
        store.close()
    enlarge(path, ENOUGH)
    store = stepped(path, limits)
    try:
        check_whole(store, prefix)
    finally:
        store.close()


def _opened(path: Path, limits: Limits) -> Store | None:
    try:
        return open_store(path, limits)
    except DataDirError as error:
        assert "damaged" not in str(error), "a full disk is not damage"
        return None
