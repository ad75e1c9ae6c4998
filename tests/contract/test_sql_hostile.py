"""SQL from people who want more than rows: refused by name, and the server goes on."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import psutil
import pyarrow.flight as fl
import pytest
from tests.support.asking import until
from tests.support.rows import MINUTE, NOON_2024, candles
from tests.support.serving import Serving

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb

BTC = "binance:BTC/USDT"
SELECT_ONLY = "this server answers one SELECT at a time"
RUNAWAY = "select count(*) from range(1000000) a(i), range(1000000) b(i) where a.i + b.i < 0"


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    served = Serving(tmp_path_factory.mktemp("hostile") / "data")
    times = range(NOON_2024, NOON_2024 + 100 * MINUTE, MINUTE)
    served.db.write(BTC, pl.DataFrame(candles(times, 2.0)), timeframe="1m")
    yield served
    served.close()


@pytest.fixture
def db(serving: Serving) -> Iterator[fs.Client]:
    """A client; after each test the server still answers, with the rows it had."""
    yield serving.db
    assert serving.db.sql("select count(*) as n, sum(close) as s from candles").row(0) == (100, 200)


STATEMENTS = {
    "INSERT": "insert into candles values (1)",
    "UPDATE": "update candles set close = 1",
    "DELETE": "delete from candles",
    "TRUNCATE": "truncate candles",
    "MERGE": "merge into candles using trades on true when matched then delete",
    "CREATE": "create table mine as select 1",
    "DROP": "drop view candles",
    "ALTER": "alter table candles rename to mine",
    "COPY": "copy candles to '/tmp/stolen.csv'",
    "EXPORT": "export database '/tmp/stolen'",
    "IMPORT": "import database '/tmp/mine'",
    "ATTACH": "attach '/tmp/mine.db'",
    "DETACH": "detach memory",
    "USE": "use temp",
    "INSTALL": "install httpfs",
    "LOAD": "load httpfs",
    "SET": "set threads = 1000",
    "RESET": "reset lock_configuration",
    "PRAGMA": "pragma database_list",
    "CALL": "call pragma_version()",
    "DESCRIBE": "describe candles",
    "SUMMARIZE": "summarize candles",
    "SHOW": "show tables",
    "EXPLAIN": "explain analyze select 1",
    "PREPARE": "prepare p as select 1",
    "EXECUTE": "execute p",
    "BEGIN": "begin",
    "CHECKPOINT": "checkpoint",
    "VACUUM": "vacuum",
    "PIVOT": "pivot candles on symbol using sum(close)",
    "COMMENT": "comment on view candles is 'mine'",
}


@pytest.mark.parametrize("word", STATEMENTS)
def test_a_statement_that_is_no_select_is_refused_by_name(db: fs.Client, word: str) -> None:
    with pytest.raises(fs.BadRequest, match=rf"{word}\b.* not allowed here: {SELECT_ONLY}"):
        db.sql(STATEMENTS[word])


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("select 1; select 2", "More than one statement is not allowed"),
        ("select 1; copy candles to '/tmp/x'", "More than one statement is not allowed"),
        ("with x as (insert into candles values (1) returning *) from x", "INSERT is not allowed"),
        ("with x as (delete from candles returning *) select 1", "DELETE is not allowed"),
        ("select * from (describe candles)", "DESCRIBE or SHOW is not allowed"),
        ("from (summarize candles)", "SUMMARIZE is not allowed"),
        ("/* select */ -- select\n attach 'x'", "ATTACH is not allowed"),
        ("", "query is empty"),
        ("-- nothing", "query is empty"),
        ("selec 1", 'cannot be run: syntax error at or near "selec"'),
        ("select close from candles where", "cannot be run: syntax error"),
        ("select '\0", "cannot be run"),
        ("select " + "(" * 5_000 + "1" + ")" * 5_000, "depth"),
        ("select " + "1 + " * 900 + "1", "nested too deeply"),
        ("select 1 --" + "x" * 70_000, "65536 are allowed"),
    ],
)
def test_other_ways_to_say_it_are_refused_as_well(db: fs.Client, query: str, why: str) -> None:
    with pytest.raises(fs.BadRequest, match=why):
        db.sql(query)


@pytest.mark.parametrize(
    "source",
    [
        "read_csv('/etc/passwd')",
        "read_text('/etc/passwd')",
        "read_blob('/etc/*')",
        "read_parquet('https://127.0.0.1:9/x.parquet')",
        "read_json_auto('http://127.0.0.1:9/')",
        "glob('/**')",
        "sniff_csv('/etc/passwd')",
        "parquet_metadata('/x')",
        "duckdb_settings()",
        "duckdb_secrets()",
        "duckdb_temporary_files()",
        "pragma_database_list()",
        "enable_logging()",
        "query('copy candles to ''/tmp/x''')",
        "query_table('candles')",
        "arrow_scan(1, 2, 3)",
        "pandas_scan(1)",
        "python_map_function(1)",
        "seq_scan('x')",
        "json_execute_serialized_sql('{}')",
        "repeat('x', 1000000000000)",
    ],
)
def test_functions_that_reach_outside_are_refused_in_from(db: fs.Client, source: str) -> None:
    name = source.partition("(")[0]
    with pytest.raises(fs.BadRequest, match=f"'{name}' cannot be read from here"):
        db.sql(f"select * from {source}")


@pytest.mark.parametrize(
    "name",
    [
        *("/etc/passwd", "/etc/hosts.csv", "duckdb_logs", "sqlite_master", "pg_catalog.pg_class"),
        *("information_schema.tables", "candles rows", "sys", "os"),
    ],
)
def test_tables_are_the_datasets_and_nothing_else(db: fs.Client, name: str) -> None:
    quoted = ".".join(f'"{part}"' for part in name.split("."))
    if "/" in name:
        quoted = f"'{name}'"
    with pytest.raises(fs.UnknownDataset, match="There is no table"):
        db.sql(f"select * from {quoted}")


@pytest.mark.parametrize(
    "call",
    [
        "repeat('x', 3000000000)",
        "'x'.repeat(3000000000)",
        "lpad('x', 2000000000, 'y')",
        "printf('%2000000000d', 1)",
        "range(500000000)",
        "len(list_resize([1], 1000000000))",
        "current_setting('temp_directory')",
        "write_log('mine')",
        "pg_sleep(100)",
    ],
)
def test_functions_that_are_dangerous_are_refused_by_name(db: fs.Client, call: str) -> None:
    with pytest.raises(fs.BadRequest, match=r"The function \w+ is not allowed here"):
        db.sql(f"select {call}")
    with pytest.raises(fs.BadRequest, match=r"The function \w+ is not allowed here"):
        db.sql(f"select * from unnest([{call}])")


def test_names_and_texts_are_only_names_and_texts(db: fs.Client) -> None:
    assert db.sql("select 'copy x to y; attach z' as \"drop table candles; --\"").height == 1
    found = db.sql("select count(*) from candles where symbol = ?", ["x' or 'a' = 'a"])
    assert found.item() == 0


def test_nothing_is_left_of_a_query(db: fs.Client) -> None:
    for query in STATEMENTS.values():
        with pytest.raises(fs.BadRequest):
            db.sql(query)
    assert not Path("/tmp/stolen.csv").exists()
    assert not Path("/tmp/stolen").exists()
    with pytest.raises(fs.UnknownDataset):
        db.sql("select * from mine")


def _underway(serving: Serving) -> int:
    return serving.service.sql.running


def test_runaway_queries_end_at_the_limit_and_free_what_they_held(
    db: fs.Client, serving: Serving
) -> None:
    for _ in range(12):  # more than there may be at a time
        with pytest.raises(fs.DeadlineExceeded, match=r"longer than 0\.05 s"):
            db.sql(RUNAWAY, timeout=0.05)
    assert _underway(serving) == 0


def test_a_query_that_needs_too_much_memory_gives_it_back(db: fs.Client, serving: Serving) -> None:
    process = psutil.Process(os.getpid())
    greedy = "select len(array_agg(i)) from range(500000000) r(i)"
    with pytest.raises(fs.Overloaded, match="memory_bytes_max"):
        db.sql(greedy)
    before = process.memory_info().rss
    with pytest.raises(fs.Overloaded, match="memory_bytes_max"):
        db.sql(greedy)
    assert process.memory_info().rss < before + (512 << 20)
    assert _underway(serving) == 0


def test_a_client_that_goes_away_stops_the_work(db: fs.Client, serving: Serving) -> None:
    ticket = pb.Ticket(sql=pb.SqlRequest(query="select i from range(1000000000000) r(i)"))
    with fl.connect(serving.uri) as raw:
        reader = raw.do_get(fl.Ticket(ticket.SerializeToString()))
        assert reader.read_chunk().data.num_rows
        assert _underway(serving) == 1
        reader.cancel()
        until(lambda: _underway(serving) == 0)


def test_a_client_that_goes_away_before_the_first_row_stops_the_work(
    db: fs.Client, serving: Serving
) -> None:
    ticket = pb.Ticket(sql=pb.SqlRequest(query=RUNAWAY)).SerializeToString()
    with fl.connect(serving.uri) as raw:
        with pytest.raises(fl.FlightTimedOutError):
            raw.do_get(fl.Ticket(ticket), fl.FlightCallOptions(timeout=0.2)).read_all()
        until(lambda: _underway(serving) == 0)


def test_a_flood_of_queries_is_answered_or_refused(db: fs.Client, serving: Serving) -> None:
    outcomes: list[str] = []

    def ask() -> None:
        try:
            db.sql(RUNAWAY, timeout=0.3)
        except fs.FlightstoreError as error:
            outcomes.append(type(error).__name__)

    threads = [threading.Thread(target=ask) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(outcomes) == 24
    assert set(outcomes) <= {"DeadlineExceeded", "Overloaded"}
    assert _underway(serving) == 0


@pytest.mark.parametrize("parameters", [b"\xff\xff\xff\xff", b"x" * 100_000])
def test_parameters_that_are_not_arrow_are_refused(
    db: fs.Client, serving: Serving, parameters: bytes
) -> None:
    request = pb.SqlRequest(query="select ?", parameters=parameters)
    with (
        fl.connect(serving.uri) as raw,
        pytest.raises(fl.FlightServerError, match="parameters of the query"),
    ):
        raw.do_get(fl.Ticket(pb.Ticket(sql=request).SerializeToString())).read_all()
