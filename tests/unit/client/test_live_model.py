"""Streams that break off at random places, against a server that keeps to the contract."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from tests.unit.client.live_script import Step, message

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.schemas import CANDLES

Key = tuple[str, int]  # instrument, minute
INSTRUMENTS = ("a:X", "b:Y", "c:Z")
COMMITS = 60


class Store:
    """Bars whose close is the LSN of their last change; streams break off now and then."""

    def __init__(self, fake: Any, rng: random.Random) -> None:
        self.fake, self.rng = fake, rng
        self.log: list[Key] = []
        self.tail = 1  # the first LSN that the log still has
        self.news = threading.Condition()
        self.stopped = threading.Event()
        self.breaks, self.breaks_histories = 30, False

    def commit(self) -> None:
        with self.news:
            # Mostly the newest bar or the next one, sometimes an older one.
            newest = len(self.log) // 4
            minute = newest if self.rng.random() < 0.8 else self.rng.randrange(newest + 1)
            self.log.append((self.rng.choice(INSTRUMENTS), minute))
            self.news.notify_all()

    def rows(self, lsn: int | None = None) -> dict[Key, float]:
        """All bars as of `lsn`."""
        return {key: float(at) for at, key in enumerate(self.log[:lsn], 1)}

    def answer(self, ticket: pb.Ticket) -> Any:
        asked = ticket.subscribe
        if asked.HasField("after_lsn") and asked.after_lsn + 1 < self.tail:
            raise self.fake.refusal("lagged", f"The log begins at {self.tail}.")
        return self.fake.stream(CANDLES, self._sent(asked))

    def _sent(self, asked: pb.SubscribeRequest) -> Iterator[Any]:
        names: dict[str, int] = {}
        may_break = self.breaks_histories
        for step in self._steps(asked):
            if may_break and self.breaks and self.rng.random() < 0.2:
                self.breaks -= 1
                raise self.fake.refusal("unavailable", "Restarting.")
            yield message(CANDLES, step, names)
            may_break = may_break or not step.history

    def _steps(self, asked: pb.SubscribeRequest) -> Iterator[Step]:
        now = len(self.log)
        position = asked.after_lsn if asked.HasField("after_lsn") else now
        delivered = (asked.delivered.instrument, self._minute(asked.delivered.ts))
        if asked.HasField("start"):
            first, values = self._minute(asked.start), self.rows(now)
            rest = sorted(key for key in values if key[1] >= first and key > delivered)
            while rest:
                size = self.rng.randint(1, 5)
                part, rest = rest[:size], rest[size:]
                yield Step(position, self._tables(part, now), history=True)
        while not self.stopped.is_set():
            reached = min(self._grown(position), position + self.rng.randint(1, 3))
            if position < now and asked.HasField("delivered"):
                # The rest of the history holds the changes up to `now` already.
                reached = min(reached, now)
                changed = {key for key in self.log[position:reached] if key <= delivered}
            else:
                changed = set(self.log[position:reached])
            position = reached
            yield Step(position, self._tables(sorted(changed), reached))

    def _grown(self, position: int) -> int:
        """The newest LSN, after a short wait unless it is past `position`."""
        with self.news:
            self.news.wait_for(lambda: len(self.log) > position, 0.01)
            return len(self.log)

    def _tables(self, keys: list[Key], lsn: int) -> dict[str, pa.Table]:
        values, tables = self.rows(lsn), dict[str, list[pa.Table]]()
        for name, minute in keys:
            bar = self.fake.candles(1, first=minute)
            closed = bar.set_column(4, CANDLES.field("close"), pa.array([values[name, minute]]))
            tables.setdefault(name, []).append(closed)
        return {name: pa.concat_tables(parts) for name, parts in tables.items()}

    def _minute(self, ts: int) -> int:
        return (ts - self.fake.start_ns) // self.fake.minute_ns


class Reader:
    """Keeps the rows of a stream as its user would, and what it was told in which order."""

    def __init__(self, fake: Any) -> None:
        self.fake = fake
        self.rows: dict[Key, float] = {}
        self.told: list[tuple[Key, float]] = []

    def take(self, batch: fs.LiveBatch) -> None:
        frame = batch.frame.select("exchange", "symbol", pl.col("ts").dt.epoch("ns"), "close")
        for exchange, symbol, ts, close in frame.iter_rows():
            key = (f"{exchange}:{symbol}", (ts - self.fake.start_ns) // self.fake.minute_ns)
            self.rows[key] = close
            self.told.append((key, close))


def followed(store: Store, db: fs.Client, reader: Reader, lags: float) -> None:
    """Read a live stream of `store` while it grows to twice its size, and to its end."""
    with db.live("*", "1m", "2024-01-01") as live:
        for batch in live:
            reader.take(batch)
            if len(store.log) < 2 * COMMITS:
                store.commit()
                if store.rng.random() < lags:
                    store.tail = len(store.log)
            elif batch.lsn == len(store.log) and not batch.history:
                break
    store.stopped.set()


@pytest.fixture
def store(request, server, fake, monkeypatch) -> Store:
    """A store as a parameter seeds it, with some bars in it."""
    print(f"seed {request.param}")
    monkeypatch.setattr("flightstore._live.follower._PAUSE_MIN", 0.001)
    store = Store(fake, random.Random(request.param))
    for _ in range(COMMITS):
        store.commit()
    server.script.read = store.answer
    return store


seeds = pytest.mark.parametrize("store", range(6), indirect=True)


@seeds
def test_the_reader_ends_up_with_what_is_stored_whatever_breaks(store, db, fake) -> None:
    store.breaks_histories = True
    followed(store, db, reader := Reader(fake), lags=0)
    assert reader.rows == store.rows()


@seeds
def test_a_change_is_told_once_however_often_the_live_stream_breaks(store, db, fake) -> None:
    followed(store, db, reader := Reader(fake), lags=0)
    assert len(set(reader.told)) == len(reader.told)
    assert reader.rows == store.rows()


@seeds
def test_the_newest_bars_are_right_where_the_log_was_too_short(store, db, fake) -> None:
    followed(store, db, reader := Reader(fake), lags=0.2)
    rows = store.rows()
    for name in INSTRUMENTS:
        newest = max(key for key in rows if key[0] == name)
        assert reader.rows[newest] == rows[newest]
