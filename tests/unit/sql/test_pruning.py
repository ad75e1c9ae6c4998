"""Reading only what can matter changes no answer."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from tests.support.asking import ask, column
from tests.support.rows import MINUTE, NOON_2024
from tests.support.seeds import generator, scaled

from flightstore_proto.errors import Corrupt
from flightstore_server.engine.queries import Query
from flightstore_server.engine.store import Store
from flightstore_server.sql import plans
from flightstore_server.sql.engine import SqlEngine

TIMES = (
    "2024-01-01",
    "2024-01-01 12:30",
    "2024-01-01 14:59:59.5+00",
    "2024-01-01 16:00+02",
    "1999-12-31",
)
WORDS = {
    "exchange": ("binance", "kraken", "Kraken", "none"),
    "symbol": ("BTC/USDT", "ETH/USDT", "BTC/USD", "O'BRIEN/USD", "a' OR 'b"),
    "timeframe": ("1m", "1h", "", "1d"),
}
Make = Callable[[], SqlEngine]
SIGNS = ("=", "<>", "<", ">", "<=", ">=")


class Conditions:
    """Conditions at random, of all forms that narrow something down and of some that do not."""

    def __init__(self, random: random.Random) -> None:
        self._random = random

    def any(self, depth: int = 2) -> str:
        if depth and self._random.random() < 0.6:
            joint = self._random.choice((" and ", " and ", " or "))
            inside = joint.join(self.any(depth - 1) for _ in range(self._random.randint(2, 3)))
            return f"not ({inside})" if self._random.random() < 0.15 else f"({inside})"
        return self._random.choice((self._words, self._words, self._time, self._other))()

    def _words(self) -> str:
        column = self._random.choice(list(WORDS))
        value, *others = (self._quoted(self._random.choice(WORDS[column])) for _ in range(3))
        forms = (
            f"{column} {self._random.choice(SIGNS)} {value}",
            f"{column} in ({value}, {others[0]}, {others[1]})",
            f"{column} not in ({value}, {others[0]})",
            f"{column} like '%{self._random.choice('BTUk1')}%'",
            f"{column} ilike 'b%'",
            f"lower({column}) = 'btc/usdt'",
            f"exchange || ':' || symbol = {self._quoted('binance:BTC/USDT')}",
            f"(exchange, symbol) in (({value}, {others[0]}), ('binance', 'ETH/USDT'))",
            f"starts_with({column}, 'b')",
            f"regexp_matches({column}, '^[bB]')",
            f"{column} is not null",
            f"{column} between {value} and {others[0]}",
        )
        return self._random.choice(forms)

    def _time(self) -> str:
        time, other = (self._random.choice(TIMES) for _ in range(2))
        ns = NOON_2024 + self._random.randint(-10, 310) * MINUTE + self._random.choice((0, 1))
        sign = self._random.choice(SIGNS)
        forms = (
            f"ts {sign} '{time}'",
            f"'{time}' {sign} ts",
            f"ts between '{time}' and '{other}'",
            f"ts in ('{time}', '2024-01-01 13:00')",
            f"ts {sign} timestamptz '2024-01-01 12:00' + interval '90 minutes'",
            f"ts {sign} now() - interval '1 day'",
            f"ts_ns {sign} {ns}",
            f"ts_ns between {ns} and {ns + 60 * MINUTE}",
            f"ts::date {sign} '2024-01-01'",
            "date_trunc('hour', ts) = '2024-01-01 13:00'",
            "hour(ts) = 13",
            "epoch_ns(ts) = ts_ns",
        )
        return self._random.choice(forms)

    def _other(self) -> str:
        return self._random.choice(("close > 3", "volume = high * 2", "close in (1, 99)", "true"))

    def _quoted(self, text: str) -> str:
        return "'" + text.replace("'", "''") + "'"


@pytest.fixture
def whole(kept: Store) -> Iterator[duckdb.DuckDBPyConnection]:
    """The same rows in a table that nothing is left out of."""
    parts = []
    for frame in ("1m", "1h"):
        selection = kept.reader.select(Query("candles", ["*"], frame))
        for view in selection.views:
            rows = pa.Table.from_batches(selection.rows(view), selection.schema)
            name = view.series.instrument
            words = [[word] * len(rows) for word in (name.exchange, name.symbol, frame)]
            ns = rows.column("ts")
            times = [ns.cast(pa.timestamp("us", "UTC"), safe=False), ns.cast(pa.int64())]
            names = ["exchange", "symbol", "timeframe", "ts", "ts_ns", *rows.column_names[1:]]
            parts.append(pa.table([*words, *times, *rows.columns[1:]], names=names))
    with duckdb.connect(config={"threads": 1}) as database:
        database.execute("SET TimeZone = 'UTC'")
        database.register("candles", pa.concat_tables(parts))
        yield database


def test_any_condition_selects_what_it_selects_of_the_whole_table(
    engine: SqlEngine, whole: duckdb.DuckDBPyConnection, request: pytest.FixtureRequest
) -> None:
    conditions = Conditions(generator("conditions"))
    for _ in range(scaled(request.config, ci=150, nightly=5_000)):
        query = f"select count(*), sum(close), min(ts_ns) from candles where {conditions.any()}"
        [expected] = whole.execute(query).fetchall()
        found = [column[0].as_py() for column in ask(engine, query).columns]
        assert found == [*expected[:2], expected[2]], query


JOINS = """
    from candles a join candles b using (symbol, ts)
    where a.timeframe = '1m' and b.timeframe = '1h' -- self join

    from candles a join candles b on b.ts > a.ts and b.ts < a.ts + interval '3 minutes'
    where a.timeframe = '1h' and b.timeframe = '1m' and a.symbol = 'BTC/USD' and b.symbol = a.symbol

    from candles a where timeframe = '1h'
    and ts > (select max(ts) - interval '2 hours' from candles where timeframe = '1m')

    from (select * from candles where symbol = 'BTC/USD' union all
          select * from candles where timeframe = '1h' and ts < '2024-01-01 14:00') a

    from (select *, row_number() over (partition by symbol, timeframe order by ts) as n
          from candles) a where n < 3 and symbol like 'B%'

    from candles a left join (values ('BTC/USD')) v(s) on a.symbol = v.s where v.s is not null

    from candles a where exists (select 1 from candles b
    where b.symbol = 'ETH/USDT' and b.timeframe = '1h' and b.ts = a.ts)

    from candles a asof join (select * from candles where timeframe = '1h') b
    on a.symbol = b.symbol and a.exchange = b.exchange and a.ts >= b.ts where a.timeframe = '1m'
"""


@pytest.mark.parametrize("rest", JOINS.split("\n\n"))
def test_joins_and_subqueries_see_what_each_of_them_needs(
    engine: SqlEngine, whole: duckdb.DuckDBPyConnection, rest: str
) -> None:
    query = f"select count(*), sum(a.close), max(a.ts_ns) {rest}"
    [expected] = whole.execute(query).fetchall()
    assert expected[0]
    assert [column[0].as_py() for column in ask(engine, query).columns] == list(expected)


def test_a_text_with_a_line_break_cannot_pass_for_a_condition(engine: SqlEngine) -> None:
    torn = "x'\n(ts_ns < 5)\n'"
    quoted = "'" + torn.replace("'", "''") + "'"
    query = f"select count(*) from candles where symbol <> {quoted} and close > 0"
    assert column(engine, query) == column(engine, "select count(*) from candles where close > 0")


def _damage(store: Store, symbol: str) -> str:
    """Change a byte of every segment of `symbol`; returns the name of one of the files."""
    files = [f for f in store.files.walk("segments") if f"/symbol={symbol}/" in f]
    for file in files:
        path = Path(store.files.root) / file
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    return files[0]


def test_a_damaged_segment_is_an_error_that_names_it(make: Make, store: Store) -> None:
    _damage(store, "BTC%2FUSD")
    with pytest.raises(Corrupt, match=r"segments/.*symbol=BTC%2FUSD/.* is damaged"):
        ask(make(store), "select max(close) from candles where exchange = 'kraken'")


def test_a_damaged_segment_does_not_matter_to_who_asks_for_others(make: Make, store: Store) -> None:
    _damage(store, "BTC%2FUSD")
    assert column(make(store), "select max(close) from candles where symbol like 'ETH%'") == [10.0]


def test_counting_rows_of_series_opens_no_file(make: Make, store: Store) -> None:
    _damage(store, "BTC%2FUSD")
    query = "select symbol, count(*) from candles where exchange = 'kraken' group by all"
    symbols, counts = ask(make(store), query).columns
    found = dict(zip(symbols.to_pylist(), counts.to_pylist(), strict=True))
    assert found == {"BTC/USD": 305, "O'BRIEN/USD": 305}


def test_a_look_at_the_first_rows_opens_only_the_first_file(make: Make, store: Store) -> None:
    _damage(store, "BTC%2FUSD")
    found = column(make(store), "select symbol from candles limit 3 offset 2")
    assert found == ["BTC/USDT"] * 3


def test_a_plan_is_made_anew_where_the_query_speaks_of_the_present(
    make: Make, store: Store
) -> None:
    engine, asked = make(store), []
    queries = (
        "select max(close) from candles where ts_ns < 5",
        "select max(close) from candles where ts > now()",
        "select max(close) from candles where ts > current_timestamp",
        "select max(close) from candles where ts::date = current_date",
        "select max(close) from candles where ts::date = today()",
        "select max(close) from candles where age(ts) < interval '1 day'",
    )
    scans_of = plans.scans_of

    def counted(cursor: object, query: str, parameters: object) -> list[plans.Scan]:
        asked.append(query)
        return scans_of(cursor, query, parameters)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("flightstore_server.sql.queries.scans_of", counted)
        for query in queries * 2:
            assert column(engine, query) == [None]
    assert [asked.count(query) for query in queries] == [1, 2, 2, 2, 2, 2]


def test_equal_queries_with_other_parameters_or_columns_are_planned_anew(
    make: Make, store: Store
) -> None:
    engine = make(store)
    query = "select count(*) from candles where symbol = ?"
    for symbol, rows in (("ETH/USDT", 305), ("none", 0), ("ETH/USDT", 305)):
        given = pa.RecordBatch.from_arrays([pa.array([symbol])], names=["1"])
        assert ask(engine, query, given).column(0).to_pylist() == [rows]
