"""An Arrow table as the kind of frame that was asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl
import pyarrow as pa

from flightstore_proto.errors import BadRequest, MissingExtra, shown

if TYPE_CHECKING:
    import pandas as pd

Output = Literal["polars", "pandas", "arrow"]
OUTPUTS = ("polars", "pandas", "arrow")
Frame = Any  # polars.DataFrame, pandas.DataFrame or pyarrow.Table, as `output` says


def to_output(table: pa.Table, output: str) -> Frame:
    """`table` as `output`; pandas gets `ts`, if there is one, as its index."""
    if output == "polars":
        return to_polars(table)
    return to_pandas(table) if output == "pandas" else table


def to_polars(table: pa.Table) -> pl.DataFrame:
    """`table` without a copy: aligned while it was read, and left in the chunks it came in."""
    # Through the C stream: a third of the time of from_arrow, which wakes polars' threads.
    return pl.DataFrame(table.to_reader())


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """`table` with `ts` as a DatetimeIndex; one copy, which joins the chunks it came in.

    Whole numbers with gaps become pandas' nullable integers: as floats they would lose digits.
    """
    pandas = _pandas()
    holed = {
        column.type: column.type
        for column in table.columns
        if pa.types.is_integer(column.type) and column.null_count
    }
    nullable = {
        kind: pandas.api.types.pandas_dtype(str(kind).replace("i", "I").replace("uI", "UI"))
        for kind in holed
    }
    frame: pd.DataFrame = table.to_pandas(types_mapper=nullable.get if nullable else None)
    return frame.set_index("ts") if "ts" in table.column_names else frame


def in_zone(table: pa.Table, tz: str | None) -> pa.Table:
    """`table` with every zone-aware time shown in the zone `tz`; the instants stay the same."""
    if tz is None:
        return table
    try:
        ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError):
        raise BadRequest(
            f"tz={shown(tz)} is not a time zone: write a name like Europe/Berlin."
        ) from None
    for position, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type) and field.type.tz is not None:
            kind = pa.timestamp(field.type.unit, tz)
            column = table.column(position).cast(kind)
            table = table.set_column(position, field.with_type(kind), column)
    return table


def _pandas() -> Any:
    try:
        return importlib.import_module("pandas")
    except ImportError:
        raise MissingExtra(
            "output='pandas' needs pandas: pip install 'flightstore[pandas]'."
        ) from None
