"""What there is to select from: catalogs, schemas and tables, as tools list them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pyarrow as pa

from flightstore_server.sql.engine import TableInfo

# As a tool may put them in front of a table's name. An empty catalog is the format's way of saying
# that there are none.
CATALOG, SCHEMA = "", "main"
TABLE_TYPE = "TABLE"
# What the standard calls the same thing, and Grafana asks for.
_TABLE_TYPES = {"table", "base table"}
_CATALOGS = pa.schema([pa.field("catalog_name", pa.utf8(), nullable=False)])
_SCHEMAS = pa.schema(
    [
        pa.field("catalog_name", pa.utf8()),
        pa.field("db_schema_name", pa.utf8(), nullable=False),
    ]
)
_TABLES = pa.schema(
    [
        pa.field("catalog_name", pa.utf8()),
        pa.field("db_schema_name", pa.utf8()),
        pa.field("table_name", pa.utf8(), nullable=False),
        pa.field("table_type", pa.utf8(), nullable=False),
    ]
)
_TABLE_SCHEMA = pa.field("table_schema", pa.binary(), nullable=False)
# Of a pattern: an escaped character, or any other one.
_PIECE = re.compile(r"\\[\\%_]|.", re.DOTALL)
_TYPES = pa.schema([pa.field("table_type", pa.utf8(), nullable=False)])


def catalogs() -> pa.Table:
    """What CommandGetCatalogs is answered: one."""
    return pa.table([[CATALOG]], schema=_CATALOGS)


def schemas(catalog: str | None, pattern: str | None) -> pa.Table:
    """The one schema, if it is in `catalog` and like `pattern`; None is any."""
    found = _place(catalog, pattern)
    return pa.table([[CATALOG] * found, [SCHEMA] * found], schema=_SCHEMAS)


def table_types() -> pa.Table:
    """What CommandGetTableTypes is answered: one."""
    return pa.table([[TABLE_TYPE]], schema=_TYPES)


def tables(
    known: Sequence[TableInfo],
    *,
    catalog: str | None,
    schema_pattern: str | None,
    table_pattern: str | None,
    types: Sequence[str],
    with_schema: bool,
) -> pa.Table:
    """Those of `known` that fit, by name; None and no `types` are any."""
    wanted = not types or any(kind.casefold() in _TABLE_TYPES for kind in types)
    fits = like(table_pattern)
    there = _place(catalog, schema_pattern) and wanted
    found = sorted((t for t in known if there and fits(t.name)), key=lambda table: table.name)
    count = len(found)
    columns = [
        [CATALOG] * count,
        [SCHEMA] * count,
        [table.name for table in found],
        [TABLE_TYPE] * count,
    ]
    if not with_schema:
        return pa.table(columns, schema=_TABLES)
    described = [_answered(table.schema).serialize().to_pybytes() for table in found]
    return pa.table([*columns, described], schema=_TABLES.append(_TABLE_SCHEMA))


def like(pattern: str | None) -> Callable[[str], bool]:
    """SQL's LIKE with a backslash to escape; letter case does not count, as in SQL's names."""
    if pattern is None:
        return lambda name: True
    compiled = re.compile(_expression(pattern), re.DOTALL | re.IGNORECASE)
    return lambda name: compiled.fullmatch(name) is not None


def _expression(pattern: str) -> str:
    parts = [""]
    for piece in _PIECE.findall(pattern):
        if piece == "%":
            parts.append("")
        else:
            parts[-1] += "." if piece == "_" else re.escape(piece[-1])
    if len(parts) == 1:
        return parts[0]
    # Atomic groups: the first place where a part fits will do, and no other one is ever tried.
    between = "".join(f"(?>.*?{part})" for part in parts[1:-1])
    return f"{parts[0]}{between}.*{parts[-1]}"


def _place(catalog: str | None, pattern: str | None) -> bool:
    return catalog in (None, CATALOG) and like(pattern)(SCHEMA)


def _answered(schema: pa.Schema) -> pa.Schema:
    """`schema` as answers have it: times in nanoseconds, and nothing that may not be null."""
    return pa.schema((field.name, _answered_type(field.type)) for field in schema)


def _answered_type(kind: pa.DataType) -> pa.DataType:
    return pa.timestamp("ns", kind.tz) if pa.types.is_timestamp(kind) else kind
