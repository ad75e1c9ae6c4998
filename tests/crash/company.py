"""Whoever else uses a server that is written to and killed: SQL, readers, compaction, followers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.crash.ledger import MINUTES, Ledger, Values, found, placed
from tests.support.rows import MINUTE, NOON_2024

import flightstore as fs
from flightstore_proto.errors import FlightstoreError

ONCE = fs.Retry(attempts=1)
DEADLINE_SECONDS = 60.0
_HOUR = 60  # minutes
_BAR = ("open", "high", "low", "close", "volume")
_TORN = """
select count(*) - count(distinct symbol || epoch_ns(ts)) as doubled,
       count(*) filter (where open <> close - 0.25 or high <> close + 1 or low <> close - 1) as torn
from candles where timeframe = '1m' and symbol like ?
"""


class Visitor(threading.Thread):
    """Asks again and again until a call fails. `error` is why it ended, `wrong` what it noticed."""

    def __init__(self, uri: str, ask: Callable[[fs.Client], object]) -> None:
        super().__init__(name=f"visitor {ask}", daemon=True)
        self._uri, self._ask = uri, ask
        self.error: FlightstoreError | None = None
        self.wrong: AssertionError | None = None

    def run(self) -> None:
        try:
            with fs.connect(self._uri, retry=ONCE, timeout=30.0) as db:
                while True:
                    with suppress(fs.UnknownInstrument, fs.UnknownDataset):  # not written to yet
                        self._ask(db)
        except FlightstoreError as error:
            self.error = error
        except AssertionError as wrong:
            self.wrong = wrong


def visitors(group: str, ledgers: list[Ledger]) -> list[Callable[[fs.Client], object]]:
    """What there is to ask while the series of `ledgers` are written to."""
    return [
        partial(_in_sql, group),
        partial(_series, ledgers[0].instrument),
        _tidy,
        lambda db: db.latest(f"binance:{group}-*", "1m"),
    ]


def _in_sql(group: str, db: fs.Client) -> None:
    [counted] = db.sql(_TORN, [f"{group}-%"]).rows()
    assert counted == (0, 0), f"rows that are there twice, and torn: {counted}"


def _series(instrument: str, db: fs.Client) -> None:
    found(db, instrument)


def _tidy(db: fs.Client) -> None:
    db.flush()
    db.compact(full=True)


class LiveReader(threading.Thread):
    """Follows series from their first row on, over all kills of their server."""

    def __init__(self, uri: str, pattern: str) -> None:
        super().__init__(name=f"live {pattern}", daemon=True)
        self._db = fs.connect(uri, retry=fs.Retry(attempts=1, backoff=0.0))
        self._live: Any = self._db.live(pattern, "1m", start=NOON_2024 // 10**6, on_lag="raise")
        self._changed = threading.Condition()
        self._held: dict[str, Values] = {}
        self._error: FlightstoreError | None = None
        self.start()

    def run(self) -> None:
        try:
            for batch in self._live:
                with self._changed:
                    self._take(batch)
                    self._changed.notify_all()
        except FlightstoreError as error:
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _take(self, batch: fs.LiveBatch) -> None:
        for gone in batch.deletes:
            first, last = (_minute(ns) for ns in (gone.start_ns, gone.end_ns))
            self._of(gone.instrument)[first:last] = np.nan
        frame = batch.frame
        for (exchange, symbol), rows in frame.group_by("exchange", "symbol"):
            ts, close = rows["ts"].to_numpy().astype(np.int64), rows["close"].to_numpy()
            values = self._of(f"{exchange}:{symbol}")
            values[:] = np.where(np.isnan(came := placed(ts, close)), values, came)

    def _of(self, instrument: str) -> Values:
        return self._held.setdefault(instrument, np.full(MINUTES, np.nan))

    def check(self, ledgers: list[Ledger]) -> None:
        """Wait until it holds what is acknowledged; fails if that never comes."""
        deadline = monotonic() + DEADLINE_SECONDS
        with self._changed:
            while different := [ledger.instrument for ledger in ledgers if self._differs(ledger)]:
                assert self._error is None, f"following ended: {self._error}"
                left = deadline - monotonic()
                assert left > 0, f"a follower never held what the store does of {different}"
                self._changed.wait(left)

    def _differs(self, ledger: Ledger) -> bool:
        held = self._of(ledger.instrument)
        return not np.array_equal(held, ledger.acknowledged, equal_nan=True)

    def close(self) -> None:
        self._db.close()
        self.join(DEADLINE_SECONDS)


def _minute(ns: int | None) -> int | None:
    return None if ns is None else (ns - NOON_2024) // MINUTE


def check_hours(db: fs.Client, ledger: Ledger) -> None:
    """Bars of an hour that a rule keeps equal those made of the minutes."""
    try:
        table = db.candles(ledger.instrument, "1h", output="arrow")
    except fs.UnknownInstrument:
        assert np.isnan(ledger.acknowledged).all()
        return
    columns = [table.column(name).to_numpy() for name in table.column_names if name in _BAR]
    first, made = _hours(ledger.acknowledged)
    hours = (table.column("ts").to_numpy().astype(np.int64) - NOON_2024) // (MINUTE * _HOUR)
    assert np.array_equal(hours, first), f"{ledger.instrument}: its hours are not those of its rows"
    assert np.array_equal(np.column_stack(columns), made), f"{ledger.instrument}: a bar is wrong"


def _hours(values: Values) -> tuple[NDArray[np.int64], Values]:
    """The hours after noon that have rows, and the five values of each one's bar."""
    padded = np.append(values, np.full(-len(values) % _HOUR, np.nan)).reshape(-1, _HOUR)
    first = np.flatnonzero(~np.isnan(padded).all(axis=1))
    rows = [row[~np.isnan(row)] for row in padded[first]]
    bars = [(r[0] - 0.25, r.max() + 1, r.min() - 1, r[-1], (2 * r).sum()) for r in rows]
    return first, np.array(bars).reshape(-1, len(_BAR))
