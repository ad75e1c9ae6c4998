"""Concurrent writers that note what they send and what is acknowledged, until the server dies."""

from __future__ import annotations

import random
import threading

from tests.crash.company import ONCE
from tests.crash.ledger import MINUTES, Change, Ledger
from tests.support.rows import candles

import flightstore as fs
from flightstore_proto.errors import FlightstoreError

BULK_ROWS = 6_000  # more than the 256 KiB from which a put is written as a segment


class Progress:
    """Counts acknowledgements of all writers, so that somebody can wait for a number of them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = self._ended = 0

    def acknowledged(self) -> None:
        with self._changed:
            self._count += 1
            self._changed.notify_all()

    def ended(self) -> None:
        with self._changed:
            self._ended += 1
            self._changed.notify_all()

    def wait_for(self, count: int, *, writers: int) -> None:
        """Until `count` changes are acknowledged, or every writer gave up."""
        with self._changed:
            enough = self._changed.wait_for(
                lambda: self._count >= count or self._ended == writers, timeout=60
            )
        assert enough, "the writers are stuck"


class WriterThread(threading.Thread):
    """Writes to one series until a call fails; `error` is why it ended."""

    def __init__(self, uri: str, ledger: Ledger, rng: random.Random, progress: Progress) -> None:
        super().__init__(name=ledger.instrument, daemon=True)
        self._uri, self._ledger, self._rng, self._progress = uri, ledger, rng, progress
        self.error: FlightstoreError | None = None

    def run(self) -> None:
        try:
            with fs.connect(self._uri, retry=ONCE, timeout=30.0) as db:
                while True:
                    if self._rng.random() < 0.5:
                        self._call(db)
                    else:
                        self._stream(db)
        except FlightstoreError as error:
            self.error = error
        finally:
            self._progress.ended()

    def _call(self, db: fs.Client) -> None:
        """One change in a call of its own."""
        change = self._change(deletes=bool(self._ledger.acknowledgements))
        self._ledger.sent.append(change)
        name = self._ledger.instrument
        if change.value is None:
            start, end = (int(t) // 10**6 for t in (change.times[0], change.times[-1] + 60 * 10**9))
            db.delete(name, timeframe="1m", start=start, end=end)
        else:
            db.write(name, candles(change.times, change.value), timeframe="1m")
        self._confirm()

    def _stream(self, db: fs.Client) -> None:
        """Some changes on one stream, of which several are on their way at a time."""
        with db.writer(timeframe="1m") as writer:
            waiting = []
            for _ in range(self._rng.randrange(1, 12)):
                change = self._change(deletes=False)
                self._ledger.sent.append(change)
                rows = candles(change.times, change.value or 0.0)
                waiting.append(writer.write(self._ledger.instrument, rows))
            for ack in waiting:
                ack.result()
                self._confirm()

    def _confirm(self) -> None:
        self._ledger.confirm()
        self._progress.acknowledged()

    def _change(self, *, deletes: bool) -> Change:
        count = BULK_ROWS if self._rng.random() < 0.02 else self._rng.randrange(1, 30)
        first = self._rng.randrange(MINUTES - count)
        if deletes and self._rng.random() < 0.1:
            return Change(first, self._rng.randrange(1, MINUTES - first), None)
        return Change(first, count, float(self._rng.randrange(1, 10**9)))
