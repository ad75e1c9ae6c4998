"""Which rows can be true: the checks every candle and trade passes before it is logged."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flightstore_proto.errors import InvalidRows
from flightstore_proto.timeframe import Timeframe
from flightstore_proto.timerange import format_ns
from flightstore_server.engine.grid import off_grid
from flightstore_server.storage.rows import ts_of

N = TypeVar("N", bound=np.number[Any])
_PRICES = ("open", "high", "low", "close", "volume")


def check_not_null(rows: pa.RecordBatch, schema: pa.Schema, what: str) -> None:
    """Raise InvalidRows if a column that must not hold nulls holds one."""
    if not any(column.null_count for column in rows.columns):
        return
    for field, column in zip(schema, rows.columns, strict=True):
        if not field.nullable and column.null_count:
            at = column.is_null().index(True).as_py()
            raise InvalidRows(
                f"Row {at} of {what} has no {field.name}: give it a value or drop the row."
            )


def check_candles(rows: pa.RecordBatch, timeframe: Timeframe | None, what: str) -> None:
    """Raise InvalidRows unless every bar is finite, ordered and on the grid of `timeframe`.

    `timeframe` is None for series that were created with a free grid.
    """
    ts = ts_of(rows)
    if timeframe is not None:
        bad = off_grid(ts, timeframe)
        if len(bad):
            raise InvalidRows(
                f"Row {bad[0]} of {what} is at {format_ns(int(ts[bad[0]]))}, which is not the open "
                f"time of a {timeframe} bar; bars that start at local times need a series created "
                'with grid="free".'
            )
    opened, high, low, close, volume = columns = [float_column(rows, name) for name in _PRICES]
    # A sum is finite only if all of its parts are: one check where there is nothing to find.
    with np.errstate(over="ignore", invalid="ignore"):
        total = opened + high + low + close + volume
    if not np.isfinite(total).all():
        for name, values in zip(_PRICES, columns, strict=True):
            _require(np.isfinite(values), rows, what, partial(_named, name, values))
    _require(high >= low, rows, what, lambda i: f"high {high[i]} below low {low[i]}")
    _require(volume >= 0, rows, what, lambda i: f"negative volume {volume[i]}")


def _named(name: str, values: NDArray[np.float64], at: int) -> str:
    return f"{name} {values[at]}"


def check_trades(rows: pa.RecordBatch, what: str) -> None:
    """Raise InvalidRows unless every trade has an id, finite numbers and a side of -1, 0 or 1."""
    price, amount = float_column(rows, "price"), float_column(rows, "amount")
    _require(np.isfinite(price), rows, what, lambda i: f"price {price[i]}")
    _require(np.isfinite(amount), rows, what, lambda i: f"amount {amount[i]}")
    _require(amount >= 0, rows, what, lambda i: f"negative amount {amount[i]}")
    side = _column(rows, "side", np.int8)
    _require(
        (side >= -1) & (side <= 1), rows, what, lambda i: f"side {side[i]}, which is not -1, 0 or 1"
    )
    ids = rows.column("id")
    if len(ids):
        offsets = np.frombuffer(ids.buffers()[1], np.int32, len(ids) + 1, ids.offset * 4)
        _require(np.diff(offsets) > 0, rows, what, lambda i: "an empty id")


def float_column(rows: pa.RecordBatch, name: str) -> NDArray[np.float64]:
    return _column(rows, name, np.float64)


def _column(rows: pa.RecordBatch, name: str, kind: type[N]) -> NDArray[N]:
    column = rows.column(name)
    if not len(column):
        return np.empty(0, kind)
    width = np.dtype(kind).itemsize
    return np.frombuffer(column.buffers()[1], kind, len(column), column.offset * width)


def _require(
    good: NDArray[np.bool_], rows: pa.RecordBatch, what: str, say: Callable[[int], str]
) -> None:
    if good.all():
        return
    at = int(np.argmin(good))
    raise InvalidRows(f"Row {at} of {what}, at {format_ns(int(ts_of(rows)[at]))}, has {say(at)}.")
