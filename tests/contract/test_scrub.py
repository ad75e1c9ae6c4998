"""A server finds damage by itself, and tells it wherever somebody may look."""

from __future__ import annotations

import time
from pathlib import Path

from tests.support.rows import MINUTE, candles
from tests.support.server_process import running
from tests.support.stores import BTC

import flightstore as fs

_SOON_SECONDS = 30


def test_a_flipped_byte_is_in_status_and_log_without_a_read(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data, "[scrub]\nbytes_per_second = 1_000_000_000\n") as server:
        with fs.connect(server.uri) as db:
            db.write(BTC, candles([i * MINUTE for i in range(20)]), timeframe="1m")
            db.flush()
        server.terminate()
        # Between two starts: what was read before may be in the memory of the process.
        [segment] = data.rglob("*.arrow")
        rows = bytearray(segment.read_bytes())
        rows[600] ^= 1
        segment.write_bytes(rows)
        (data / "scrub.json").unlink(missing_ok=True)
        server.start()
        with fs.connect(server.uri) as db:
            until = time.monotonic() + _SOON_SECONDS
            while not db.status().counters["damaged_segments"]:
                assert time.monotonic() < until, "the damage was not found"
                time.sleep(0.02)
        assert segment.name in server.log()
        assert "is damaged between offset" in server.log()
