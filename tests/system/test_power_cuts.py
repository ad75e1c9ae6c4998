"""Power cuts on real file systems: a server is writing when nothing reaches the disk any more.

The file system is shut down under the server, as by a cut: what the server has not synced is lost,
in an order that the file system decides. Then the server is killed, the file system is mounted anew
and has to be sound, and a new server has to hold what was acknowledged, and nothing else.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.crash.ledger import Ledger
from tests.crash.writing import Progress, WriterThread
from tests.support.abilities import need_file_system
from tests.support.mounts import CUTS, KINDS, Kind, LoopDisk, loop_disk
from tests.support.rows import minutes
from tests.support.seeds import generator, scaled
from tests.support.server_process import ServerProcess, toml
from tests.support.stores import put, stepped
from tests.system.ledgers import settle

import flightstore as fs
from flightstore_server.storage.files import DiskFile

WRITERS = 4
CUTS_PER_DISK = 10
ACKNOWLEDGEMENTS_MAX = 120


@pytest.mark.parametrize("kind", KINDS, ids=[kind.shown for kind in KINDS])
def test_after_a_power_cut_there_is_what_was_acknowledged_and_nothing_else(
    kind: Kind, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    need_file_system(kind.name, kind.package)
    rng = generator(f"power cuts on {kind.shown}")
    left = scaled(request.config, ci=10, nightly=670, release=3_400)
    errors: set[type] = set()
    while left > 0:
        cuts = min(left, CUTS_PER_DISK)
        left -= cuts
        with loop_disk(kind, tmp_path) as disk:
            errors |= _cut_again_and_again(disk, tmp_path / "data", cuts, rng)
        (tmp_path / "data").unlink()
    # Between the cut and its end the server acknowledges nothing: it cannot write, and a delete may
    # find that a file it has to look into cannot be read.
    assert errors <= {fs.Unavailable, fs.Poisoned, fs.Corrupt}


@pytest.mark.parametrize("kind", KINDS, ids=[kind.shown for kind in KINDS])
def test_what_is_not_synced_is_gone_after_a_power_cut(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shows that the cuts are real: a store that does not sync loses what it acknowledged."""
    need_file_system(kind.name, kind.package)
    monkeypatch.setattr(DiskFile, "sync", lambda _: None)
    with loop_disk(kind, tmp_path) as disk:
        store = stepped(disk.path)
        put(store, minutes(range(500)))
        store.close()
        before = _log_bytes(disk)
        disk.cut_power(CUTS["at once"])
        disk.unmount()
        disk.mount()
        assert _log_bytes(disk) < before


def _log_bytes(disk: LoopDisk) -> int:
    return sum(path.stat().st_size for path in (disk.path / "log").iterdir())


def _cut_again_and_again(disk: LoopDisk, data: Path, cuts: int, rng: random.Random) -> set[type]:
    # The configuration and the log of the server are beside its data, and not on its disk.
    data.symlink_to(disk.path)
    server = ServerProcess(data)
    ledgers: list[Ledger] = []
    errors: set[type] = set()
    try:
        for cut in range(cuts):
            if cut % (CUTS_PER_DISK // 2) == 0:
                fresh = [Ledger(f"binance:{cut}-{n}/USDT") for n in range(WRITERS)]
                ledgers += fresh
            server.configure(_configuration(rng))
            server.start()
            settle(server.uri, ledgers)
            errors |= _write_until_cut(server, disk, fresh, rng)
            disk.unmount()
            disk.mount()  # which plays the journal back
            disk.unmount()
            disk.check()
            disk.mount()
        server.start()
        settle(server.uri, ledgers)
    finally:
        server.kill()
    assert sum(ledger.acknowledgements for ledger in ledgers) > cuts
    return errors


def _configuration(rng: random.Random) -> str:
    """Limits so small that flushes, compactions and new log files happen all the time."""
    return toml(
        {
            "log": {"file_bytes": rng.choice([4_096, 65_536]), "keep_bytes": 0, "keep_seconds": 0},
            "flush": {"records": rng.choice([10, 50]), "memory_bytes": 50_000},
            "segments": {
                "bulk_put_bytes_min": rng.choice([65_536, 262_144]),
                "rows_max": rng.choice([500, 5_000]),
                "compact_segments_min": 2,
                "compact_small_rows": 1_000,
                "cold_age_days": rng.choice([0.0, 1.0]),
            },
        }
    )


def _write_until_cut(
    server: ServerProcess, disk: LoopDisk, ledgers: list[Ledger], rng: random.Random
) -> set[type]:
    progress = Progress()
    threads = [
        WriterThread(server.uri, ledger, random.Random(rng.random()), progress)
        for ledger in ledgers
    ]
    for thread in threads:
        thread.start()
    progress.wait_for(rng.randrange(1, ACKNOWLEDGEMENTS_MAX), writers=WRITERS)
    for ledger in ledgers:
        ledger.doubtful = True
    disk.cut_power(rng.choice(list(CUTS.values())))
    server.kill()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), f"{thread.name} did not notice that the server is gone"
    return {type(thread.error) for thread in threads}
