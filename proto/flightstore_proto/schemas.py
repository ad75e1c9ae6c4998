"""Arrow schemas: the one place where the columns of candles and trades are spelled.

candles  ts, open, high, low, close, volume     key (ts)
trades   ts, id, price, amount, side            key (ts, length(id), id)

`ts` is a bar's open time or an event's time, `timestamp[ns, UTC]`. Prices and amounts are
float64 in quote and base currency. `side` is int8: +1 the taker bought, -1 sold, 0 unknown.
"""

from __future__ import annotations

import pyarrow as pa

from flightstore_proto.errors import SchemaMismatch

TS = pa.field("ts", pa.timestamp("ns", "UTC"), nullable=False)


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


CANDLES = pa.schema(
    [TS, *(_required(name, pa.float64()) for name in ("open", "high", "low", "close", "volume"))]
)
TRADES = pa.schema(
    [
        TS,
        _required("id", pa.utf8()),
        _required("price", pa.float64()),
        _required("amount", pa.float64()),
        _required("side", pa.int8()),
    ]
)
BUILT_IN = {"candles": CANDLES, "trades": TRADES}

# One row per series: what `db.series()` returns.
CATALOG = pa.schema(
    [
        pa.field("dataset", pa.utf8()),
        pa.field("exchange", pa.utf8()),
        pa.field("symbol", pa.utf8()),
        pa.field("timeframe", pa.utf8()),
        pa.field("rows", pa.int64()),
        pa.field("start", pa.timestamp("ns", "UTC")),  # first row's ts; null while empty
        pa.field("end", pa.timestamp("ns", "UTC")),  # last row's ts
        pa.field("absent", pa.int64()),  # grid points in between without a bar
        pa.field("covered_until", pa.timestamp("ns", "UTC")),  # end of the last covered range
        pa.field("segments", pa.int32()),
        pa.field("bytes", pa.int64()),
        pa.field("metadata", pa.map_(pa.utf8(), pa.utf8())),
    ]
)

# One row per gap: what `db.gaps()` returns.
GAPS = pa.schema(
    [
        pa.field("start", pa.timestamp("ns", "UTC")),
        pa.field("end", pa.timestamp("ns", "UTC")),  # no longer part of it; null: unbounded
        pa.field("missing", pa.int64()),  # bars absent in it; 0 where the dataset has no grid
        pa.field("reason", pa.utf8()),  # one of reasons.REASONS
    ]
)

# Keys of a read's Arrow schema metadata.
SERIES_KEY = b"flightstore.series"  # a serialised StreamSeries
LOCAL_KEY = b"flightstore.local"  # a serialised LocalRows
IDENTITY_FIELDS = [_required("exchange", pa.utf8()), _required("symbol", pa.utf8())]
RESERVED_COLUMNS = frozenset({"exchange", "symbol", "timeframe", "dataset"})

COLUMNS_MAX = 1024
BATCH_ROWS_MAX = 65_536
BATCH_BYTES_MAX = 3 * 1024 * 1024


def check_flat(schema: pa.Schema) -> None:
    """Raise SchemaMismatch unless `schema` could be a dataset's.

    `ts` first and never null; then ints, floats, bool, utf8 or timestamps under distinct names that
    are not taken by a series' identity. Nested and dictionary types are refused: they are what
    makes Arrow's reader unsafe on hostile bytes.
    """
    if len(schema) < 2 or len(schema) > COLUMNS_MAX or not schema.field(0).equals(TS):
        raise SchemaMismatch(
            f"A dataset has 'ts: timestamp[ns, UTC] not null' first and 1 to {COLUMNS_MAX - 1} "
            f"more columns; got {describe(schema)}."
        )
    names = schema.names
    if len(set(names)) != len(names) or not all(names):
        raise SchemaMismatch("Column names must be distinct and not empty.")
    taken = sorted(RESERVED_COLUMNS.intersection(names))
    if taken:
        raise SchemaMismatch(f"Column {taken[0]!r} is the name of a part of a series' identity.")
    for field in schema:
        if not _is_plain(field.type):
            raise SchemaMismatch(
                f"Column {field.name!r} has type {field.type}: a dataset holds ints, floats, bool, "
                "utf8 and timestamps."
            )


def _is_plain(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_integer(kind)
        or types.is_float32(kind)
        or types.is_float64(kind)
        or types.is_boolean(kind)
        or kind.equals(pa.utf8())
        or types.is_timestamp(kind)
    )


def describe(schema: pa.Schema, *, most: int = 12) -> str:
    """`schema` in one line for a message."""
    fields = [f"{f.name[:40]}: {str(f.type)[:40]}" for f in schema][:most]
    more = ", …" if len(schema) > most else ""
    return "(" + ", ".join(fields) + more + ")"


def plain(schema: pa.Schema) -> pa.Schema:
    """`schema` without metadata, which carries no meaning for a write."""
    return pa.schema([f.remove_metadata() for f in schema])
