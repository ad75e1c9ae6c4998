"""Made data, the same in every process: bars and trades that look like a market's."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from flightstore_proto.schemas import BATCH_ROWS_MAX, CANDLES, TRADES

HISTORY_ROWS = 1_270_000
WIDE_SERIES = 7_700
WIDE_ROWS = 870
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


def _times(ns: np.ndarray) -> pa.Array:
    return pa.array(ns).cast(pa.timestamp("ns", "UTC"))
