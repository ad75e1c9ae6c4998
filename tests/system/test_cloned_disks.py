"""Power cuts without an end of the server: its disk is cloned while it writes.

The image of the file system that a server writes to lies on an XFS, which clones a file in one
moment and copies nothing. A clone is what a power cut at that moment would have left. It is
mounted, checked and opened, while the server goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.abilities import need_file_system
from tests.support.mounts import EXT4, XFS, LoopDisk, clone, loop_disk, mount_point
from tests.support.seeds import generator, scaled
from tests.support.server_process import running, toml
from tests.support.stores import read, stepped
from tests.system.prefixes import Prefix, PrefixWriter

from flightstore_proto.errors import BadRequest
from flightstore_server.engine.store import Store
from flightstore_server.engine.verify import verify_store

WRITERS = 3
CONFIG = toml(
    {
        "log": {"file_bytes": 16_384, "keep_bytes": 0, "keep_seconds": 0},
        "flush": {"records": 40, "memory_bytes": 50_000},
        "segments": {"rows_max": 500, "compact_segments_min": 2, "compact_small_rows": 1_000},
    }
)


@dataclass(frozen=True, slots=True)
class Promise:
    """What was acknowledged of a series before the cut; more may be there, up to what was sent."""

    prefix: Prefix
    acknowledged: int

    def check(self, store: Store) -> None:
        try:
            puts = self.prefix.puts_in(read(store, instrument=self.prefix.instrument))
        except BadRequest:
            puts = 0
        assert self.acknowledged <= puts <= self.prefix.sent


def test_a_clone_of_the_disk_of_a_running_server_holds_what_was_acknowledged(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    need_file_system(XFS.name, XFS.package)
    rng = generator("cloned disks")
    cuts = scaled(request.config, ci=8, nightly=1_300)
    with loop_disk(XFS, tmp_path) as outer, loop_disk(EXT4, outer.path) as disk:
        (tmp_path / "data").symlink_to(disk.path)
        with running(tmp_path / "data", CONFIG) as server, mount_point() as path:
            prefixes = [Prefix(f"binance:{n}/USDT", rng.randrange(1, 9)) for n in range(WRITERS)]
            writers = [PrefixWriter(server.uri, prefix) for prefix in prefixes]
            for writer in writers:
                writer.start()
            for number in range(cuts):
                rng.choice(writers).wait_for(rng.randrange(1, 40))
                promises = [Promise(prefix, prefix.acknowledged) for prefix in prefixes]
                # Another name each time: a loop device shows what it has read of a file before.
                cut = LoopDisk(EXT4, outer.path / f"cut-{number}.img", path)
                clone(disk.image, cut.image)
                _check(cut, promises)
                cut.image.unlink()
            for writer in writers:
                writer.finish()


def _check(disk: LoopDisk, promises: list[Promise]) -> None:
    disk.mount()
    store = stepped(disk.path)
    try:
        for promise in promises:
            promise.check(store)
        assert [progress.damage for progress in verify_store(store)][-1] == []
    finally:
        store.close()
    del store
    disk.unmount()
    disk.check()
