"""Datasets as tables: times, awkward names, columns that came later, snapshots."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest
from tests.support.asking import ask, column
from tests.support.rows import MINUTE, NOON_2024, candles, own
from tests.support.stores import put

from flightstore_proto.errors import BadRequest, UnknownColumn, UnknownDataset, UnknownSnapshot
from flightstore_server.engine.store import Store
from flightstore_server.sql.engine import SqlEngine

Make = Callable[..., SqlEngine]


def test_times_are_cut_to_microseconds_and_kept_exact_beside_it(engine: SqlEngine) -> None:
    found = ask(engine, "select ts, ts_ns, id from trades order by ts_ns, id::int limit 4")
    assert [ns - NOON_2024 for ns in found.column("ts_ns").to_pylist()] == [0, 0, 0, 1]
    assert found.column("ts").cast(pa.int64()).to_pylist() == [NOON_2024] * 4


def test_times_before_1970_are_found(make: Make, store: Store) -> None:
    put(store, own([-1_500_000_001, -1], x=[1.0, 2.0]), dataset="old", timeframe="")
    engine = make(store)
    assert column(engine, "select x from old where ts < '1969-12-31 23:59:59'") == [1.0]
    assert column(engine, "select x from old where ts >= '1969-12-31 23:59:59'") == [2.0]
    assert column(engine, "select x from old where ts_ns = -1") == [2.0]


def test_names_that_sql_does_not_tell_apart(make: Make, store: Store) -> None:
    rows = own([NOON_2024], Price=[1.0], price=[2.0], ts_ns=[3], **{'a "b"': [4]})
    put(store, rows, dataset="odd", timeframe="")
    found = ask(make(store), "select * from odd")
    assert found.column_names[3:] == ["ts", "ts_ns", "Price", "price_", "ts_ns_", 'a "b"']
    assert found.to_pylist()[0]['a "b"'] == 4
    assert column(make(store), "select price_ + ts_ns_ from odd where ts_ns > 5") == [5.0]


def test_other_times_have_microseconds_too(make: Make, store: Store) -> None:
    due = pa.array([NOON_2024 + 1_500, None], pa.timestamp("ns", "UTC"))
    put(store, own([1, 2], due=due), dataset="bonds", timeframe="")
    found = ask(
        make(store), "select due, due + interval '1 hour' as later from bonds order by ts_ns"
    )
    assert found.column("due").cast(pa.int64()).to_pylist() == [NOON_2024 + 1_000, None]
    assert found.column("later").cast(pa.int64()).to_pylist()[0] == NOON_2024 + 60 * MINUTE + 1_000


def test_every_type_of_a_dataset_can_be_asked_for(make: Make, store: Store) -> None:
    kinds = [
        *(pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64()),
        *(pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(), pa.utf8(), pa.timestamp("s")),
        *(pa.timestamp("ms"), pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("ms", "UTC")),
    ]
    values = {f"c{i}": pa.array([1, None]).cast(kind) for i, kind in enumerate(kinds)}
    put(store, own([1, 2], **values), dataset="kinds", timeframe="")
    engine = make(store)
    found = ask(engine, "select * exclude (exchange, symbol, timeframe, ts, ts_ns) from kinds")
    for field, kind in zip(found.schema, kinds, strict=True):
        expected = pa.timestamp("ns", kind.tz) if pa.types.is_timestamp(kind) else kind
        assert field.type == expected
    assert found.column("c5").to_pylist() == [1.0, None]
    counted = "select count(c0), count(*) from kinds"
    assert [c[0].as_py() for c in ask(engine, counted).columns] == [1, 2]


def test_columns_that_came_later_are_there(make: Make, store: Store) -> None:
    engine = make(store)
    put(store, own([1], x=[1.0]), dataset="grown", timeframe="")
    assert column(engine, "select x from grown") == [1.0]
    store.snapshot("before")
    put(store, own([2], x=[2.0], y=[3.0]), dataset="grown", timeframe="")
    assert column(engine, "select y from grown order by ts") == [None, 3.0]
    with pytest.raises(UnknownColumn, match="'y'"):
        ask(engine, "select y from grown", snapshot="before")


def test_a_snapshot_is_what_was(make: Make, store: Store) -> None:
    engine = make(store)
    store.snapshot("then")
    put(store, candles([NOON_2024 + 1000 * MINUTE], 1000.0))
    query = "select max(close) from candles"
    assert column(engine, query) == [1000.0]
    assert ask(engine, query, snapshot="then").column(0).to_pylist() == [99.0]
    with pytest.raises(UnknownSnapshot, match="Did you mean then"):
        ask(engine, query, snapshot="the")


def test_a_dataset_without_rows_is_an_empty_table(make: Make, store: Store) -> None:
    store.delete("trades", "binance:BTC/USDT", "", None, None)
    assert column(make(store), "select count(*) from trades") == [0]
    assert ask(make(store), "select * from trades").num_rows == 0


def test_tables_are_listed_with_their_columns(engine: SqlEngine) -> None:
    tables = {table.name: table.schema for table in engine.tables()}
    assert list(tables) == ["candles", "trades"]
    assert tables["trades"].names[:6] == ["exchange", "symbol", "timeframe", "ts", "ts_ns", "id"]
    assert tables["candles"].field("ts").type == pa.timestamp("us", "UTC")


def test_wrong_names_are_told_with_near_ones(engine: SqlEngine) -> None:
    with pytest.raises(UnknownDataset, match=r"no table 'candle' here. Did you mean candles\?"):
        ask(engine, "select * from candle")
    with pytest.raises(UnknownColumn, match=r"no column 'clos' here. Did you mean close\?"):
        ask(engine, "select clos from candles")
    with pytest.raises(UnknownColumn, match=r"no column 'clos' here. Did you mean close\?"):
        ask(engine, "select c.clos from candles c")
    with pytest.raises(BadRequest, match=r"cannot be run: .*fooo"):
        ask(engine, "select fooo(close) from candles")


def test_a_query_names_tables_in_any_case(engine: SqlEngine) -> None:
    assert column(engine, "select max(CLOSE) from Candles where SYMBOL = 'ETH/USDT'") == [10.0]


def test_a_plan_can_be_shown(engine: SqlEngine) -> None:
    plan = engine.explain("select max(close) from candles where symbol = 'ETH/USDT'")
    assert "305 rows" in plan
