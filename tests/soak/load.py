"""What a server is to bear for hours: trades as they come, bars, reads, SQL, and followers."""

from __future__ import annotations

import random
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from itertools import count

import pyarrow as pa
from tests.support.rows import MINUTE, candles, trades

import flightstore as fs

EXCHANGE = "soak"
_WAITING_MAX = 64  # puts on their way
_ROWS_PER_PUT = 20
_CHECK = "select count(*) from trades where exchange = ? and symbol = ? and ts >= ?"
_PATIENT = fs.Retry(attempts=60, backoff=0.1)


def symbol(number: int) -> str:
    return f"S{number:02}/USDT"


def instrument(number: int) -> str:
    return f"{EXCHANGE}:{symbol(number)}"


class Worker(threading.Thread, ABC):
    """Does one thing `per_second` times until it is stopped; a server that is away is waited for.

    done    how often it was done
    failed  what ended it before its time
    """

    def __init__(self, uri: str, per_second: float) -> None:
        super().__init__(name=type(self).__name__, daemon=True)
        self.done = 0
        self.failed: BaseException | None = None
        self.stopping = threading.Event()
        self._uri, self._period = uri, 1 / per_second

    def run(self) -> None:
        try:
            while not self.stopping.is_set():
                try:
                    with fs.connect(self._uri, retry=_PATIENT) as db:
                        self.session(db)
                except fs.Unavailable:
                    self.stopping.wait(0.1)  # it is restarted
        except Exception as error:  # noqa: BLE001  (the test shows it)
            self.failed = error

    def session(self, db: fs.Client) -> None:
        """Work over one connection. Returns when it is stopped."""
        due = time.monotonic()
        while not self.stopping.is_set():
            self.work(db)
            self.done += 1
            due = max(due + self._period, time.monotonic() - 1.0)  # what was missed is left out
            self.stopping.wait(due - time.monotonic())

    @abstractmethod
    def work(self, db: fs.Client) -> None: ...


class Trades(Worker):
    """Trades of many series, numbered without a gap, on one open stream.

    What was not acknowledged when a server went away is sent again. `acknowledged` is by series.
    """

    def __init__(self, uri: str, series: int, rows_per_second: float) -> None:
        super().__init__(uri, rows_per_second / _ROWS_PER_PUT)
        self.acknowledged = [0] * series
        self._numbers = [count() for _ in range(series)]
        self._sent: deque[tuple[int, pa.RecordBatch]] = deque()
        self._waiting: deque[fs.PendingAck] = deque()

    def session(self, db: fs.Client) -> None:
        self._waiting.clear()
        with db.writer("trades") as self._writer:
            for number, rows in self._sent:
                self._waiting.append(self._writer.write(instrument(number), rows))
            super().session(db)
            while self._waiting:
                self._confirm()

    def work(self, db: fs.Client) -> None:
        number = self.done % len(self._numbers)
        numbers, now = self._numbers[number], time.time_ns()
        rows = trades((now, str(next(numbers)), 100.0) for _ in range(_ROWS_PER_PUT))
        self._sent.append((number, rows))
        self._waiting.append(self._writer.write(instrument(number), rows))
        if len(self._waiting) >= _WAITING_MAX:
            self._confirm()

    def _confirm(self) -> None:
        self._waiting.popleft().result()
        number, rows = self._sent.popleft()
        self.acknowledged[number] += len(rows)


class Bars(Worker):
    """The newest minute bar of one series after another, each in a call of its own."""

    def __init__(self, uri: str, series: int, per_second: float) -> None:
        super().__init__(uri, per_second)
        self._series = series

    def work(self, db: fs.Client) -> None:
        minute = time.time_ns() // MINUTE * MINUTE
        name = instrument(self.done % self._series)
        db.write(name, candles([minute], float(self.done)), timeframe="1m")


class Reads(Worker):
    """The newest rows of a random series, and now and then those of all."""

    def __init__(self, uri: str, series: int, per_second: float, seed: int) -> None:
        super().__init__(uri, per_second)
        self._series, self._rng = series, random.Random(seed)

    def work(self, db: fs.Client) -> None:
        try:
            if self.done % 20 == 0:
                db.latest(f"{EXCHANGE}:*", "1m")
            else:
                name = instrument(self._rng.randrange(self._series))
                db.trades(name, tail=self._rng.choice([100, 10_000]), output="arrow")
        except (fs.UnknownInstrument, fs.UnknownDataset):
            return  # not written to yet


class Queries(Worker):
    """How many trades the last minute had."""

    def work(self, db: fs.Client) -> None:
        minute_ago = pa.scalar(time.time_ns() - MINUTE, pa.timestamp("ns", "UTC")).as_py()
        db.sql(_CHECK, [EXCHANGE, symbol(self.done % 10), minute_ago])


class Follows(Worker):
    """Trades of one series as they are committed: their numbers go on without a gap."""

    def __init__(self, uri: str, number: int) -> None:
        super().__init__(uri, 1.0)
        self.next = 0
        self._number = number
        self._after: int | None = None

    def session(self, db: fs.Client) -> None:
        name = instrument(self._number)
        start = None if self._after is not None else "1970"
        with db.live(name, dataset="trades", start=start, after_lsn=self._after) as self._live:
            for batch in self._live:
                self._take([int(number) for number in batch.frame["id"]])
                self._after = batch.lsn
                self.done += 1
                if self.stopping.is_set():
                    return

    def work(self, db: fs.Client) -> None:
        """Nothing: what comes sets the pace."""

    def _take(self, numbers: Sequence[int]) -> None:
        """What a broken connection has repeated may come again."""
        for number in numbers:
            assert number <= self.next, f"{self.next} to {number - 1} did not come"
            self.next = max(self.next, number + 1)
