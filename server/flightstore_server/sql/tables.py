"""Datasets as SQL shows them.

exchange, symbol, timeframe   text; what names the series of a row
ts                            TIMESTAMPTZ: microseconds, since DuckDB's functions know no others
ts_ns                         BIGINT: the same time in whole nanoseconds since 1970
...                           the dataset's own columns
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

IDENTITY = ("exchange", "symbol", "timeframe")
_TIME = pa.timestamp("us", "UTC")
_OWN_FIRST = 1  # ts comes first in every dataset


@dataclass(frozen=True, slots=True)
class TableInfo:
    """One table: a dataset's name, and its columns as SQL shows them."""

    name: str
    schema: pa.Schema


def table_of(dataset: str, schema: pa.Schema) -> TableInfo:
    """The table of the dataset called `dataset` with the columns of `schema`."""
    fields = [pa.field(name, pa.utf8(), nullable=False) for name in IDENTITY]
    fields += [pa.field("ts", _TIME, nullable=False), pa.field("ts_ns", pa.int64(), nullable=False)]
    own = zip(list(schema)[_OWN_FIRST:], own_names(schema), strict=True)
    fields += [pa.field(name, _shown(field.type), field.nullable) for field, name in own]
    return TableInfo(dataset, pa.schema(fields))


def own_names(schema: pa.Schema) -> list[str]:
    """The names in SQL of a dataset's columns after `ts`.

    SQL does not tell Price from price, so a name that is taken gets a `_` at its end.
    """
    taken = {*IDENTITY, "ts", "ts_ns"}
    names = []
    for name in schema.names[_OWN_FIRST:]:
        while name.casefold() in taken:
            name += "_"
        taken.add(name.casefold())
        names.append(name)
    return names


def is_exact_time(kind: pa.DataType) -> bool:
    """Whether a column is kept as whole nanoseconds, which SQL gets as microseconds."""
    return bool(pa.types.is_timestamp(kind) and kind.unit == "ns" and kind.tz is not None)


def _shown(kind: pa.DataType) -> pa.DataType:
    return _TIME if is_exact_time(kind) else kind


def quoted(name: str) -> str:
    """`name` as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


def selected(table: TableInfo, schema: pa.Schema, have: frozenset[str]) -> str:
    """The columns of `table` as expressions over registered rows that have the columns `have`.

    Times are computed as they are read: a copy of them would take memory that no limit counts.
    """
    own = dict(zip(own_names(schema), list(schema)[_OWN_FIRST:], strict=True))
    expressions = []
    for field in table.schema:
        name, source = field.name, "ts_ns" if field.name == "ts" else field.name
        exact = name == "ts" or (name in own and is_exact_time(own[name].type))
        if source not in have:
            expression = f"CAST(NULL AS {sql_type(field.type)})"
        elif exact:
            expression = f"make_timestamptz({quoted(source)} // 1000)"
        else:
            expression = quoted(source)
        expressions.append(f"{expression} AS {quoted(name)}")
    return ", ".join(expressions)


_SQL_TYPES = {
    pa.bool_(): "BOOLEAN",
    pa.int8(): "TINYINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.uint8(): "UTINYINT",
    pa.uint16(): "USMALLINT",
    pa.uint32(): "UINTEGER",
    pa.uint64(): "UBIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.utf8(): "VARCHAR",
    pa.timestamp("s"): "TIMESTAMP_S",
    pa.timestamp("ms"): "TIMESTAMP_MS",
    pa.timestamp("us"): "TIMESTAMP",
    pa.timestamp("ns"): "TIMESTAMP_NS",
}


def sql_type(kind: pa.DataType) -> str:
    """SQL's word for the type of a dataset's column."""
    return _SQL_TYPES.get(kind, "TIMESTAMPTZ")
