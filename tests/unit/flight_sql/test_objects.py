"""What tools are told there is: tables, patterns, types, and what the server can do."""

from __future__ import annotations

import pyarrow as pa
import pytest

from flightstore_server.flight.flight_sql.objects import (
    CATALOG,
    SCHEMA,
    catalogs,
    like,
    schemas,
    table_types,
    tables,
)
from flightstore_server.flight.flight_sql.sql_info import ANSWERS, sql_info
from flightstore_server.flight.flight_sql.xdbc import xdbc_types
from flightstore_server.sql.engine import TableInfo

KNOWN = [
    TableInfo("trades", pa.schema({"ts": pa.timestamp("us", "UTC"), "price": pa.float64()})),
    TableInfo("candles", pa.schema({"ts": pa.timestamp("us", "UTC"), "symbol": pa.utf8()})),
    TableInfo("funding_rate", pa.schema({"ts_ns": pa.int64()})),
]


def _tables(**filters: object) -> pa.Table:
    anything = {
        "catalog": None,
        "schema_pattern": None,
        "table_pattern": None,
        "types": [],
        "with_schema": False,
    }
    return tables(KNOWN, **anything | filters)  # type: ignore[arg-type]


def _names(**filters: object) -> list[str]:
    found: list[str] = _tables(**filters).column("table_name").to_pylist()
    return found


def test_all_tables_are_listed_by_name() -> None:
    assert _names() == ["candles", "funding_rate", "trades"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"catalog": CATALOG, "schema_pattern": SCHEMA}, 3),
        ({"catalog": ""}, 3),  # those without a catalog
        ({"catalog": "other"}, 0),
        ({"schema_pattern": "ma%"}, 3),
        ({"schema_pattern": "other"}, 0),
        ({"table_pattern": "%d%"}, 3),
        ({"table_pattern": "candles"}, 1),
        ({"table_pattern": "CANDLES"}, 1),
        ({"table_pattern": "candle"}, 0),
        ({"table_pattern": r"funding\_rate"}, 1),
        ({"table_pattern": ""}, 0),
        ({"types": ["BASE TABLE", "view"]}, 3),
        ({"types": ["table"]}, 3),
        ({"types": ["VIEW"]}, 0),
    ],
    ids=str,
)
def test_only_tables_that_fit_are_listed(filters: dict[str, object], found: int) -> None:
    assert len(_names(**filters)) == found


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("a_c", "abc", True),
        ("a_c", "ac", False),
        (r"a\_c", "abc", False),
        (r"a\_c", "a_c", True),
        (r"100\%", "100%", True),
        ("a.c", "abc", False),
        ("%", "", True),
        ("a%z", "a\nz", True),
        ("\\", "\\", True),
        (r"\\%", "\\x", True),
    ],
)
def test_a_pattern_is_that_of_like(pattern: str, name: str, fits: bool) -> None:
    assert like(pattern)(name) is fits


def test_a_hostile_pattern_takes_no_time() -> None:
    assert not like("%a" * 12 + "b")("a" * 60)


def test_columns_come_as_an_ipc_message_with_the_types_of_answers() -> None:
    described = _tables(table_pattern="candles", with_schema=True).column("table_schema")[0]
    shown = pa.ipc.read_schema(pa.py_buffer(described.as_py()))
    assert shown == pa.schema({"ts": pa.timestamp("ns", "UTC"), "symbol": pa.utf8()})


def test_there_is_one_catalog_with_one_schema_and_one_type_of_table() -> None:
    assert catalogs().to_pylist() == [{"catalog_name": CATALOG}]
    assert schemas(None, None).to_pylist() == [{"catalog_name": CATALOG, "db_schema_name": SCHEMA}]
    assert schemas("other", None).num_rows == schemas(None, "x%").num_rows == 0
    assert table_types().to_pylist() == [{"table_type": "TABLE"}]


def test_all_information_is_sent_if_none_is_asked_for() -> None:
    told = sql_info([])
    told.validate(full=True)
    assert dict(zip(*told.to_pydict().values(), strict=True)) == ANSWERS


def test_information_that_is_not_known_is_left_out() -> None:
    assert sql_info([8, 77_777, 3, 3]).to_pydict() == {"info_name": [3, 8], "value": [True, 0]}
    assert sql_info([77_777]).num_rows == 0


def test_codes_that_jdbc_cannot_read_are_not_sent() -> None:
    assert max(ANSWERS) < 10_000


def test_types_are_in_the_order_of_the_format_and_can_be_asked_for_by_code() -> None:
    every = xdbc_types(None).select(["data_type", "type_name"]).to_pylist()
    assert every == sorted(every, key=lambda row: tuple(row.values()))
    assert xdbc_types(-5).column("type_name").to_pylist() == ["BIGINT"]
    assert xdbc_types(12_345).num_rows == 0
