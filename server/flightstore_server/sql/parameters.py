"""A query's parameters, from Arrow to what DuckDB is given."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from flightstore_proto.errors import BadRequest, shown
from flightstore_server.sql.statements import Statement

Values = list[Any] | dict[str, Any]


def values_of(statement: Statement, row: pa.RecordBatch | None) -> Values:
    """The values in `row`, by position or by name. Raises BadRequest if they do not fit."""
    wanted = statement.parameters
    names = [] if row is None else row.schema.names
    if len(names) != len(wanted):
        raise BadRequest(f"The query has {len(wanted)} parameters, and {len(names)} came.")
    if row is None:
        return []
    values = [_value(column) for column in row.columns]
    if statement.is_positional:
        return values
    missing = [name for name in wanted if name not in names]
    if missing:
        raise BadRequest(f"The query's parameter {shown('$' + missing[0])} did not come.")
    return dict(zip(names, values, strict=True))


def unknown_values(statement: Statement) -> Values:
    """Something to bind before the values are known."""
    if statement.is_positional:
        return [None] * len(statement.parameters)
    return dict.fromkeys(statement.parameters)


def _value(column: pa.Array) -> Any:
    kind = column.type
    if pa.types.is_timestamp(kind):  # Python's times end at microseconds, and so do SQL's
        column = column.cast(pa.timestamp("us", kind.tz), safe=False)
    elif pa.types.is_duration(kind):
        column = column.cast(pa.duration("us"), safe=False)
    elif pa.types.is_time64(kind):
        column = column.cast(pa.time64("us"), safe=False)
    return column[0].as_py()
