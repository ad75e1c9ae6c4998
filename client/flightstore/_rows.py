"""Rows as the store takes them: the right columns in order, and nothing null that may not be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flightstore._columns import canonical, flat, ts
from flightstore._sources import source
from flightstore_proto.errors import InvalidRows, SchemaMismatch
from flightstore_proto.instrument import Instrument
from flightstore_proto.schemas import BUILT_IN, TS, check_flat

TS_ALIASES = ("timestamp", "datetime", "date", "time")


@dataclass(slots=True)
class Rows:
    """Rows of one series: tables that all have `schema`. `again` is False for a one-time stream."""

    schema: pa.Schema
    tables: Iterator[pa.Table]
    again: bool
    row: pa.RecordBatch | None = None  # the only row, if there is just one


def rows_of(frame: Any, dataset: str, instrument: Instrument) -> Rows:
    """`frame` as rows of `dataset`.

    Raises SchemaMismatch for columns that are missing, unknown or of another kind, and InvalidRows
    for values that are null or do not fit, naming the column and the first such row.
    """
    if isinstance(frame, pa.Table | pa.RecordBatch) and frame.schema == BUILT_IN.get(dataset):
        # Exactly what the store keeps, as programs that write row by row had better send it.
        _check_nulls(frame, 0)
        return _at_hand(frame if isinstance(frame, pa.Table) else pa.Table.from_batches([frame]))
    given = source(frame, dataset)
    shape = _built_in if dataset in BUILT_IN else _own
    shaped = _shaped(given.tables, shape, dataset, instrument)
    if given.again:
        # All of it is here: better to find what is wrong with it before a stream is opened.
        [table] = shaped
        return _at_hand(table)
    schema = shape(given.schema.empty_table(), dataset, instrument).schema
    return Rows(schema, shaped, again=False)


def _at_hand(table: pa.Table) -> Rows:
    row = table.to_batches()[0] if table.num_rows == 1 else None
    return Rows(table.schema, iter([table]), again=True, row=row)


def _shaped(
    tables: Iterator[pa.Table],
    shape: Callable[[pa.Table, str, Instrument], pa.Table],
    dataset: str,
    instrument: Instrument,
) -> Iterator[pa.Table]:
    first_row = 0
    for table in tables:
        shaped = shape(table, dataset, instrument)
        _check_nulls(shaped, first_row)
        yield shaped
        first_row += table.num_rows


def _built_in(table: pa.Table, dataset: str, instrument: Instrument) -> pa.Table:
    """`table` with exactly the columns of candles or trades."""
    schema = BUILT_IN[dataset]
    if table.column_names == schema.names and table.schema.types == schema.types:
        return pa.Table.from_arrays(table.columns, schema=schema)
    table = _without_identity(_with_ts(_lower_case(table, schema)), instrument)
    _check_names(table.column_names, dataset, schema)
    columns = [
        canonical(f.name, table.column(f.name), f.type)
        if f.name in table.column_names
        else _unknown_side(table.num_rows)
        for f in schema
    ]
    return pa.table(columns, schema=schema)


def _own(table: pa.Table, dataset: str, instrument: Instrument) -> pa.Table:
    """`table` of a dataset of the user's: `ts` first and never null, all others nullable."""
    table = _without_identity(_with_ts(table), instrument)
    if "ts" not in table.column_names:
        raise SchemaMismatch(f"The rows for {dataset!r} have no column 'ts'.")
    others = [name for name in table.column_names if name != "ts"]
    columns = [
        ts(flat("ts", table.column("ts"))),
        *(flat(name, table.column(name)) for name in others),
    ]
    fields = [pa.field(name, c.type) for name, c in zip(others, columns[1:], strict=True)]
    schema = pa.schema([TS, *fields])
    check_flat(schema)
    return pa.table(columns, schema=schema)


def _lower_case(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """`table` with names such as Open spelled as in `schema`, unless that makes two of one."""
    wanted = {*schema.names, *TS_ALIASES}
    names = [n.lower() if n.lower() in wanted else n for n in table.column_names]
    return table.rename_columns(names)


def _with_ts(table: pa.Table) -> pa.Table:
    """`table` with its column of times called `ts`."""
    names = table.column_names
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise SchemaMismatch(f"Several columns are called {repeated[0]!r}.")
    aliases = [name for name in names if name in TS_ALIASES]
    if "ts" in names or not aliases:
        return table
    if len(aliases) > 1:
        raise SchemaMismatch(
            f"Columns {_listed(aliases)} could each be the time: rename the right one to 'ts'."
        )
    return table.rename_columns(["ts" if name == aliases[0] else name for name in names])


def _without_identity(table: pa.Table, instrument: Instrument) -> pa.Table:
    """`table` without columns that only repeat the instrument's name."""
    for part in ("exchange", "symbol"):
        if part in table.column_names:
            found = pc.unique(flat(part, table.column(part))).to_pylist()
            wanted = getattr(instrument, part)
            if any(value != wanted for value in found):
                other = next(value for value in found if value != wanted)
                raise SchemaMismatch(
                    f"Column {part!r} holds {other!r}, and the rows are for {instrument}: write "
                    "each instrument's rows by themselves, or drop the column."
                )
            table = table.drop_columns([part])
    return table


def _check_names(names: list[str], dataset: str, schema: pa.Schema) -> None:
    missing = [n for n in schema.names if n not in names and n != "side"]
    if missing:
        raise SchemaMismatch(
            f"The rows have no column {_listed(missing)}: {dataset} need {_listed(schema.names)}."
        )
    extra = [n for n in names if n not in schema.names]
    if extra:
        kept = ", ".join(f"'{n}'" for n in schema.names if n in names)
        raise SchemaMismatch(
            f"Column {_listed(extra)} is not part of {dataset}: write frame.select({kept}), "
            "or keep it in a dataset of your own."
        )


def _check_nulls(table: pa.Table | pa.RecordBatch, first_row: int) -> None:
    if not any(column.null_count for column in table.columns):
        return
    for field, column in zip(table.schema, table.columns, strict=True):
        if column.null_count and not field.nullable:
            row = first_row + pc.index(pc.is_null(column), True).as_py()
            raise InvalidRows(
                f"Column {field.name!r} holds a null (or NaN) in row {row}; nothing was written."
            )


def _unknown_side(rows: int) -> pa.ChunkedArray:
    return pa.chunked_array([pa.repeat(pa.scalar(0, pa.int8()), rows)])


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names)
