"""Followers that pause, fall back to the log's files and break off end up with what is stored."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from tests.support import seeds
from tests.support.live_rows import Held, stored
from tests.support.rows import MINUTE, NOON_2024, candles, trades
from tests.support.stores import SMALL, put, stepped

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import FlightstoreError
from flightstore_server.engine.series import Series
from flightstore_server.engine.store import Store
from flightstore_server.engine.updates import Delivered, History, Selector, UpdateFollower
from flightstore_server.storage.rows import ts_of

# Memory holds a change or two, the log's files a few groups, and bulk puts come at every size.
TINY = replace(
    SMALL,
    feed_bytes_max=3_000,
    log_file_bytes=2_048,
    log_keep_bytes=1 << 30,
    bulk_put_bytes_min=1_500,
)
NAMES = ["binance:A/USDT", "binance:B/USDT", "binance:C/EUR", "kraken:A/USDT"]
SELECTORS = [
    Selector("candles", ["*"], "1m"),
    Selector("candles", ["binance:*/USDT"], "1m"),
    Selector("candles", ["kraken:A/USDT", "binance:A/USDT"], "1m"),
    Selector("trades", ["binance:*"]),
    Selector("candles", ["*"], "5m"),
    Selector("candles", ["*"], "1h"),
    Selector("candles", ["binance:*"], "5m", closed=True),
    Selector("candles", ["*"], "3tick"),
]
SPAN = 400  # minutes
Runs = Iterator[tuple[Series, pa.RecordBatch]]


class Watching:
    """Somebody who follows a selection, with history; the connection may break at any time."""

    def __init__(self, store: Store, selector: Selector, rng: random.Random) -> None:
        self.store, self.selector, self.rng = store, selector, rng
        self.start = NOON_2024 + rng.choice([0, 0, 90]) * MINUTE
        self.held = Held()
        self.connect(None, None)

    def connect(self, after: int | None, delivered: Delivered | None) -> None:
        with self.store.state.lock:
            self.follower = UpdateFollower(self.store, self.selector, after, delivered=delivered)
            history = None
            if after is None or delivered is not None:
                history = History(self.store, self.follower, self.start, delivered)
        self.history: Runs | None = None if history is None else history.runs()
        self.delivered = delivered

    def step(self) -> None:
        if self.rng.random() < 0.15:
            self.break_off()
        elif self.history is not None:
            self.read_history()
        else:
            self.read_update()

    def read_history(self) -> None:
        assert self.history is not None
        run = next(self.history, None)
        if run is None:
            self.history = self.delivered = None
            return
        series, batch = run
        name = str(series.instrument)
        self.held.add(name, batch)
        ts = ts_of(batch)
        last, count = int(ts[-1]), int((ts == ts[-1]).sum())
        before = self.delivered
        if before is not None and (before.instrument, before.ts) == (name, last):
            count += before.rows
        self.delivered = Delivered(name, last, count)

    def read_update(self) -> None:
        update = self.follower.take(bytes_max=self.rng.choice([1, 500, 5_000, 1 << 20]))
        if update is not None:
            assert update.lsn == self.follower.lsn
            self.held.apply(update)

    def break_off(self) -> None:
        """Go on from the position that a client knows: of the history, or after it."""
        if self.history is None:
            self.connect(self.follower.lsn, None)
        elif self.delivered is not None:
            self.connect(self.follower.lsn, self.delivered)
        else:
            self.connect(None, None)

    def catch_up(self) -> None:
        while self.history is not None:
            self.read_history()
        while self.follower.wait(0):
            self.read_update()
        assert self.follower.lsn == self.store.state.last_lsn

    def selected(self) -> list[Series]:
        return UpdateFollower(self.store, self.selector).matched

    def check(self) -> None:
        self.catch_up()
        dataset, timeframe = self.selector.dataset, self.selector.timeframe
        names = {str(series.instrument) for series in self.selected()}
        every = stored(self.store, dataset, timeframe, closed=self.selector.closed)
        expected = {n: rows for n, rows in every.items() if n in names}
        found = self.held.filled()
        # Before its start a follower knows only what changed since; after it, everything.
        for name in sorted({*expected, *found}):
            told, true = found.get(name, {}), expected.get(name, {})
            late = {key: row for key, row in true.items() if key[0] >= self.start}
            if self.selector.closed:  # a window that opened again after a delete may be left
                assert {k: told.get(k) for k in late} == late, name
            else:
                assert {k: r for k, r in told.items() if k[0] >= self.start} == late, name
                assert all(true.get(key) == row for key, row in told.items()), name


class Writing:
    """Random changes of a store: newest rows, late ones, deletes, new series, rules."""

    def __init__(self, store: Store, rng: random.Random) -> None:
        self.store, self.rng = store, rng
        self.minute = 0
        self.number = 0

    def step(self) -> None:
        kinds = [self.next_bar] * 8 + [self.late_bars] * 3 + [self.next_trades] * 6
        kinds += [self.late_trades, self.delete_range, self.many_bars, self.delete_series]
        kinds += [self.store.flush, self.change_rules]
        self.rng.choice(kinds)()

    def next_bar(self) -> None:
        self.minute = min(self.minute + self.rng.choice([0, 1, 1, 1, 7]), SPAN)
        self.bars([self.minute])

    def late_bars(self) -> None:
        low = self.rng.randrange(SPAN)
        self.bars(sorted(self.rng.sample(range(low, low + 20), self.rng.randint(1, 8))))

    def many_bars(self) -> None:
        low = self.rng.randrange(SPAN // 2)
        self.bars(range(low, low + self.rng.randint(40, 150)))

    def bars(self, minutes: Sequence[int]) -> None:
        ts = [NOON_2024 + m * MINUTE for m in minutes]
        covers = [(ts[0], ts[-1] + MINUTE)] if self.rng.random() < 0.3 else []
        close = [self.rng.randint(1, 9) for _ in ts]
        put(self.store, candles(ts, close), instrument=self.rng.choice(NAMES), covers=covers)

    def next_trades(self) -> None:
        self.trades_at(self.minute)

    def late_trades(self) -> None:
        self.trades_at(self.rng.randrange(SPAN))

    def trades_at(self, minute: int) -> None:
        rows = []
        for _ in range(self.rng.randint(1, 5)):
            self.number += 1
            at = NOON_2024 + minute * MINUTE + self.rng.randrange(3) * 10**9
            rows.append((at, str(self.number), float(self.rng.randint(1, 9))))
        rows.sort()
        name = self.rng.choice(NAMES)
        put(self.store, trades(rows), dataset="trades", timeframe="", instrument=name)

    def delete_range(self) -> None:
        low = NOON_2024 + self.rng.randrange(SPAN) * MINUTE
        self._delete(low, low + self.rng.choice([1, 5, 60]) * MINUTE)

    def delete_series(self) -> None:
        if self.rng.random() < 0.3:
            self._delete(None, None)

    def _delete(self, low: int | None, high: int | None) -> None:
        kind = self.rng.choice([("candles", "1m"), ("trades", "")])
        name = self.rng.choice(NAMES)
        if self.store.state.names.get(kind[0], name, kind[1]) is not None:
            self.store.delete(kind[0], name, kind[1], low, high)

    def change_rules(self) -> None:
        if self.rng.random() < 0.7:
            return
        try:
            self.store.rules.remove("hours")
        except FlightstoreError:
            self.store.rules.add(HOURS)


HOURS = pb.Rule(name="hours", on="candles/*/1m", to=["1h"])


@pytest.mark.parametrize("turn", range(6))
def test_what_was_told_is_what_is_stored(
    tmp_path: Path, turn: int, pytestconfig: pytest.Config
) -> None:
    rng = seeds.generator(f"updates {turn}")
    store = stepped(tmp_path, TINY)
    try:
        store.rules.add(pb.Rule(name="fives", on="candles/*/1m", to=["5m"]))
        store.rules.add(pb.Rule(name="ticks", on="trades/*", to=["3tick"]))
        writing = Writing(store, rng)
        watching: list[Watching] = []
        for _ in range(seeds.scaled(pytestconfig, ci=5, nightly=60)):
            watching += [Watching(store, s, rng) for s in rng.sample(SELECTORS, 3)]
            for _ in range(60):
                writing.step()
                for one in watching:
                    if rng.random() < 0.3:
                        one.step()
            for one in watching:
                one.check()
            watching = watching[-8:]
    finally:
        store.close()
