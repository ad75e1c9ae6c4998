"""Disks that write slowly, or for a while not at all: writers wait, memory does not grow."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pytest
from tests.support.abilities import need_cgroup, need_file_system
from tests.support.cgroups import enter, write_limit
from tests.support.live_wire import eventually
from tests.support.mounts import EXT4, MIB, loop_disk
from tests.support.rows import MINUTE, NOON_2024, candles
from tests.support.seeds import scaled
from tests.support.server_process import ServerProcess, running

import flightstore as fs

NAME = "binance:BTC/USDT"
PUT_ROWS = 20_000  # 960 KB: less than a put that is written past the log
PUTS_MAX = 400
STILL = 60  # looks, 10 ms apart, at which nothing has changed
# Rows under way on a stream, the group being written, and what a put takes while it is prepared.
MEMORY_MAX = 160 * MIB


class Flood(threading.Thread):
    """Writes as fast as the server takes it; counts what was handed over and acknowledged."""

    def __init__(self, uri: str) -> None:
        super().__init__(name="flood", daemon=True)
        self._uri = uri
        self._enough = threading.Event()
        self.sent = 0
        self._acks: list[fs.PendingAck] = []
        self.error: fs.FlightstoreError | None = None

    def run(self) -> None:
        try:
            with fs.connect(self._uri, timeout=120.0) as db, db.writer(timeframe="1m") as writer:
                for number in range(PUTS_MAX):
                    if self._enough.is_set():
                        return
                    self._acks.append(writer.write(NAME, _put(number)))
                    self.sent += 1
        except fs.FlightstoreError as error:
            self.error = error

    @property
    def acknowledged(self) -> int:
        return sum(ack.done for ack in self._acks)

    def finish(self) -> None:
        """Send nothing more, and wait for what is under way."""
        self._enough.set()
        self.join(120)
        assert not self.is_alive(), "the writer is stuck"
        assert self.error is None, f"the writer ended: {self.error}"
        assert self.acknowledged == self.sent


def _put(number: int) -> pa.RecordBatch:
    times = NOON_2024 + np.arange(number * PUT_ROWS, (number + 1) * PUT_ROWS) * MINUTE
    return candles(times, float(number))


def test_writers_wait_for_a_disk_that_does_not_write_and_readers_do_not(tmp_path: Path) -> None:
    need_file_system(EXT4.name, EXT4.package)
    with loop_disk(EXT4, tmp_path) as disk:
        (tmp_path / "data").symlink_to(disk.path)
        with running(tmp_path / "data") as server, fs.connect(server.uri) as db:
            db.write(NAME, _put(0), timeframe="1m")
            before = _resident(server)
            flood = Flood(server.uri)
            with disk.frozen():
                flood.start()
                _wait_until_it_waits(flood)
                assert len(db.candles(NAME, "1m")) == PUT_ROWS
                assert flood.acknowledged == 0
                assert flood.sent < PUTS_MAX
                assert _resident(server) - before < MEMORY_MAX
            flood.finish()
            assert len(db.candles(NAME, "1m")) == max(flood.sent, 1) * PUT_ROWS


def test_a_slow_disk_slows_its_writers_down(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    need_file_system(EXT4.name, EXT4.package)
    need_cgroup("blkio")
    puts = scaled(request.config, ci=4, nightly=40)
    with loop_disk(EXT4, tmp_path) as disk, write_limit(disk.device, 4 * MIB) as group:
        (tmp_path / "data").symlink_to(disk.path)
        with running(tmp_path / "data") as server:
            enter(group, server.pid)
            before = _resident(server)
            flood = Flood(server.uri)
            flood.start()
            eventually(lambda: flood.acknowledged >= puts or not flood.is_alive())
            assert flood.sent < PUTS_MAX, "nobody held the writer back"
            assert _resident(server) - before < MEMORY_MAX
            enter(group.parent, server.pid)  # what is under way may arrive at full speed
            flood.finish()
            with fs.connect(server.uri) as db:
                assert len(db.candles(NAME, "1m")) == flood.sent * PUT_ROWS


def _wait_until_it_waits(flood: Flood) -> None:
    """Until the writer has handed over nothing for a while."""
    seen: list[int] = []

    def is_still() -> bool:
        seen.append(flood.sent)
        return len(seen) > STILL and seen[-STILL] == seen[-1] > 0

    eventually(is_still)


def _resident(server: ServerProcess) -> int:
    return int(psutil.Process(server.pid).memory_info().rss)
