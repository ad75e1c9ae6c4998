"""Flight SQL as ADBC's driver speaks it: what a user of pandas, polars or a BI tool gets."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator

import adbc_driver_manager
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from adbc_driver_flightsql import dbapi
from tests.support.rows import MINUTE, NOON_2024, candles, trades
from tests.support.serving import Serving

BTC, ETH = "binance:BTC/USDT", "kraken:ETH/USD"
MINUTES = 3_000
LARGE_ROWS = 400_000
BARS = (
    "select ts, open, high, low, close, volume from candles where symbol = 'BTC/USDT' order by ts"
)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Two series of bars, one long one and a few trades."""
    served = Serving(tmp_path_factory.mktemp("flight_sql") / "data")
    times = NOON_2024 + np.arange(LARGE_ROWS) * MINUTE
    some = times[:MINUTES]
    served.db.write(BTC, candles(some, np.arange(MINUTES) * 0.5 + 10), timeframe="1m")
    served.db.write(ETH, candles(some, np.arange(MINUTES) * 0.25 + 1), timeframe="1m")
    served.db.write("large:ONE/USD", candles(times, np.arange(LARGE_ROWS) * 1.0), timeframe="1m")
    served.db.write(
        BTC, trades([(NOON_2024 + 7, "1", 10.0), (NOON_2024 + 8, "2", 11.0)]), dataset="trades"
    )
    yield served
    served.close()


@pytest.fixture(scope="module")
def connection(serving: Serving) -> Iterator[dbapi.Connection]:
    with dbapi.connect(serving.uri, autocommit=True) as connected:
        yield connected


@pytest.fixture
def cursor(connection: dbapi.Connection) -> Iterator[dbapi.Cursor]:
    with connection.cursor() as opened:
        yield opened


def _native(serving: Serving, name: str = BTC) -> pa.Table:
    rows: pa.Table = serving.db.candles(name, "1m", output="arrow")
    return rows.combine_chunks()


def test_rows_equal_those_of_the_native_client(serving: Serving, cursor: dbapi.Cursor) -> None:
    cursor.execute(BARS)
    rows, native = cursor.fetch_arrow_table().combine_chunks(), _native(serving)
    assert rows.schema.types == native.schema.types
    assert rows.to_pydict() == native.to_pydict()


def test_times_keep_their_nanoseconds(cursor: dbapi.Cursor) -> None:
    cursor.execute("select ts_ns, price from trades order by ts_ns")
    assert cursor.fetchall() == [(NOON_2024 + 7, 10.0), (NOON_2024 + 8, 11.0)]


def test_an_answer_larger_than_any_message_arrives_whole(
    serving: Serving, cursor: dbapi.Cursor
) -> None:
    cursor.execute(BARS.replace("BTC/USDT", "ONE/USD"))
    rows, native = cursor.fetch_arrow_table(), _native(serving, "large:ONE/USD")
    assert rows.nbytes > 16 * 2**20
    assert [rows.column(n).combine_chunks() for n in rows.column_names] == [
        native.column(n).combine_chunks().cast(rows.schema.field(n).type) for n in rows.column_names
    ]


def test_an_answer_without_rows_has_its_columns(cursor: dbapi.Cursor) -> None:
    cursor.execute("select ts, close from candles where close < 0")
    rows = cursor.fetch_arrow_table()
    assert rows.schema == pa.schema({"ts": pa.timestamp("ns", "UTC"), "close": pa.float64()})
    assert rows.num_rows == 0


def test_parameters_are_bound_in_order(cursor: dbapi.Cursor) -> None:
    cursor.execute(
        "select count(*) from candles where symbol = ? and close >= ? and ts < ?",
        ("BTC/USDT", 20.0, dt.datetime(2024, 1, 1, 12, 30, tzinfo=dt.UTC)),
    )
    assert cursor.fetchone() == (10,)


def test_a_prepared_statement_runs_with_one_set_of_parameters_after_another(
    cursor: dbapi.Cursor,
) -> None:
    query = "select min(close) from candles where symbol = ?"
    found = []
    for symbol in ("BTC/USDT", "ETH/USD", "none", None):
        cursor.execute(query, (symbol,))
        found.append(cursor.fetchone())
    assert found == [(10.0,), (1.0,), (None,), (None,)]


def test_two_cursors_with_the_same_statement_keep_their_parameters_apart(
    connection: dbapi.Connection,
) -> None:
    query = "select count(*) + ? from trades"
    with connection.cursor() as one, connection.cursor() as other:
        one.execute(query, (10,))
        other.execute(query, (20,))
        assert (other.fetchone(), one.fetchone()) == ((22,), (12,))


def test_parameters_are_named_when_a_statement_is_prepared(cursor: dbapi.Cursor) -> None:
    parameters = cursor.adbc_prepare("select * from candles where symbol = ? and close > ?")
    assert len(parameters) == 2


def test_the_columns_of_a_statement_can_be_had_without_its_rows(cursor: dbapi.Cursor) -> None:
    schema = cursor.adbc_execute_schema(BARS)
    cursor.execute(BARS)
    assert schema == cursor.fetch_arrow_table().schema


def test_an_answer_can_be_fetched_by_another_connection(
    serving: Serving, cursor: dbapi.Cursor
) -> None:
    partitions, _ = cursor.adbc_execute_partitions("select max(price) from trades")
    with dbapi.connect(serving.uri, autocommit=True) as elsewhere, elsewhere.cursor() as reader:
        reader.adbc_read_partition(partitions[0])
        assert (len(partitions), reader.fetchone()) == (1, (11.0,))


def test_pandas_reads_sql(serving: Serving, connection: dbapi.Connection) -> None:
    frame = pd.read_sql(BARS, connection)
    assert frame["ts"].dtype == "datetime64[ns, UTC]"
    assert frame.equals(_native(serving).to_pandas())


def test_polars_reads_sql(serving: Serving, connection: dbapi.Connection) -> None:
    assert pl.read_database(BARS, connection).equals(serving.db.candles(BTC, "1m"))


def test_polars_binds_parameters(connection: dbapi.Connection) -> None:
    frame = pl.read_database(
        "select count(*) as n from candles where exchange = ?",
        connection,
        execute_options={"parameters": ["kraken"]},
    )
    assert frame.to_dicts() == [{"n": MINUTES}]


def _tables(connection: dbapi.Connection, **filters: str) -> list[tuple[str, str, str, int]]:
    """Catalog, schema, name and number of columns of the tables that tools are shown."""
    with connection.adbc_get_objects(depth="all", **filters) as reader:
        found = reader.read_all().to_pylist()
    return [
        (
            catalog["catalog_name"],
            schema["db_schema_name"],
            table["table_name"],
            len(table["table_columns"]),
        )
        for catalog in found
        for schema in catalog["catalog_db_schemas"]
        for table in schema["db_schema_tables"]
    ]


def test_tools_see_one_table_per_dataset(connection: dbapi.Connection) -> None:
    columns = {name: count for _, _, name, count in _tables(connection)}
    assert columns == {"candles": 10, "trades": 9}


def test_tables_can_be_looked_for_by_pattern(connection: dbapi.Connection) -> None:
    found = {p: len(_tables(connection, table_name_filter=p)) for p in ("can%", "t_ades", "x%")}
    assert found == {"can%": 1, "t_ades": 1, "x%": 0}


def test_every_table_is_found_under_the_name_that_tools_put_together(
    connection: dbapi.Connection, cursor: dbapi.Cursor
) -> None:
    for catalog, schema, name, _ in _tables(connection):
        full = ".".join(f'"{part}"' for part in (catalog, schema, name) if part)
        cursor.execute(f"select count(*) > 0 from {full}")
        assert cursor.fetchone() == (True,), full


def test_the_columns_of_a_table_are_those_of_its_rows(
    connection: dbapi.Connection, cursor: dbapi.Cursor
) -> None:
    for name in ("candles", "trades"):
        cursor.execute(f"select * from {name} limit 1")
        assert connection.adbc_get_table_schema(name) == cursor.fetch_arrow_table().schema


def test_the_server_says_what_it_is(connection: dbapi.Connection) -> None:
    info = connection.adbc_get_info()
    assert (info["vendor_name"], info["vendor_arrow_version"]) == ("flightstore", pa.__version__)
    assert connection.adbc_get_table_types() == ["TABLE"]


def test_a_session_has_a_catalog_and_a_schema(connection: dbapi.Connection) -> None:
    current = (connection.adbc_current_catalog, connection.adbc_current_db_schema)
    assert current == _tables(connection)[0][:2]


def test_a_client_that_wants_transactions_is_told_that_there_are_none(serving: Serving) -> None:
    with (
        pytest.warns(Warning, match="autocommit"),
        dbapi.connect(serving.uri) as connected,
        connected.cursor() as opened,
    ):
        opened.execute("select 1")
        assert opened.fetchone() == (1,)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("selec 1", "selec"),
        ("select * from candels", "candels"),
        ("select clos from candles", "clos"),
        ("create table a (b integer)", "SELECT"),
        ("select 1; select 2", "one"),
        ("", "SQL"),
    ],
)
def test_what_is_wrong_with_a_statement_is_said_when_it_is_executed(
    cursor: dbapi.Cursor, query: str, says: str
) -> None:
    with pytest.raises(adbc_driver_manager.ProgrammingError) as raised:
        cursor.execute(query)
    _is_one_sentence(str(raised.value), says)


def test_an_error_among_the_rows_is_said_while_they_are_fetched(cursor: dbapi.Cursor) -> None:
    with pytest.raises(adbc_driver_manager.Error) as raised:
        # Of one symbol: which of several is met first is for DuckDB's threads to say.
        cursor.execute("select cast(symbol as integer) from candles where symbol = 'BTC/USDT'")
        cursor.fetchall()
    _is_one_sentence(str(raised.value), "BTC/USDT")


def test_parameters_that_are_missing_are_said_so(cursor: dbapi.Cursor) -> None:
    with pytest.raises(adbc_driver_manager.ProgrammingError, match="parameter"):
        cursor.execute("select close from candles where close > ?")
        cursor.fetchall()


def test_several_rows_of_parameters_are_refused(cursor: dbapi.Cursor) -> None:
    with pytest.raises(adbc_driver_manager.ProgrammingError, match="one row and 2 came"):
        cursor.execute("select ?", pa.record_batch({"0": [1, 2]}))


def test_nested_parameters_are_refused(cursor: dbapi.Cursor) -> None:
    with pytest.raises(adbc_driver_manager.ProgrammingError, match="list<item: int64>"):
        cursor.execute("select ?", pa.record_batch({"0": [[1, 2]]}))


WRITES = {
    "a script": lambda cursor: cursor.executescript("drop table candles"),
    "many executions": lambda cursor: cursor.executemany("select ?", [(1,), (2,)]),
    "an ingest": lambda cursor: cursor.adbc_ingest("new", pa.table({"a": [1]}), mode="create"),
    "a Substrait plan": lambda cursor: cursor.execute(b"plan"),
}


@pytest.mark.parametrize("write", WRITES)
def test_what_would_write_is_refused_by_name(connection: dbapi.Connection, write: str) -> None:
    with (
        connection.cursor() as opened,
        pytest.raises(adbc_driver_manager.NotSupportedError) as raised,
    ):
        WRITES[write](opened)
    _is_one_sentence(str(raised.value), "refused|not for this server")


def test_the_session_cannot_be_moved_elsewhere(connection: dbapi.Connection) -> None:
    with pytest.raises(adbc_driver_manager.NotSupportedError, match="session options"):
        connection.adbc_current_catalog = "elsewhere"


def test_a_query_that_is_cancelled_ends_for_its_client(cursor: dbapi.Cursor) -> None:
    """Nothing says when the query has begun, so it is cancelled until that has an effect."""
    ended = threading.Event()

    def cancel() -> None:
        while not ended.wait(0.05):
            cursor.adbc_cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    try:
        with pytest.raises(adbc_driver_manager.OperationalError, match=r"(?i)cancel"):
            cursor.execute("select count(*) from range(10000000) a, range(10000000) b")
            cursor.fetchall()
    finally:
        ended.set()
        canceller.join()


def test_a_cursor_that_is_closed_early_leaves_the_server_as_it_was(
    serving: Serving, connection: dbapi.Connection
) -> None:
    for _ in range(20):
        with connection.cursor() as opened:
            opened.execute(BARS.replace("BTC/USDT", "ONE/USD"))
            assert opened.fetchone() is not None
    assert serving.db.health().ready


def _is_one_sentence(text: str, says: str) -> None:
    """It says what is wrong, and nothing of where in the server's code that was found."""
    assert not any(trace in text for trace in ("Traceback", ".py", "File "))
    assert len(text) < 700
    assert any(one in text for one in says.split("|")), text
