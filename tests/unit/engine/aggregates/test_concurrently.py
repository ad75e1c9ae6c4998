"""Bars while everything happens at once: writers, readers, flushes, merges, rules that come and go.

Threads interleave as they like: run it with the same seed a few times.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from tests.model.derived_driver import bars_of, batch_of
from tests.support import naive_bars, stores
from tests.support.naive_bars import Bar
from tests.support.rows import MINUTE, NOON_2024, trades
from tests.support.seeds import generator, scaled
from tests.support.stores import BTC, SMALL, put

from flightstore_proto import flightstore_pb2 as pb
from flightstore_server.engine.queries import Query
from flightstore_server.engine.store import Store
from flightstore_server.storage.files import open_root

SPACING = 6 * 10**9
PER_MINUTE = MINUTE // SPACING
LIMITS = replace(SMALL, bulk_put_bytes_min=2_000, flush_records=30)
ETH = "kraken:ETH/EUR"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store with a thread for upkeep, and minutes, five minutes and counts of trades."""
    opened = Store(open_root(tmp_path / "data"), LIMITS)
    opened.rules.add(pb.Rule(name="minutes", on="trades/*", to=["1m", "7tick"]))
    opened.rules.add(pb.Rule(on="candles/*/1m", to=["5m", "1h"]))
    yield opened
    opened.close()


class Acknowledged:
    """How many trades are: each has the amount 2, one after the other."""

    def __init__(self) -> None:
        self.trades = 0
        self.finished = False


def read(store: Store, timeframe: str, instrument: str = BTC, *, closed: bool = False) -> list[Bar]:
    query = Query("candles", [instrument], timeframe, closed=closed)
    selection = store.reader.select(query)
    return bars_of(list(selection.rows(selection.views[0])))


def write_in_order(store: Store, done: Acknowledged, count: int) -> None:
    try:
        for number in range(count):
            row = (NOON_2024 + number * SPACING, str(number), 1.0)
            put(store, trades([row]), dataset="trades", timeframe="")
            done.trades = number + 1
    finally:
        done.finished = True


def test_a_bar_has_every_trade_that_was_acknowledged_before_its_read_began(
    store: Store, request: pytest.FixtureRequest
) -> None:
    count = scaled(request.config, ci=200, nightly=10_000)
    done = Acknowledged()
    put(store, trades([(NOON_2024 - 1, "first", 1.0)]), dataset="trades", timeframe="")

    def read_sums(timeframe: str) -> None:
        while not done.finished:
            known = done.trades
            volume = math.fsum(bar[5] for bar in read(store, timeframe))
            assert volume >= 2 * (known + 1), f"{timeframe} bars lack trades"

    def read_closed() -> None:
        while not done.finished:
            for bar in read(store, "1m", closed=True)[1:]:
                assert bar[5] == 2 * PER_MINUTE, "a bar counted as closed before it was whole"

    def tidy() -> None:
        while not done.finished:
            store.flush()
            store.compact(full=True)
            store.maintenance.collect()

    readers = [lambda t=t: read_sums(t) for t in ("1m", "5m", "7tick")]
    at_once(lambda: write_in_order(store, done, count), *readers, read_closed, tidy)
    assert math.fsum(bar[5] for bar in read(store, "1h")) == 2 * (count + 1)


def at_once(*works: Callable[[], None]) -> None:
    """Do all of it, each in a thread of its own; raises what the first of them raised."""
    with ThreadPoolExecutor(len(works)) as pool:
        for future in [pool.submit(work) for work in works]:
            future.result(timeout=300)


def test_after_late_trades_deletes_and_merges_at_once_bars_are_what_the_trades_give(
    store: Store, request: pytest.FixtureRequest
) -> None:
    steps = scaled(request.config, ci=50, nightly=3_000)
    stop = threading.Event()
    rng = generator("bars at once")
    seeds = [rng.randrange(2**32) for _ in range(3)]

    def write(number: int) -> None:
        mine = generator(f"writer {number} {seeds[number]}")
        for step in range(steps):
            reach = mine.choice([1, 5, 60])
            first = mine.randrange(300)
            minutes = sorted({min(299, first + mine.randrange(reach)) for _ in range(20)})
            rows = [(NOON_2024 + m * MINUTE, f"{number}-{step}", mine.random()) for m in minutes]
            put(store, trades(rows), dataset="trades", timeframe="", instrument=ETH)
            if step % 10 == 9:
                low = NOON_2024 + mine.randrange(300) * MINUTE
                store.delete("trades", ETH, "", low, low + 20 * MINUTE)

    def write_all() -> None:
        try:
            at_once(*(lambda n=n: write(n) for n in range(2)))
        finally:
            stop.set()

    def until_done(work: Callable[[], object]) -> Callable[[], None]:
        def repeat() -> None:
            while not stop.is_set():
                work()

        return repeat

    def come_and_go() -> None:
        store.rules.add(pb.Rule(name="guest", on="candles/*/1m", to=["15m"]))
        store.rules.remove("guest")

    put(store, batch_of([], "trades"), dataset="trades", timeframe="", instrument=ETH)
    at_once(
        write_all,
        until_done(store.flush),
        until_done(lambda: store.compact(full=True)),
        until_done(come_and_go),
        *(until_done(lambda t=t: read(store, t, ETH)) for t in ("1m", "5m", "7tick")),
    )
    found = every_trade(store)
    minutes = in_windows(naive_bars.of_trades(found), "1m")
    assert read(store, "1m", ETH) == minutes
    assert read(store, "5m", ETH) == in_windows(minutes, "5m")
    assert read(store, "1h", ETH) == in_windows(minutes, "1h")
    counted = naive_bars.counted(found, "7tick", lambda ts: naive_bars.window(ts, "1d")[0])
    assert read(store, "7tick", ETH) == counted
    assert not store.committer.poison_reason
    assert not store.aggregates.errors


def in_windows(rows: list[Bar], timeframe: str) -> list[Bar]:
    return naive_bars.bars(rows, lambda ts: naive_bars.window(ts, timeframe)[0])


def every_trade(store: Store) -> list[naive_bars.Trade]:
    found: list[naive_bars.Trade] = []
    for batch in stores.read(store, dataset="trades", instrument=ETH, timeframe=""):
        ts = batch.column("ts").cast(pa.int64()).to_pylist()
        prices, amounts = (batch.column(name).to_pylist() for name in ("price", "amount"))
        found += zip(ts, prices, amounts, strict=True)
    return found
