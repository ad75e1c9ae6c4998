"""kill -9 at random moments loses nothing that was acknowledged, and invents nothing."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import numpy as np
import pytest
from tests.crash.ledger import MINUTES, Ledger, Values
from tests.crash.writing import Progress, WriterThread
from tests.support.rows import MINUTE, NOON_2024
from tests.support.seeds import generator, scaled
from tests.support.server_process import ServerProcess, toml

import flightstore as fs

WRITERS = 8
# New series now and then: a server that lives so shortly never gets to tidy up old ones.
CYCLES_PER_SERIES = 10


def _configuration(rng: random.Random) -> str:
    """Limits so small that flushes, compactions and new log files happen all the time."""
    return toml(
        {
            "log": {"file_bytes": rng.choice([4_096, 65_536]), "keep_bytes": 0, "keep_seconds": 0},
            "flush": {"records": rng.choice([10, 50]), "memory_bytes": 50_000},
            "segments": {
                "bulk_put_bytes_min": 262_144,
                "rows_max": rng.choice([500, 5_000]),
                "compact_segments_min": 2,
                "compact_small_rows": 1_000,
                "cold_age_days": rng.choice([0.0, 1.0]),
            },
        }
    )


@pytest.mark.long
def test_killed_servers_keep_what_they_acknowledged_and_nothing_else(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rng = generator("kill loop")
    kills = scaled(request.config, ci=200, nightly=10_000)
    server = ServerProcess(tmp_path / "data", _configuration(rng))
    everything: list[Ledger] = []
    errors: set[type] = set()
    try:
        for cycle in range(kills):
            if cycle % CYCLES_PER_SERIES == 0:
                ledgers = [Ledger(f"binance:{cycle}-{n}/USDT") for n in range(WRITERS)]
                everything += ledgers
            server.configure(_configuration(rng))
            _start(server, rng)
            _settle(server.uri, ledgers)
            errors |= _write_until_killed(server, ledgers, rng)
        server.start()
        _settle(server.uri, everything)
        assert _damage(server.uri) == []
    finally:
        server.kill()
    assert sum(ledger.acknowledgements for ledger in everything) > kills
    # However a call noticed that the server is gone, this is what it says.
    assert errors == {fs.Unavailable}


def _start(server: ServerProcess, rng: random.Random) -> None:
    """Start it; sometimes kill it while it recovers, and start it again."""
    while rng.random() < 0.1:
        server.launch()
        threading.Event().wait(rng.uniform(0.2, 0.6))  # a random moment, nothing is waited for
        server.kill()
    server.start()


def _write_until_killed(
    server: ServerProcess, ledgers: list[Ledger], rng: random.Random
) -> set[type]:
    progress = Progress()
    threads = [
        WriterThread(server.uri, ledger, random.Random(rng.random()), progress)
        for ledger in ledgers
    ]
    for thread in threads:
        thread.start()
    progress.wait_for(rng.randrange(1, 300), writers=WRITERS)
    server.kill()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), f"{thread.name} did not notice that the server is gone"
    return {type(thread.error) for thread in threads}


def _settle(uri: str, ledgers: list[Ledger]) -> None:
    with fs.connect(uri) as db:
        for ledger in ledgers:
            ledger.settle(_found(db, ledger.instrument))


def _damage(uri: str) -> list[str]:
    with fs.connect(uri) as db:
        *_, verdict = db.verify()
    assert verdict.finished
    return list(verdict.damage)


def _found(db: fs.Client, instrument: str) -> Values:
    """The bars of one series, one value per minute."""
    try:
        table = db.candles(instrument, "1m", output="arrow")
    except (fs.UnknownInstrument, fs.UnknownDataset):
        return np.full(MINUTES, np.nan)
    ts = table.column("ts").to_numpy().astype(np.int64)
    close = table.column("close").to_numpy()
    assert (np.diff(ts) > 0).all(), f"{instrument} holds a row twice or out of order"
    for name, offset in (("open", -0.25), ("high", 1.0), ("low", -1.0)):
        assert (table.column(name).to_numpy() == close + offset).all(), "a row is torn"
    values = np.full(MINUTES, np.nan)
    values[(ts - NOON_2024) // MINUTE] = close
    return values
