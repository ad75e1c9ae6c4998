"""What a caller may hand over to be written, as Arrow tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa

from flightstore_proto.errors import BadRequest, SchemaMismatch
from flightstore_proto.schemas import BUILT_IN


@dataclass(slots=True)
class Source:
    """Rows as the caller gave them. `again` is False where they can be read only once."""

    schema: pa.Schema
    tables: Iterator[pa.Table]
    again: bool = True


def source(frame: Any, dataset: str) -> Source:
    """`frame` as tables.

    Accepts polars and pandas DataFrames, Arrow tables, batches and readers, a dict of columns, a
    list of dicts or (candles) of ccxt's `[ms, open, high, low, close, volume]`, whatever speaks
    Arrow's C stream interface, and None for no rows.
    """
    if isinstance(frame, pa.RecordBatchReader):
        return _streamed(frame)
    table = _table(frame, dataset)
    if table is not None:
        return Source(table.schema, iter([table]))
    if hasattr(frame, "__arrow_c_stream__"):
        return _streamed(pa.RecordBatchReader.from_stream(frame))
    raise BadRequest(
        f"Cannot write a {type(frame).__name__}: give a polars or pandas DataFrame, an Arrow "
        "table, a dict of columns or a list of dicts."
    )


def _table(frame: Any, dataset: str) -> pa.Table | None:
    if isinstance(frame, pa.Table):
        return frame
    if isinstance(frame, pa.RecordBatch):
        return pa.Table.from_batches([frame])
    if isinstance(frame, pl.DataFrame):
        return frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    if isinstance(frame, pl.LazyFrame):
        raise BadRequest("Cannot write a LazyFrame: collect() it first.")
    if type(frame).__module__.partition(".")[0] == "pandas" and hasattr(frame, "columns"):
        return _understood(lambda: _from_pandas(frame))
    if isinstance(frame, Mapping):
        return _understood(lambda: pa.table(dict(frame)))
    if isinstance(frame, list):
        return _understood(lambda: _from_rows(frame, dataset))
    return _empty(dataset) if frame is None else None


def _understood(convert: Any) -> pa.Table:
    """What `convert` makes; columns that hold several types at once raise SchemaMismatch."""
    try:
        table: pa.Table = convert()
    except (pa.ArrowException, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SchemaMismatch(f"The rows do not form columns of one type each: {reason}.") from None
    return table


def _from_pandas(frame: Any) -> pa.Table:
    """A DataFrame with its DatetimeIndex, if it has one, as `ts`; any other index is dropped."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    if type(frame.index).__name__ == "DatetimeIndex" and "ts" not in table.column_names:
        table = table.add_column(0, "ts", pa.array(frame.index))
    return table


def _from_rows(rows: list[Any], dataset: str) -> pa.Table:
    if not rows:
        return _empty(dataset)
    if isinstance(rows[0], Mapping):
        return pa.Table.from_pylist(rows)
    if dataset != "candles":
        raise TypeError("only candles may be lists of values")
    columns = list(zip(*rows, strict=True))
    names = BUILT_IN["candles"].names
    return pa.table(dict(zip(names, map(list, columns), strict=True)))


def _empty(dataset: str) -> pa.Table:
    if dataset not in BUILT_IN:
        raise BadRequest(f"No rows say nothing about the columns of {dataset!r}: give a frame.")
    return BUILT_IN[dataset].empty_table()


def _streamed(reader: pa.RecordBatchReader) -> Source:
    tables = (pa.Table.from_batches([batch]) for batch in reader)
    return Source(reader.schema, tables, again=False)
