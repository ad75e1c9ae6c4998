"""Made data, the same in every process: bars and trades that look like a market's."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from flightstore_proto.schemas import BATCH_ROWS_MAX, CANDLES, TRADES

HISTORY_ROWS = 1_270_000
WIDE_SERIES = 7_700
WIDE_ROWS = 870
NEWEST_SERIES = 10_000
MINUTE_NS = 60 * 10**9
DAY_NS = 86_400 * 10**9
START_NS = 1_577_836_800 * 10**9  # 2020-01-01


def bars(rows: int, step_ns: int, *, start_ns: int = START_NS, seed: int = 0) -> pa.Table:
    """Bars of a random walk, one per `step_ns`."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 1e-4, rows)))
    opened = np.concatenate([close[:1], close[:-1]])
    high = np.maximum(opened, close) * (1 + random.random(rows) * 1e-4)
    low = np.minimum(opened, close) * (1 - random.random(rows) * 1e-4)
    ts = start_ns + np.arange(rows, dtype=np.int64) * step_ns
    volume = random.exponential(3.0, rows)
    columns = [_times(ts), *(pa.array(c) for c in (opened, high, low, close, volume))]
    return pa.Table.from_arrays(columns, schema=CANDLES)


def history() -> pa.Table:
    """One series: 1.27 M minute bars in batches of 64 Ki rows."""
    table = bars(HISTORY_ROWS, MINUTE_NS)
    return pa.Table.from_batches(table.to_batches(max_chunksize=BATCH_ROWS_MAX))


def wide(series: int = WIDE_SERIES) -> pa.Table:
    """Many daily series, one after another, packed into batches of 64 Ki rows."""
    table = pa.concat_tables(wide_series(number) for number in range(series)).combine_chunks()
    return pa.Table.from_batches(table.to_batches(max_chunksize=BATCH_ROWS_MAX))


def wide_series(number: int) -> pa.Table:
    """One of the daily series."""
    return bars(WIDE_ROWS, DAY_NS, seed=number)


def wide_name(number: int) -> str:
    """The instrument of one of the daily series; in the order of their numbers."""
    return f"bench:S{number:05}/USD"


def trades(
    rows: int, *, first: int = 0, start_ns: int = START_NS, spacing_ns: int = 10**6
) -> pa.RecordBatch:
    """Trades `spacing_ns` apart, with numeric ids that begin at `first`."""
    number = np.arange(first, first + rows, dtype=np.int64)
    random = np.random.default_rng(first)
    columns = [
        _times(start_ns + number * spacing_ns),
        pa.array(number + 10**9).cast(pa.utf8()),
        pa.array(100 + random.normal(0, 1, rows)),
        pa.array(random.exponential(0.1, rows)),
        pa.array(random.choice(np.array([-1, 1], np.int8), rows)),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=TRADES)


def joining(share: int) -> tuple[pa.Table, pa.Table]:
    """Trades and minute bars of the same two years to be joined: 5 M and 1 M over `share`."""
    trade_rows, bar_rows = 5_000_000 // share, 1_000_000 // share
    spacing_ns = bar_rows * MINUTE_NS // trade_rows
    batches = [
        trades(BATCH_ROWS_MAX, first=first, spacing_ns=spacing_ns)
        for first in range(0, trade_rows, BATCH_ROWS_MAX)
    ]
    bars_too = bars(bar_rows, MINUTE_NS)
    return pa.Table.from_batches(batches).slice(0, trade_rows), bars_too


def joined(share: int) -> pa.Table:
    """What the as-of join of them gives, in batches of the size in which it is sent."""
    left, right = (pl.DataFrame(table) for table in joining(share))
    table = left.join_asof(right, on="ts").to_arrow(compat_level=pl.CompatLevel.oldest())
    return pa.Table.from_batches(table.combine_chunks().to_batches(max_chunksize=32_768))


def newest() -> pa.Table:
    """The answer to a question for the newest rows of many series."""
    rows = bars(NEWEST_SERIES, 0)
    names = [wide_name(number).split(":") for number in range(NEWEST_SERIES)]
    identity = [pa.array(part) for part in zip(*names, strict=True)]
    closed = pa.array([False] * NEWEST_SERIES)
    columns = [*identity, *rows.columns, closed]
    return pa.table(columns, names=["exchange", "symbol", *rows.column_names, "closed"])


def _times(ns: np.ndarray) -> pa.Array:
    return pa.array(ns).cast(pa.timestamp("ns", "UTC"))
