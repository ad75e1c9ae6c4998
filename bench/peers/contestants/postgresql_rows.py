"""Rows as PostgreSQL takes them: Arrow with its types, and the binary format of COPY.

A time is a `timestamptz`, which counts microseconds: exact, for the times here are whole
milliseconds. A trade's id is a number there, which makes for a small and fast key.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.peers import inputs

_TRADE = {"ts": ">i8", "id": ">i8", "price": ">f8", "amount": ">f8", "side": ">i2"}
_EPOCH_US = 946_684_800 * 10**6  # of its times: 2000-01-01
_HEAD, _END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"


def bars(folder: Path, name: str, symbol_id: int) -> pa.Table:
    """The bars of a file, as rows of `candles`."""
    return _of(symbol_id, _in_microseconds(inputs.table(folder, name)))


def trades(folder: Path, name: str, symbol_id: int) -> pa.Table:
    """The trades of a file, as rows of `trades`."""
    rows = _in_microseconds(inputs.table(folder, name))
    kinds = {"id": pa.int64(), "side": pa.int16()}
    fields = [field.with_type(kinds.get(field.name, field.type)) for field in rows.schema]
    return _of(symbol_id, rows.cast(pa.schema(fields)))


def wide(folder: Path, ids: dict[str, int]) -> pa.Table:
    """The bars of many symbols, as rows of `candles`."""
    rows = _in_microseconds(inputs.table(folder, "wide"))
    places = pc.index_in(rows["symbol"], pa.array(list(ids)))
    numbers = pa.array(list(ids.values()), pa.int32()).take(places)
    return rows.drop(["symbol"]).add_column(0, "symbol_id", numbers)


def _in_microseconds(rows: pa.Table) -> pa.Table:
    at = rows.schema.get_field_index("ts")
    return rows.set_column(at, "ts", rows["ts"].cast(pa.timestamp("us", "UTC")))


def _of(symbol_id: int, rows: pa.Table) -> pa.Table:
    return rows.add_column(0, "symbol_id", pa.array(np.full(len(rows), symbol_id, np.int32)))


def copied(batch: pa.RecordBatch) -> bytes:
    """Trades in the binary format of COPY, as its reference page (File Formats) has it.

    A row is the number of its fields and then each with its length before it, all big-endian. No
    field of a trade varies in length, so numpy lays out a whole batch at once; psycopg's
    `write_row` takes over twice the processor time, of client and server together.
    """
    rows = np.empty(batch.num_rows, _layout())
    rows["fields"] = len(_TRADE)
    for name, kind in _TRADE.items():
        rows[f"{name} bytes"] = np.dtype(kind).itemsize
        rows[name] = _numbers(batch, name)
    return _HEAD + rows.tobytes() + _END


def _layout() -> np.dtype[np.void]:
    fields = [("fields", ">i2")]
    for name, kind in _TRADE.items():
        fields += [(f"{name} bytes", ">i4"), (name, kind)]
    return np.dtype(fields)


def _numbers(batch: pa.RecordBatch, name: str) -> np.ndarray:
    if name == "ts":
        return batch["ts"].cast(pa.int64()).to_numpy() // 1_000 - _EPOCH_US
    if name == "id":
        return batch["id"].cast(pa.int64()).to_numpy()
    return batch[name].to_numpy()
