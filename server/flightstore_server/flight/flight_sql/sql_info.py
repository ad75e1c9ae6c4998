"""What this server is and can do, for drivers and generic tools: CommandGetSqlInfo.

Only codes of the format itself are answered: Arrow's JDBC driver fails on those that a server makes
up. A code that is not listed here is left out, and drivers then take their default.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from flightstore_server.version import VERSION

Value = str | bool | int

# In this order: drivers take the value out of the union by the position of its type.
_VALUE = pa.dense_union(
    [
        pa.field("string_value", pa.utf8()),
        pa.field("bool_value", pa.bool_()),
        pa.field("bigint_value", pa.int64()),
        pa.field("int32_bitmask", pa.int32()),
        pa.field("string_list", pa.list_(pa.field("string_data", pa.utf8()))),
        pa.field(
            "int32_to_int32_list_map",
            pa.map_(pa.int32(), pa.list_(pa.field("$data$", pa.int32()))),
        ),
    ]
)
SCHEMA = pa.schema(
    [pa.field("info_name", pa.uint32(), nullable=False), pa.field("value", _VALUE)],
)
_POSITION = {str: 0, bool: 1, int: 3}  # every number that is answered is an int32

_CASE_INSENSITIVE, _NULLS_AT_END, _FULL_OUTER_JOINS, _NO_TRANSACTIONS = 1, 3, 2, 0
_GROUP_BY, _SUBQUERIES, _UNIONS, _ENTRY_LEVEL = 0b11, 0b1111, 0b11, 0b1

ANSWERS: dict[int, Value] = {
    0: "flightstore",  # FLIGHT_SQL_SERVER_NAME
    1: VERSION,
    2: pa.__version__,  # FLIGHT_SQL_SERVER_ARROW_VERSION
    3: True,  # FLIGHT_SQL_SERVER_READ_ONLY
    4: True,  # FLIGHT_SQL_SERVER_SQL
    5: False,  # FLIGHT_SQL_SERVER_SUBSTRAIT
    8: _NO_TRANSACTIONS,  # FLIGHT_SQL_SERVER_TRANSACTION
    9: False,  # FLIGHT_SQL_SERVER_CANCEL: the call itself is cancelled
    100: 0,  # FLIGHT_SQL_SERVER_STATEMENT_TIMEOUT: prepared statements do not expire
    101: 0,  # FLIGHT_SQL_SERVER_TRANSACTION_TIMEOUT
    500: False,  # SQL_DDL_CATALOG
    501: False,  # SQL_DDL_SCHEMA
    502: False,  # SQL_DDL_TABLE
    503: _CASE_INSENSITIVE,  # SQL_IDENTIFIER_CASE
    504: '"',  # SQL_IDENTIFIER_QUOTE_CHAR
    505: _CASE_INSENSITIVE,  # SQL_QUOTED_IDENTIFIER_CASE
    506: True,  # SQL_ALL_TABLES_ARE_SELECTABLE
    507: _NULLS_AT_END,  # SQL_NULL_ORDERING
    513: "\\",  # SQL_SEARCH_STRING_ESCAPE
    514: "",  # SQL_EXTRA_NAME_CHARACTERS
    515: True,  # SQL_SUPPORTS_COLUMN_ALIASING
    516: True,  # SQL_NULL_PLUS_NULL_IS_NULL
    518: True,  # SQL_SUPPORTS_TABLE_CORRELATION_NAMES
    519: False,  # SQL_SUPPORTS_DIFFERENT_TABLE_CORRELATION_NAMES
    520: True,  # SQL_SUPPORTS_EXPRESSIONS_IN_ORDER_BY
    521: True,  # SQL_SUPPORTS_ORDER_BY_UNRELATED
    522: _GROUP_BY,  # SQL_SUPPORTED_GROUP_BY
    523: True,  # SQL_SUPPORTS_LIKE_ESCAPE_CLAUSE
    526: _ENTRY_LEVEL,  # SQL_ANSI92_SUPPORTED_LEVEL
    528: _FULL_OUTER_JOINS,  # SQL_OUTER_JOINS_SUPPORT_LEVEL
    529: "schema",  # SQL_SCHEMA_TERM
    531: "",  # SQL_CATALOG_TERM: there are none
    536: False,  # SQL_SELECT_FOR_UPDATE_SUPPORTED
    537: False,  # SQL_STORED_PROCEDURES_SUPPORTED
    538: _SUBQUERIES,  # SQL_SUPPORTED_SUBQUERIES
    539: True,  # SQL_CORRELATED_SUBQUERIES_SUPPORTED
    540: _UNIONS,  # SQL_SUPPORTED_UNIONS
    562: _NO_TRANSACTIONS,  # SQL_DEFAULT_TRANSACTION_ISOLATION
    563: False,  # SQL_TRANSACTIONS_SUPPORTED
    572: False,  # SQL_BATCH_UPDATES_SUPPORTED
    573: False,  # SQL_SAVEPOINTS_SUPPORTED
}


def sql_info(codes: Iterable[int]) -> pa.Table:
    """One row for each of `codes` that is known; all there are, if none is given."""
    asked = sorted(set(codes) & ANSWERS.keys()) or ([] if list(codes) else list(ANSWERS))
    return pa.table([pa.array(asked, pa.uint32()), _union([ANSWERS[c] for c in asked])], SCHEMA)


def _union(values: list[Value]) -> pa.UnionArray:
    children: list[list[Value]] = [[] for _ in range(_VALUE.num_fields)]
    positions, offsets = [], []
    for value in values:
        position = _POSITION[type(value)]
        positions.append(position)
        offsets.append(len(children[position]))
        children[position].append(value)
    return pa.UnionArray.from_dense(
        pa.array(positions, pa.int8()),
        pa.array(offsets, pa.int32()),
        [pa.array(child, field.type) for child, field in zip(children, _VALUE, strict=True)],
        [field.name for field in _VALUE],
    )
