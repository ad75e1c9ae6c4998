"""Trades by time, price and amount as batches, whole or cut anywhere."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from flightstore_proto.schemas import TRADES

Trade = tuple[int, float, float]


def trades(rows: Sequence[Trade]) -> pa.RecordBatch:
    ts, price, amount = zip(*rows, strict=True) if rows else ((), (), ())
    columns = [
        pa.array(ts, TRADES.field("ts").type),
        pa.array([str(n) for n in range(len(ts))], pa.utf8()),
        pa.array(price, pa.float64()),
        pa.array(amount, pa.float64()),
        pa.array([0] * len(ts), pa.int8()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=TRADES)


def pieces(rows: pa.RecordBatch, cuts: Sequence[int]) -> list[pa.RecordBatch]:
    ends = [*(min(cut, rows.num_rows) for cut in cuts), rows.num_rows]
    return [rows.slice(a, b - a) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
