"""Rows for tests: candles, trades and rows of a user's dataset, as record batches of the wire."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from flightstore_proto.schemas import CANDLES, TRADES, TS

MINUTE = 60 * 10**9
DAY = 86_400 * 10**9
NOON_2024 = 1_704_110_400 * 10**9  # 2024-01-01T12:00Z

Bar = tuple[int, float]
Trade = tuple[int, str, float]


def candles(ts: Sequence[int] | np.ndarray, close: Sequence[float] | float = 1.0) -> pa.RecordBatch:
    """Bars at `ts` whose five values all follow from `close`, so that a mixed-up row shows."""
    times = np.asarray(ts, np.int64)
    closes = np.broadcast_to(np.asarray(close, np.float64), times.shape)
    columns = [
        pa.array(times, pa.timestamp("ns", "UTC")),
        pa.array(closes - 0.25),
        pa.array(closes + 1),
        pa.array(closes - 1),
        pa.array(closes.copy()),
        pa.array(np.abs(closes) * 2),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=CANDLES)


def minutes(numbers: Sequence[int] | np.ndarray, value: float = 0.0) -> pa.RecordBatch:
    """Bars of the minutes after noon of those numbers, each with values of its own."""
    number = np.asarray(numbers, np.int64)
    return candles(NOON_2024 + number * MINUTE, value + number % 1_000)


def trades(rows: Iterable[Trade]) -> pa.RecordBatch:
    """Trades given as (ts, id, price)."""
    listed = list(rows)
    columns = [
        pa.array([ts for ts, _, _ in listed], pa.timestamp("ns", "UTC")),
        pa.array([i for _, i, _ in listed], pa.utf8()),
        pa.array([price for _, _, price in listed], pa.float64()),
        pa.array([price * 2 for _, _, price in listed], pa.float64()),
        pa.array([1 if price > 0 else 0 for _, _, price in listed], pa.int8()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=TRADES)


def own(ts: Sequence[int], **columns: Sequence[object]) -> pa.RecordBatch:
    """Rows of a user's dataset."""
    arrays = {name: pa.array(values) for name, values in columns.items()}
    schema = pa.schema([TS, *(pa.field(name, a.type) for name, a in arrays.items())])
    times = pa.array(list(ts), pa.timestamp("ns", "UTC"))
    return pa.RecordBatch.from_arrays([times, *arrays.values()], schema=schema)


def bars_of(batches: Iterable[pa.RecordBatch]) -> list[Bar]:
    """(ts, close) of every bar, having checked that the other values belong to it."""
    found: list[Bar] = []
    for batch in batches:
        ts, opened, high, low, close, volume = (c.to_numpy() for c in batch.columns)
        assert (opened == close - 0.25).all(), "a bar was put together from two"
        assert (high == close + 1).all(), "a bar was put together from two"
        assert (low == close - 1).all(), "a bar was put together from two"
        assert (volume == np.abs(close) * 2).all(), "a bar was put together from two"
        found += zip(ts.astype(np.int64).tolist(), close.tolist(), strict=True)
    return found


def trades_of(batches: Iterable[pa.RecordBatch]) -> list[Trade]:
    """(ts, id, price) of every trade."""
    found: list[Trade] = []
    for batch in batches:
        ts = batch.column("ts").cast(pa.int64()).to_pylist()
        ids, prices = batch.column("id").to_pylist(), batch.column("price").to_pylist()
        assert batch.column("amount").to_pylist() == [p * 2 for p in prices]
        found += zip(ts, ids, prices, strict=True)
    return found
