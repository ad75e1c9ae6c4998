"""A server with less memory than its data has: everything streams, and nothing ends it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.support.cgroups import enter, kills, memory_limit
from tests.support.mounts import MIB
from tests.support.rows import MINUTE, candles
from tests.support.seeds import scaled
from tests.support.server_process import ServerProcess, toml
from tests.support.stores import put, stepped

import flightstore as fs
from flightstore_server.engine.limits import Limits

CEILING = 512 * MIB
ROW_BYTES = 48
SERIES = 8
PUT_ROWS = 500_000  # 24 MB
CONFIG = toml(
    {
        "flush": {"memory_bytes": 16 * MIB},
        "limits": {"memtable_bytes_max": 48 * MIB},
        "sql": {"memory_bytes_max": 96 * MIB, "threads": 1},
    }
)


@pytest.fixture
def rows(tmp_path: Path, request: pytest.FixtureRequest) -> int:
    """Fills the directory with more than the ceiling; how many rows each series has."""
    total = scaled(request.config, ci=640, nightly=10_240, release=10_240) * MIB
    puts = -(-total // (SERIES * PUT_ROWS * ROW_BYTES))
    store = stepped(tmp_path / "data", replace(Limits(), bulk_put_bytes_min=MIB))
    for number in range(puts):
        times = np.arange(number * PUT_ROWS, (number + 1) * PUT_ROWS) * MINUTE
        part = candles(times, np.arange(PUT_ROWS) % 1_000.0)
        for series in range(SERIES):
            put(store, part, instrument=f"binance:{series}/USDT")
    store.close()
    return puts * PUT_ROWS


@pytest.fixture
def server(tmp_path: Path, rows: int) -> Iterator[ServerProcess]:
    """The server of that directory, in a group that has no more memory than the ceiling."""
    server = ServerProcess(tmp_path / "data", CONFIG)
    with memory_limit(CEILING) as group:
        try:
            server.launch()
            enter(group, server.pid)
            server.wait_until_ready()
            yield server
            assert kills(group) == 0
        finally:
            server.kill()


def test_reads_of_more_than_the_memory_stream_through_it(server: ServerProcess, rows: int) -> None:
    with fs.connect(server.uri, same_host=False) as db:
        assert _count(db, "binance:0/USDT") == rows
        assert _count(db, "*") == rows * SERIES
        counted = db.sql(
            "select symbol, count(*) as n, max(close) as highest from candles group by symbol",
            output="arrow",
        )
        assert counted.column("n").to_pylist() == [rows] * SERIES
        assert counted.column("highest").to_pylist() == [999.0] * SERIES
        db.write("binance:0/USDT", candles([rows * MINUTE]), timeframe="1m")
        assert len(db.candles("binance:0/USDT", "1m", tail=2)) == 2


def _count(db: fs.Client, names: str) -> int:
    """Rows of everything there is under these names, of which no more than a batch is kept."""
    return sum(batch.num_rows for batch in db.batches(names, timeframe="1m"))
