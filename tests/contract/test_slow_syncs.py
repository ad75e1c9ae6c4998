"""A disk that takes its time for every sync: writers share them, and readers wait for none."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.support.rows import minutes
from tests.support.serving import Serving

import flightstore as fs
from flightstore_server.storage.files import DiskFile

BTC = "binance:BTC/USDT"
SYNC_SECONDS = 0.2
WRITERS, PUTS_EACH = 8, 6


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    serving = Serving(tmp_path / "data")
    serving.db.write(BTC, minutes(range(10)), timeframe="1m")
    yield serving
    serving.close()


def _syncs(server: Serving) -> int:
    """How often the log was synced since the start."""
    return sum(server.store.committer.log.syncs.counts)


def _write_one_by_one(uri: str, number: int) -> None:
    with fs.connect(uri) as db:
        for minute in range(PUTS_EACH):
            db.write(f"binance:W{number}/USDT", minutes([minute]), timeframe="1m")


def test_writers_that_wait_for_a_slow_sync_share_the_next_one(
    server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = DiskFile.sync

    def slowly(file: DiskFile) -> None:
        time.sleep(SYNC_SECONDS)  # this is what such a disk does
        sync(file)

    monkeypatch.setattr(DiskFile, "sync", slowly)
    before = _syncs(server)
    with ThreadPoolExecutor(WRITERS) as writers:
        list(writers.map(_write_one_by_one, [server.uri] * WRITERS, range(WRITERS)))
    puts = WRITERS * PUTS_EACH
    assert server.db.status().series == 1 + WRITERS
    assert server.db.candles("binance:W*", "1m").height == puts
    assert _syncs(server) - before <= puts / 2


def test_readers_of_every_kind_are_answered_while_a_sync_stands_still(
    server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    standing, over = threading.Event(), threading.Event()
    sync = DiskFile.sync

    def stuck(file: DiskFile) -> None:
        standing.set()
        assert over.wait(60)
        sync(file)

    monkeypatch.setattr(DiskFile, "sync", stuck)
    with ThreadPoolExecutor(1) as writer:
        put = writer.submit(server.db.write, BTC, minutes([10]), timeframe="1m")
        try:
            assert standing.wait(30)
            with fs.connect(server.uri, same_host=False) as db:
                assert db.candles(BTC, "1m").height == 10, "what is not durable is not shown"
                assert db.candles(BTC, "1m", tail=3).height == 3
                assert db.candles(BTC, "5m").height == 2
                assert db.sql("SELECT count(*) AS n FROM candles")["n"].to_list() == [10]
                assert db.latest(BTC, "1m").height == 1
                assert len(db.series()) == 1
                assert db.status().last_lsn == 1
            assert not put.done()
        finally:
            over.set()
        put.result(60)
    assert server.db.candles(BTC, "1m").height == 11
