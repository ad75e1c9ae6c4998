"""What an answer's columns become, so that every client can read them.

times of any unit             nanoseconds, as everywhere in flightstore
sums of whole numbers         int64 (128 bits in DuckDB)
decimals                      float64
differences of times          duration in nanoseconds
enums, views of text          utf8
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from flightstore_proto.errors import BadRequest, shown
from flightstore_proto.schemas import BATCH_BYTES_MAX

_DAY_NS = 86_400 * 10**9
_INTERVAL = pa.month_day_nano_interval()
_INTERVAL_PARTS = np.dtype([("months", "<i4"), ("days", "<i4"), ("nanoseconds", "<i8")])


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """The columns that clients get for DuckDB's `schema`. Raises BadRequest for unknown types."""
    return pa.schema([pa.field(f.name, _plain(f.name, f.type)) for f in schema])


def _plain(name: str, kind: pa.DataType, *, nested: bool = False) -> pa.DataType:
    types = pa.types
    if types.is_timestamp(kind):
        return pa.timestamp("ns", kind.tz and "UTC")
    if types.is_decimal(kind):
        return pa.float64() if kind.scale else pa.int64()
    if types.is_dictionary(kind):
        return _plain(name, kind.value_type, nested=nested)
    if types.is_string_view(kind) or types.is_large_string(kind):
        return pa.utf8()
    if types.is_list(kind) or types.is_fixed_size_list(kind):
        return pa.list_(_plain(name, kind.value_type, nested=True))
    if types.is_map(kind):
        item = _plain(name, kind.item_type, nested=True)
        return pa.map_(_plain(name, kind.key_type, nested=True), item)
    if types.is_struct(kind):
        return pa.struct([pa.field(f.name, _plain(name, f.type, nested=True)) for f in kind])
    if kind == _INTERVAL and not nested:
        return pa.duration("ns")
    if kind == _INTERVAL or types.is_union(kind) or isinstance(kind, pa.BaseExtensionType):
        raise BadRequest(
            f"Column {shown(name)} of the answer has a type that cannot be sent; cast it, for "
            "example to DOUBLE or VARCHAR."
        )
    return kind


def plain_rows(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """`batch` with the columns of `schema`. Raises BadRequest where a value has no room."""
    columns = [_cast(c, field) for c, field in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _cast(column: pa.Array, field: pa.Field) -> pa.Array:
    if column.type == field.type:
        return column
    if column.type == _INTERVAL:
        return _duration(column, field)
    try:
        return column.cast(field.type)
    except pa.ArrowInvalid:
        if pa.types.is_integer(field.type):
            reason = "whole numbers of more than 64 bits; cast them to DOUBLE"
        else:
            reason = "times outside of 1677 to 2262, which nanoseconds cannot say"
        raise BadRequest(f"Column {shown(field.name)} of the answer has {reason}.") from None


def _duration(column: pa.Array, field: pa.Field) -> pa.Array:
    """An INTERVAL's days and nanoseconds as one number; a month has no fixed length."""
    parts = np.frombuffer(column.buffers()[1], _INTERVAL_PARTS)
    parts = parts[column.offset : column.offset + len(column)]
    mask = column.is_null().to_numpy(zero_copy_only=False)
    if (parts["months"][~mask] != 0).any():
        raise BadRequest(
            f"Column {shown(field.name)} of the answer has months, which have no fixed length; "
            "write epoch(...) around it, or cast it to VARCHAR."
        )
    nanoseconds = parts["days"].astype(np.int64) * _DAY_NS + parts["nanoseconds"]
    return pa.array(nanoseconds, pa.int64(), mask=mask).cast(field.type)


def rows_per_batch(columns: int) -> int:
    """How many rows of so many columns to ask DuckDB for at a time."""
    return max(2_048, min(65_536, BATCH_BYTES_MAX // (16 * max(1, columns))))


def small_enough(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """`batch` in pieces of at most 3 MiB, as far as single rows allow."""
    waiting = [batch]
    while waiting:
        piece = waiting.pop()
        if piece.nbytes <= BATCH_BYTES_MAX or piece.num_rows < 2:
            yield piece
        else:
            half = piece.num_rows // 2
            waiting += [piece.slice(half), piece.slice(0, half)]
