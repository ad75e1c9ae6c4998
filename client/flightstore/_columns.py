"""One column at a time: what users have, as the types the store keeps."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flightstore_proto.errors import InvalidRows, SchemaMismatch
from flightstore_proto.schemas import TS

# Position in this list, less one, is the number that is stored.
_SIDES = ("sell", "", "buy")


def canonical(name: str, column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """`column` as the `kind` that candles or trades have under `name`."""
    column = flat(name, column)
    if name == "ts":
        return ts(column)
    if name == "side":
        return side(column)
    if pa.types.is_floating(kind):
        return number(name, column)
    return text(name, column) if kind.equals(pa.utf8()) else column


def flat(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """`column` with dictionaries decoded and every kind of text as utf8; others unchanged."""
    if pa.types.is_dictionary(column.type):
        column = cast(name, column, column.type.value_type)
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        column = cast(name, column, pa.utf8())
    return column


def ts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times as `timestamp[ns, UTC]`: naive ones are UTC, whole numbers milliseconds as in ccxt.

    Raises InvalidRows for a time outside 1677-09-21 to 2262-04-11, SchemaMismatch for other types.
    """
    kind = column.type
    if pa.types.is_integer(kind):
        column = cast("ts", cast("ts", column, pa.int64()), pa.timestamp("ms", "UTC"))
    elif not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        raise SchemaMismatch(
            f"Column 'ts' has type {kind}: give times, or whole numbers of milliseconds since 1970."
        )
    elif pa.types.is_date(kind):
        column = cast("ts", column, pa.timestamp("ms"))
    # Nanoseconds first: on a zone-less column the other order would look the zone up for each row.
    column = cast("ts", column, pa.timestamp("ns", column.type.tz))
    return cast("ts", column, TS.type)


def number(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whole numbers, decimals and floats as float64."""
    kind = column.type
    if kind.equals(pa.float64()):
        return column
    types = pa.types
    known = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    if not (known or types.is_null(kind)):
        raise SchemaMismatch(f"Column {name!r} has type {kind}: give numbers.")
    return cast(name, column, pa.float64())


def text(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text, or whole numbers written out, as utf8."""
    kind = column.type
    if kind.equals(pa.utf8()):
        return column
    if not (pa.types.is_integer(kind) or pa.types.is_null(kind)):
        raise SchemaMismatch(f"Column {name!r} has type {kind}: give text.")
    return cast(name, column, pa.utf8())


def side(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """'buy' and 'sell', True and False, or +1 and -1 as int8; '' and null as 0, unknown."""
    kind = column.type
    if pa.types.is_null(kind):
        return pa.chunked_array([pa.repeat(pa.scalar(0, pa.int8()), len(column))])
    if kind.equals(pa.utf8()):
        number = _worded(column)
    elif pa.types.is_boolean(kind):
        number = pc.subtract(pc.multiply(column.cast(pa.int8()), 2), 1)
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        number = cast("side", column, pa.int8())
    else:
        raise SchemaMismatch(f"Column 'side' has type {kind}: give 'buy' and 'sell', or +1 and -1.")
    number = cast("side", pc.fill_null(number, 0), pa.int8())
    _refuse_first("side", column, pc.greater(pc.abs(number), 1))
    return number


def _worded(column: pa.ChunkedArray) -> Any:
    position = pc.index_in(pc.utf8_lower(column), value_set=pa.array(_SIDES))
    _refuse_first("side", column, pc.and_(pc.is_null(position), pc.is_valid(column)))
    return pc.subtract(position, 1)


def _refuse_first(name: str, column: pa.ChunkedArray, wrong: Any) -> None:
    row = pc.index(wrong, True).as_py()
    if row >= 0:
        value = column[row].as_py()
        raise InvalidRows(f"Column {name!r} holds {value!r} in row {row}: give 'buy' or 'sell'.")


def cast(name: str, column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """`column` as `kind`; a value that does not fit raises InvalidRows."""
    if column.type.equals(kind):
        return column
    try:
        return column.cast(kind)
    except pa.ArrowNotImplementedError:
        raise SchemaMismatch(
            f"Column {name!r} has type {column.type}, which cannot become {kind}."
        ) from None
    except pa.ArrowInvalid as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InvalidRows(
            f"Column {name!r} holds a value that does not fit {kind}: {reason}."
        ) from None
