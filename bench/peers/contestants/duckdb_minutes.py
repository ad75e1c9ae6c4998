"""DuckDB and minute bars: it keeps none by itself, so they are made again from all trades."""

from __future__ import annotations

import time
from itertools import count

import duckdb
import polars as pl
import pyarrow as pa

from flightstore_proto.schemas import TRADES

_IDS = count(3 * 10**9)  # nothing else has such ids
_ORDERED = ("arg_min(price, (ts, id))", "arg_max(price, (ts, id))")


def minutes_of(table: str, first: str, last: str) -> str:
    """The query that makes minute bars; `first`, `last`: expressions for open and close."""
    return (
        f"SELECT time_bucket(INTERVAL 1 MINUTE, ts) AS ts, {first} AS open, max(price) AS high,"
        f" min(price) AS low, {last} AS close, sum(amount) AS volume"
        f" FROM {table} GROUP BY ALL ORDER BY ALL"
    )


class Minutes:
    """W7. There are no materialized views: the documented way is CREATE OR REPLACE TABLE."""

    _db: duckdb.DuckDBPyConnection

    def keep_minutes(self) -> None:
        self.refresh_minutes()

    def refresh_minutes(self) -> None:
        query = minutes_of("trades", *_ORDERED)
        self._db.execute(f"CREATE OR REPLACE TABLE minutes AS {query}")

    def minutes(self) -> pl.DataFrame:
        return self._db.sql("FROM minutes").pl()

    def write_corrections(self) -> None:
        self._put("corrections")

    def put_now(self) -> None:
        number = next(_IDS)
        ts = time.time_ns() // 10**6 * 10**6
        row = {"ts": ts, "id": str(number), "price": float(number), "amount": 1.0, "side": 1}
        rows = pa.Table.from_pylist([row], schema=TRADES)
        self._insert("trades", rows, "FROM new ON CONFLICT DO NOTHING")
        self.refresh_minutes()
        newest = self._db.sql("SELECT close FROM minutes ORDER BY ts DESC LIMIT 1").pl()
        if newest.item() != number:
            raise RuntimeError("The bar has not got its trade.")
