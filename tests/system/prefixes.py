"""Writers that put one thing after the other, so that a number says what a store may hold."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from tests.support.live_wire import eventually
from tests.support.rows import MINUTE, NOON_2024, candles

import flightstore as fs
from flightstore_proto.errors import FlightstoreError
from flightstore_proto.schemas import CANDLES

TIMEFRAME = "1m"


@dataclass(slots=True)
class Prefix:
    """A series whose k-th put holds the k-th `rows` minutes, and the number k in each of them."""

    instrument: str
    rows: int = 5
    sent: int = 0
    acknowledged: int = 0

    def next(self) -> pa.RecordBatch:
        """The rows of the next put, which counts as sent."""
        self.sent += 1
        return self._rows_of(range(self.sent - 1, self.sent))

    def puts_in(self, batches: Iterable[pa.RecordBatch]) -> int:
        """Of how many puts these are the rows. Fails unless it is the first ones, each whole."""
        found = pa.Table.from_batches(batches, CANDLES).combine_chunks()
        puts, rest = divmod(len(found), self.rows)
        assert rest == 0, f"{self.instrument} holds a part of a put"
        expected = pa.Table.from_batches([self._rows_of(range(puts))])
        assert found.equals(expected), f"{self.instrument} holds other rows than were put"
        return puts

    def _rows_of(self, numbers: range) -> pa.RecordBatch:
        which = np.arange(numbers.start * self.rows, numbers.stop * self.rows)
        return candles(NOON_2024 + which * MINUTE, (which // self.rows).astype(np.float64))

    def check(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Fails unless these are all rows that were acknowledged, and none that were not sent."""
        puts = self.puts_in(batches)
        assert self.acknowledged <= puts <= self.sent, (
            f"{self.instrument} holds {puts} puts; {self.acknowledged} were acknowledged and "
            f"{self.sent} sent"
        )


class PrefixWriter(threading.Thread):
    """Writes to one series until it is stopped, or until a call fails; `error` is why."""

    def __init__(self, uri: str, prefix: Prefix) -> None:
        super().__init__(name=prefix.instrument, daemon=True)
        self._uri, self.prefix = uri, prefix
        self._ended = threading.Event()
        self.error: FlightstoreError | None = None

    def run(self) -> None:
        try:
            with fs.connect(self._uri, retry=fs.Retry(attempts=1), timeout=60.0) as db:
                while not self._ended.is_set():
                    db.write(self.prefix.instrument, self.prefix.next(), timeframe=TIMEFRAME)
                    self.prefix.acknowledged += 1
        except FlightstoreError as error:
            self.error = error

    def wait_for(self, more: int) -> None:
        """Until so `many` more puts are acknowledged. Fails if the writer ends before."""
        goal = self.prefix.acknowledged + more
        eventually(lambda: self.prefix.acknowledged >= goal or not self.is_alive())
        assert self.prefix.acknowledged >= goal, f"{self.name} ended: {self.error}"

    def finish(self) -> None:
        """Stop writing. Fails if a call failed."""
        self._ended.set()
        self.join(60)
        assert not self.is_alive(), f"{self.name} is stuck"
        assert self.error is None, f"{self.name} ended: {self.error}"


def check_served(uri: str, prefixes: Iterable[Prefix]) -> None:
    """Fails unless the server holds what is acknowledged and nothing else, all of it intact."""
    with fs.connect(uri, same_host=False) as db:
        for prefix in prefixes:
            prefix.check(served(db, prefix))
        *_, verdict = db.verify()
    assert verdict.finished
    assert list(verdict.damage) == []


def served(db: fs.Client, prefix: Prefix) -> list[pa.RecordBatch]:
    """What a server holds of the series."""
    if not prefix.acknowledged:  # perhaps not even the dataset is known
        return []
    found: pa.Table = db.candles(prefix.instrument, TIMEFRAME, output="arrow")
    return found.to_batches()
