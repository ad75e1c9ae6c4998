"""Which statements are answered: one SELECT over datasets, without what reaches outside of it.

The parser's own tree is looked at, as DuckDB writes it to JSON, since there are several ways to
say everything: a WITH can hold an INSERT, and a FROM a DESCRIBE.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from flightstore_proto.errors import BadRequest, UnknownDataset, did_you_mean, near, shown

# Parsing and planning take memory that no limit counts: some 2 KB for each of its characters.
QUERY_CHARACTERS_MAX = 65_536
_FIRST_WORD = re.compile(r"(?:\s|\(|--[^\n]*(?:\n|$)|/\*.*?\*/)*([A-Za-z]+)", re.DOTALL)
_NODES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
_TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest", "pg_timezone_names"})
# Functions of a value whose result can be of any size; the memory limit does not see it.
_BOUNDLESS = frozenset(
    {
        *("repeat", "lpad", "rpad", "printf", "format", "bitstring", "range", "generate_series"),
        *("list_resize", "array_resize"),
    }
)
# Functions that tell of the server or change it.
_OUTSIDE = frozenset({"current_setting", "write_log", "getvariable", "pg_sleep", "sleep_ms"})
# DuckDB's own schema, which tools put in front of the names of tables.
_SCHEMA = "main"
# Functions that give the same for the same, whenever they are asked; there are many more.
_STEADY = frozenset(
    {
        *("count", "count_star", "sum", "avg", "min", "max", "arg_min", "arg_max", "first", "last"),
        *(
            "time_bucket",
            "date_bin",
            "date_trunc",
            "lag",
            "lead",
            "rank",
            "row_number",
            "ln",
            "abs",
        ),
        *("stddev_samp", "corr", "quantile_cont", "coalesce", "round", "+", "-", "*", "/"),
    }
)
_LIKE_THE_TIME = re.compile("current|local|now|today", re.IGNORECASE)
_SERIALIZE = "SELECT json_serialize_sql(?)"


@dataclass(frozen=True, slots=True)
class Statement:
    """A SELECT that may be run: the datasets it reads, and its parameters in order.

    Parameters are called "1", "2", ... where the query has `?`, and else as in `$name`. A steady
    one does not speak of the present moment: its plan is the same at any time.
    """

    query: str
    datasets: tuple[str, ...]
    parameters: tuple[str, ...]
    is_steady: bool

    @property
    def is_positional(self) -> bool:
        return all(name.isdecimal() for name in self.parameters)


def parse(
    cursor: duckdb.DuckDBPyConnection, query: str, datasets: Mapping[str, object]
) -> Statement:
    """The one SELECT in `query`, whose tables are among `datasets`.

    Raises BadRequest naming what is not allowed, UnknownDataset with near names, duckdb.Error for
    what is not SQL.
    """
    if len(query) > QUERY_CHARACTERS_MAX:
        raise BadRequest(
            f"The query has {len(query)} characters, and {QUERY_CHARACTERS_MAX} are allowed; write "
            "lists of values as parameters or join a series that holds them."
        )
    statements = cursor.extract_statements(query)
    if not statements:
        raise BadRequest("The query is empty; write a SELECT.")
    if len(statements) > 1:
        raise _refused("More than one statement")
    statement = statements[0]
    if statement.type != duckdb.StatementType.SELECT:
        raise _refused(_first_word(query))
    tree = _tree(cursor, query)
    read = _checked(tree, query, datasets)
    parameters = tuple(sorted(statement.named_parameters, key=_place))
    return Statement(query, read, parameters, _is_steady(tree))


def _refused(what: str) -> BadRequest:
    return BadRequest(f"{what} is not allowed here: this server answers one SELECT at a time.")


def _first_word(query: str) -> str:
    match = _FIRST_WORD.match(query)
    return match[1].upper() if match else "This statement"


def _place(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdecimal() else (0, name)


def _tree(cursor: duckdb.DuckDBPyConnection, query: str) -> Any:
    """The parsed query. What it is not serialised for is no SELECT."""
    [(text,)] = cursor.execute(_SERIALIZE, [query]).fetchall()
    try:
        tree = json.loads(text)
    except RecursionError:
        raise BadRequest("The query is nested too deeply; write parts of it as WITH.") from None
    if tree["error"]:
        raise _refused(_first_word(query))
    return tree


def _checked(tree: Any, query: str, datasets: Mapping[str, object]) -> tuple[str, ...]:
    """The datasets that the query reads."""
    named, defined = set(), set()
    for node in _nodes(tree):
        kind = str(node.get("type", ""))
        if kind.endswith("_NODE") and kind not in _NODES:
            raise _refused(kind.partition("_")[0])
        if kind == "SHOW_REF":
            raise _refused("SUMMARIZE" if node["show_type"] == "SUMMARY" else "DESCRIBE or SHOW")
        if kind == "BASE_TABLE":
            named.add(_table_name(node))
        elif kind == "TABLE_FUNCTION":
            _check_table_function(node["function"]["function_name"])
        elif node.get("class") in ("FUNCTION", "WINDOW"):
            _check_function(str(node.get("function_name", "")))
        defined |= {cte["key"].casefold() for cte in node.get("cte_map", {}).get("map", ())}
    return tuple(sorted(_known(name, datasets) for name in named if name.casefold() not in defined))


def _is_steady(tree: Any) -> bool:
    """Whether nothing in the query can be the time; where that is not known, it is not."""
    for node in _nodes(tree):
        kind = node.get("class")
        if kind in ("FUNCTION", "WINDOW") and node["function_name"].casefold() not in _STEADY:
            return False
        # current_timestamp and localtime stand there as columns do.
        if kind == "COLUMN_REF" and _LIKE_THE_TIME.match(node["column_names"][-1]):
            return False
    return True


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object of a parsed query; of functions in FROM, only what they are given."""
    waiting = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(item)
        elif isinstance(item, dict):
            yield item
            if item.get("type") == "TABLE_FUNCTION":
                waiting.append(item["function"]["arguments"])
            else:
                waiting.extend(item.values())


def _table_name(node: dict[str, Any]) -> str:
    catalog, schema, name = node.get("catalog_name"), node.get("schema_name"), node["table_name"]
    if schema and schema.casefold() == _SCHEMA and not catalog:
        return str(name)
    return ".".join(part for part in (catalog, schema, name) if part)


def _known(name: str, datasets: Mapping[str, object]) -> str:
    for dataset in datasets:
        if dataset.casefold() == name.casefold():
            return dataset
    suggestions = near(name, datasets)
    raise UnknownDataset(
        f"There is no table {shown(name)} here.{did_you_mean(suggestions)} Tables are the "
        f"datasets: {', '.join(list(datasets)[:20])}.",
        suggestions=suggestions,
    )


def _check_table_function(name: str) -> None:
    if name.casefold() not in _TABLE_FUNCTIONS:
        raise BadRequest(
            f"{shown(name)} cannot be read from here: this server's SQL reads datasets, VALUES, "
            "range, generate_series and unnest."
        )


def _check_function(name: str) -> None:
    folded = name.casefold()
    if folded in _BOUNDLESS:
        where = "; write it in FROM" if folded in _TABLE_FUNCTIONS else ""
        raise BadRequest(
            f"The function {folded} is not allowed here, since its result can have any size{where}."
        )
    if folded in _OUTSIDE:
        raise BadRequest(f"The function {folded} is not allowed here.")
