"""Which rows a query can need: read from DuckDB's own plan of it.

The planning database holds empty tables. Of its optimizers only those are on that bring filters
to where rows are read, in forms that `predicates` knows: with all of them, an empty table would be
optimized away.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from flightstore_server.sql.predicates import Region, region
from flightstore_server.sql.tables import TableInfo, quoted, sql_type

OPTIMIZERS = frozenset(
    {
        *("expression_rewriter", "filter_pullup", "filter_pushdown", "unused_columns"),
        *("cte_inlining", "cte_filter_pusher"),
    }
)


@dataclass(frozen=True, slots=True)
class Scan:
    """One place where a query reads a table.

    `columns` are those that it needs, apart from what filters need. `rows_max` is how many of the
    first rows it takes, where it takes them as they come; None: any number.
    """

    table: str
    columns: frozenset[str]
    region: Region
    rows_max: int | None


class Standing:
    """The empty tables that all cursors of the planning database share."""

    def __init__(self, database: duckdb.DuckDBPyConnection) -> None:
        self._database = database
        self._tables: dict[str, TableInfo] = {}
        self._lock = threading.Lock()

    def provide(self, cursor: duckdb.DuckDBPyConnection, tables: Iterable[TableInfo]) -> None:
        """Have `tables` there for `cursor`.

        For it alone where another one of that name was there first: a dataset has gained columns,
        or a snapshot knows fewer.
        """
        for table in tables:
            with self._lock:
                if table.name not in self._tables:
                    self._database.execute(_create("TABLE", table))
                    self._tables[table.name] = table
            if self._tables[table.name] != table:
                cursor.execute(_create("TEMP TABLE", table))


def _create(what: str, table: TableInfo) -> str:
    columns = ", ".join(f"{quoted(f.name)} {sql_type(f.type)}" for f in table.schema)
    return f"CREATE {what} {quoted(table.name)} ({columns})"


def scans_of(cursor: duckdb.DuckDBPyConnection, query: str, parameters: object) -> list[Scan]:
    """Where `query` reads the tables of `cursor`."""
    [(_, text)] = cursor.execute(f"EXPLAIN (FORMAT json) {query}", parameters).fetchall()
    return [scan for node in json.loads(text) for scan in _scans(node)]


def _scans(root: dict[str, Any]) -> Iterator[Scan]:
    waiting: list[tuple[dict[str, Any], list[str], int | None]] = [(root, [], None)]
    while waiting:
        node, filters, rows_max = waiting.pop()
        details = node["extra_info"]
        if "Table" in details:
            yield _scan(details, filters, rows_max)
        passed, most = [], None
        if node["name"] == "FILTER":
            passed = [*filters, *_lines(details, "Expression")]
        elif node["name"] == "STREAMING_LIMIT":
            most = _rows_max(details)
        elif node["name"] == "PROJECTION":
            most = rows_max
        waiting.extend((child, passed, most) for child in node["children"])


def _scan(details: dict[str, Any], above: list[str], rows_max: int | None) -> Scan:
    wanted = region([*_lines(details, "Filters"), *above])
    return Scan(
        table=details["Table"].rpartition(".")[2].strip('"'),
        columns=frozenset(_lines(details, "Projections")),
        region=wanted,
        rows_max=rows_max if wanted.exact else None,
    )


def _lines(details: dict[str, Any], key: str) -> list[str]:
    """What a plan says under `key`: a text if it is one, a list if there are several."""
    said = details.get(key, [])
    lines = [said] if isinstance(said, str) else list(said)
    return [line for line in lines if line]


def _rows_max(details: dict[str, Any]) -> int | None:
    try:
        return int(details["Limit"]) + int(details.get("Offset", 0))
    except (KeyError, ValueError):  # a share of the rows, or one that is computed
        return None
