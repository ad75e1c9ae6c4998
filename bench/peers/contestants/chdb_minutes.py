"""chDB and minute bars: a materialized view that adds each insert to what it has."""

from __future__ import annotations

import time
from itertools import count

import polars as pl
import pyarrow as pa

from flightstore_proto.schemas import TRADES

_IDS = count(3 * 10**9)  # nothing else has such ids
_STATES = (
    "minute DateTime('UTC'),"
    " open AggregateFunction(argMin, Float64, Tuple(DateTime64(9, 'UTC'), String)),"
    " high SimpleAggregateFunction(max, Float64), low SimpleAggregateFunction(min, Float64),"
    " close AggregateFunction(argMax, Float64, Tuple(DateTime64(9, 'UTC'), String)),"
    " volume SimpleAggregateFunction(sum, Float64)"
)
_VIEW = (
    "CREATE MATERIALIZED VIEW to_minutes TO minutes AS SELECT toStartOfMinute(ts) AS minute,"
    " argMinState(price, (ts, id)) AS open, max(price) AS high, min(price) AS low,"
    " argMaxState(price, (ts, id)) AS close, sum(amount) AS volume FROM trades GROUP BY minute"
)


def minutes_of(table: str, first: str, last: str) -> str:
    """The query that makes minute bars; `first`, `last`: expressions for open and close."""
    return (
        "SELECT toDateTime64(minute, 9, 'UTC') AS ts, open, high, low, close, volume FROM ("
        f"SELECT toStartOfMinute(ts) AS minute, {first} AS open, max(price) AS high,"
        f" min(price) AS low, {last} AS close, sum(amount) AS volume"
        f" FROM {table} GROUP BY minute) ORDER BY minute"
    )


class Minutes:
    """W7, as in "Incremental materialized view" and "AggregatingMergeTree".

    The view sees each insert when it is made and is exact as long as nothing comes twice: the
    duplicates that a ReplacingMergeTree removes later have been added to the bars by then.
    """

    def keep_minutes(self) -> None:
        self._create("minutes", _STATES, "minute", "AggregatingMergeTree")
        self._session.query(_VIEW)

    def minutes(self) -> pl.DataFrame:
        return self._bars("")

    def _bars(self, where: str) -> pl.DataFrame:
        return self._polars(
            "SELECT toDateTime64(minute, 9, 'UTC') AS ts, argMinMerge(open) AS open,"
            " max(high) AS high, min(low) AS low, argMaxMerge(close) AS close,"
            f" sum(volume) AS volume FROM minutes {where} GROUP BY minute ORDER BY minute"
        )

    def write_corrections(self) -> None:
        self._put("corrections")

    def put_now(self) -> None:
        number = next(_IDS)
        ts = time.time_ns() // 10**6 * 10**6
        row = {"ts": ts, "id": str(number), "price": float(number), "amount": 1.0, "side": 1}
        self._insert("trades", pa.Table.from_pylist([row], schema=TRADES))
        newest = self._bars(f"WHERE minute = toStartOfMinute(toDateTime({ts // 10**9}))")
        if newest["close"].item() != number:
            raise RuntimeError("The bar has not got its trade.")
