"""SQL on the server, against DuckDB in this process on an Arrow table of just the rows needed.

Minute bars of 5 M trades: the whole table is grouped, and the answer comes over the wire. Then
hourly bars of one day out of five years of minutes: what matters is what is left out, and what it
costs to find that out. For it the server's own time is measured too, by asking its engine here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import duckdb
import pyarrow as pa

from bench import inputs
from bench.figures import Figure, compared, in_ms
from bench.measure import alternating_calls, interleaved, ratio
from bench.processes import flightstore
from bench.session import Session
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.store import open_store
from flightstore_server.sql.engine import SqlEngine
from flightstore_server.sql.limits import SqlLimits

_NAME = "bench:TRADED/USD"
_DAY = 1_000
_SPACING_NS = 60_000_000
_MINUTE_BARS = """
    select time_bucket(interval '1 minute', ts) as minute, arg_min(price, ts_ns) as open,
           max(price) as high, min(price) as low, arg_max(price, ts_ns) as close,
           sum(amount) as volume
    from trades where exchange = 'bench' and symbol = 'TRADED/USD'
    group by minute order by minute
"""
_HOURS_OF_A_DAY = """
    select time_bucket(interval '1 hour', ts) as hour, arg_min(open, ts) as open,
           max(high) as high, min(low) as low, arg_max(close, ts) as close, sum(volume) as volume
    from candles where exchange = 'bench' and symbol = 'TRADED/USD' and timeframe = '1m'
      and ts >= '{start}' and ts < '{end}'
    group by hour order by hour
"""


def run(session: Session) -> Iterator[Figure]:
    yield from _all_trades(session)
    yield from _one_day(session)


def _all_trades(session: Session) -> Iterator[Figure]:
    rows = session.pick(5_000_000, 1_000_000)
    with flightstore(session.fresh("trades") / "store") as server, server.client() as db:
        parts = []
        for first in range(0, rows, 500_000):
            parts.append(inputs.trades(500_000, first=first, spacing_ns=_SPACING_NS))
            db.write(_NAME, parts[-1], dataset="trades")
        theirs = _duckdb("trades", pa.Table.from_batches(parts))
        assert db.sql(_MINUTE_BARS, output="arrow").num_rows == theirs(_MINUTE_BARS).num_rows
        seconds = interleaved(
            session.pick(15, 7),
            {
                "ours": lambda: db.sql(_MINUTE_BARS, output="arrow"),
                "DuckDB": lambda: theirs(_MINUTE_BARS),
            },
            warmups=2,
        )
    yield compared(
        f"minute bars of {rows / 1e6:g} M trades by SQL, over the wire, relative to DuckDB in "
        "process on an Arrow table",
        ratio(seconds["ours"], seconds["DuckDB"]),
        at_most=1.3,
        note=in_ms(**seconds),
        watched="less",
    )


def _one_day(session: Session) -> Iterator[Figure]:
    number = session.pick(_DAY, _DAY // 3)
    years = session.pick(5, 2)
    bars = inputs.bars(years * 365 * 1440, inputs.MINUTE_NS)
    start, end = (inputs.START_NS + n * inputs.DAY_NS for n in (number, number + 1))
    query = _HOURS_OF_A_DAY.format(start=_text(start), end=_text(end))
    theirs = _duckdb("candles", bars.slice(number * 1440, 1440))
    calls, root = session.pick(500, 200), session.fresh("minutes") / "store"
    with flightstore(root) as server, server.client() as db:
        db.write(_NAME, bars, timeframe="1m")
        assert db.sql(query, output="arrow").num_rows == theirs(query).num_rows == 24
        wire = alternating_calls(
            calls,
            {"ours": lambda: db.sql(query, output="arrow"), "DuckDB": lambda: theirs(query)},
        )
    yield compared(
        f"hours of one day out of {years} years of minutes by SQL, over the wire, relative to "
        "DuckDB in process on a table of only that day",
        ratio(wire["ours"], wire["DuckDB"], block=25),
        note=in_ms(**wire),
        watched="less",
    )
    store = open_store(root, Limits())
    engine = SqlEngine(store, SqlLimits())
    here = alternating_calls(
        calls, {"ours": lambda: _answered(engine, query), "DuckDB": lambda: theirs(query)}
    )
    engine.close()
    store.close()
    yield compared(
        "the same without the wire: the server's own time",
        ratio(here["ours"], here["DuckDB"], block=25),
        at_most=2,
        note=in_ms(**here),
        watched="less",
    )


def _text(ns: int) -> str:
    return str(pa.scalar(ns // 10**9, pa.timestamp("s")))


def _answered(engine: SqlEngine, query: str) -> pa.Table:
    answer = engine.run(query)
    return pa.Table.from_batches(answer.batches, answer.schema)


def _duckdb(table: str, rows: pa.Table) -> Callable[[str], pa.Table]:
    """What DuckDB answers from `rows`, in a table like the server's, registered for each query."""
    ts = rows.column("ts")
    words = {"exchange": "bench", "symbol": "TRADED/USD", "timeframe": "1m"}
    columns = {
        **{name: pa.array([word] * len(rows)).dictionary_encode() for name, word in words.items()},
        "ts": ts.cast(pa.timestamp("us", "UTC")),
        "ts_ns": ts.cast(pa.int64()),
        **{name: rows.column(name) for name in rows.column_names[1:]},
    }
    held = pa.table(columns)
    database = duckdb.connect()
    database.execute("SET GLOBAL TimeZone = 'UTC'")

    def answer(query: str) -> pa.Table:
        cursor = database.cursor()
        cursor.register(table, held)
        try:
            return cursor.sql(query).to_arrow_reader(65_536).read_all()
        finally:
            cursor.close()

    return answer
