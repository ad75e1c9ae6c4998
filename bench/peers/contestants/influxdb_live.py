"""InfluxDB 1.x while trades come in: minute bars of them, and a subscriber."""

from __future__ import annotations

import time
from itertools import count

import polars as pl
import pyarrow as pa

from bench.peers import inputs
from bench.peers.contestants.influxdb_http import DATABASE, Connection
from bench.peers.contestants.influxdb_subscriber import Subscriber

BARS = pa.schema([(name, pa.float64()) for name in ("open", "high", "low", "close", "volume")])
_MINUTE = (
    "first(price) AS open, max(price) AS high, min(price) AS low, last(price) AS close, "
    "sum(amount) AS volume"
)
_OF_TRADED = f"WHERE symbol = '{inputs.TRADED}'"
_MAKE_MINUTES = f"SELECT {_MINUTE} INTO minutes FROM trades GROUP BY time(1m), symbol"
# "Continuous queries", advanced syntax: late trades change bars of the last ten minutes. It runs
# once a second, which is as often as the service looks (`run-interval`).
_KEEP_MINUTES = (
    f"CREATE CONTINUOUS QUERY minutes ON {DATABASE} RESAMPLE EVERY 1s FOR 10m "
    f"BEGIN {_MAKE_MINUTES} END"
)
_RUN_SECONDS = 1.0
_MINUTE_MS = 60_000
_WAIT_SECONDS = 30.0
_POLL_SECONDS = 0.005
_IDS = count(3 * 10**9)  # nothing else has such ids


class Live:
    """W4, W7 and W8."""

    _db: Connection
    _subscriber: Subscriber | None = None

    def candles(self) -> pl.DataFrame:
        asked = f"SELECT {_MINUTE} FROM trades {_OF_TRADED} GROUP BY time(1m) fill(none)"
        return pl.DataFrame(self._db.table(asked, BARS))

    def keep_minutes(self) -> None:
        self._db.rows(_KEEP_MINUTES)

    def wait_minutes(self) -> None:
        """Two runs of the continuous query; a third would find the same ten minutes."""
        time.sleep(2 * _RUN_SECONDS)

    def refresh_minutes(self) -> None:
        """All bars, as it has no record of which trades were late: "backfilling results"."""
        self._db.rows(_MAKE_MINUTES)

    def minutes(self) -> pl.DataFrame:
        asked = f"SELECT {', '.join(BARS.names)} FROM minutes {_OF_TRADED}"
        return pl.DataFrame(self._db.table(asked, BARS))

    def put_now(self) -> None:
        number = next(_IDS)
        minute = self._put_one(number) // _MINUTE_MS * _MINUTE_MS
        bar = f"SELECT close FROM minutes {_OF_TRADED} AND time = {minute}ms"
        until = time.monotonic() + _WAIT_SECONDS
        while all(close != number for _, close in self._db.rows(bar)):
            if time.monotonic() > until:
                raise TimeoutError("The bar has not got its trade.")
            time.sleep(_POLL_SECONDS)

    def _put_one(self, number: int) -> int:
        """A trade of now, with this id and price; its time in ms, once it is durable."""
        now = time.time_ns() // 10**6
        line = f'trades,symbol={inputs.TRADED} id="{number}",price={number},amount=1,side=1i {now}'
        self._db.write(line.encode())
        return now

    def subscribe(self) -> None:
        """Returns once trades arrive: the server takes notice of a subscription a bit later."""
        self._subscriber = Subscriber()
        self._db.rows(
            f"CREATE SUBSCRIPTION live ON {DATABASE}.autogen DESTINATIONS ALL "
            f"'{self._subscriber.address}'"
        )
        until = time.monotonic() + _WAIT_SECONDS
        while self._subscriber.arrived.empty():
            if time.monotonic() > until:
                raise TimeoutError("Nothing has arrived at the subscriber.")
            self._put_one(next(_IDS))
            time.sleep(_POLL_SECONDS)

    def deliver(self) -> None:
        assert self._subscriber is not None
        number = next(_IDS)
        self._put_one(number)
        while self._subscriber.arrived.get(timeout=_WAIT_SECONDS) != str(number):
            pass

    def _end_live(self) -> None:
        if self._subscriber is not None:
            self._subscriber.close()
