"""Arrow values as plain Python ones for tables and JSON: times become ISO text in UTC."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from flightstore_proto.timerange import format_ns, to_ns

_NS_PER_UNIT = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


def plain_rows(table: pa.Table) -> list[dict[str, Any]]:
    """The rows of `table` as dictionaries that JSON can hold."""
    columns = [_plain_column(table.column(i)) for i in range(table.num_columns)]
    names = table.column_names
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def with_instrument(row: dict[str, Any]) -> dict[str, Any]:
    """`row` with its exchange and symbol as one name, in front."""
    instrument = f"{row.pop('exchange')}:{row.pop('symbol')}"
    return {"instrument": instrument, **row}


def _plain_column(column: pa.ChunkedArray) -> list[Any]:
    kind = column.type
    if pa.types.is_timestamp(kind):
        scale = _NS_PER_UNIT[kind.unit]
        # Through integers: as_py() needs pandas for nanoseconds.
        numbers = column.cast(pa.int64()).to_pylist()
        return [None if number is None else format_ns(number * scale) for number in numbers]
    values: list[Any] = column.to_pylist()
    if pa.types.is_map(kind):
        return [None if value is None else dict(value) for value in values]
    if pa.types.is_floating(kind):
        return [_finite(value) for value in values]
    return values


def _finite(value: float | None) -> float | str | None:
    """JSON has no NaN and no infinities; the names are those of protobuf's JSON."""
    if value is None or math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def plain_fields(message: Any) -> dict[str, Any]:
    """A reply of the client (a dataclass or a protobuf message) as a dictionary for JSON."""
    if is_dataclass(message):
        values = {field.name: getattr(message, field.name) for field in fields(message)}
    else:
        values = {field.name: getattr(message, field.name) for field in message.DESCRIPTOR.fields}
    return {name: _plain_field(name, value) for name, value in values.items()}


def _plain_field(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return format_ns(to_ns(value))
    if name == "created" and isinstance(value, int):  # nanoseconds on the wire
        return format_ns(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [item if isinstance(item, str) else plain_fields(item) for item in value]
    return value
