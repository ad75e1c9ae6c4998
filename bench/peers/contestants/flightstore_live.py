"""flightstore while rows come in: bars that a rule keeps, and a subscriber."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from queue import Queue

import polars as pl
import pyarrow as pa

import flightstore as fs
from bench.peers import inputs
from flightstore_proto.schemas import TRADES

_WAIT_SECONDS = 30.0
_IDS = count(3 * 10**9)  # nothing else has such ids


class Feed:
    """A writer that stays open, as that of a program that follows an exchange does."""

    inputs: Path
    _db: fs.Client
    _writer: fs.Writer | None = None

    def _feed(self) -> fs.Writer:
        if self._writer is None:
            self._writer = self._db.writer("trades")
        return self._writer

    def _put(self, name: str) -> None:
        """All trades of a file, on a stream of their own; until they are durable."""
        with self._db.writer("trades") as writer:
            for batch in inputs.batches(self.inputs, name):
                writer.write(inputs.TRADED, batch)

    def _hang_up(self) -> None:
        """Also of a server that is gone: what was sent is acknowledged, or not asked about."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(fs.FlightstoreError):
                writer.close()


class Live(Feed):
    """W7 and W8."""

    _live: fs.Live | None = None

    def keep_minutes(self) -> None:
        self._db.rules.add(on=f"trades/{inputs.TRADED}", to="1m")

    def wait_minutes(self) -> None:
        """A read brings them up to date."""

    def refresh_minutes(self) -> None:
        self._db.candles(inputs.TRADED, "1m", output="arrow")

    def minutes(self) -> pl.DataFrame:
        return self._db.candles(inputs.TRADED, "1m")

    def write_corrections(self) -> None:
        self._put("corrections")

    def put_now(self) -> None:
        number = next(_IDS)
        self._trade(number).result()
        until = time.monotonic() + _WAIT_SECONDS
        while self._db.candles(inputs.TRADED, "1m", tail=1)["close"].item() != number:
            if time.monotonic() > until:
                raise TimeoutError("The bar has not got its trade.")

    def _trade(self, number: int) -> fs.PendingAck:
        """Put a trade of now, with this id and price."""
        ts = time.time_ns() // 10**6 * 10**6
        row = pa.RecordBatch.from_pylist(
            [{"ts": ts, "id": str(number), "price": float(number), "amount": 1.0, "side": 1}],
            schema=TRADES,
        )
        return self._feed().write(inputs.TRADED, row)

    def subscribe(self) -> None:
        self._arrived: Queue[str] = Queue()
        self._live = self._db.live(inputs.TRADED, dataset="trades")
        threading.Thread(target=self._follow, args=(self._live,), daemon=True).start()

    def _follow(self, live: fs.Live) -> None:
        for batch in live:
            for number in batch.frame["id"]:
                self._arrived.put(number)

    def deliver(self) -> None:
        """It is durable by then: nobody is told of a trade that is not."""
        number = next(_IDS)
        self._trade(number)
        while self._arrived.get(timeout=_WAIT_SECONDS) != str(number):
            pass

    def _hang_up(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.close()
        super()._hang_up()
