"""SQL over Flight SQL, end to end: an unmodified ADBC driver asks, the server's engine answers.

5 M trades of one instrument, in segments, to minute bars: open, high, low, close and volume, as one
SELECT. The same statement in DuckDB in this process, over the same rows as an Arrow table in memory
whose times are microseconds already, which is what DuckDB computes with.
"""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pyarrow as pa
from adbc_driver_flightsql import dbapi

import flightstore as fs
from bench import inputs
from bench.figures import Figure, compared, in_ms
from bench.measure import interleaved, ratio
from bench.processes import flightstore
from bench.session import Session

_NAME = "bench:TRADED/USD"
_SPACING_NS = 1_080_000_000
_BARS = """
    select time_bucket(interval '1 minute', ts) as minute, arg_min(price, ts) as open,
           max(price) as high, min(price) as low, arg_max(price, ts) as close,
           sum(amount) as volume
    from trades group by minute order by minute
"""


def run(session: Session) -> Iterator[Figure]:
    rows = session.pick(5_000_000, 1_000_000)
    with flightstore(session.fresh("trades") / "store") as server, server.client() as db:
        held = _write_trades(db, rows)
        with (
            dbapi.connect(server.uri, autocommit=True) as connection,
            connection.cursor() as cursor,
            duckdb.connect() as local,
        ):
            local.register("trades", held)
            _check(_over_adbc(cursor), _in_process(local))
            taken = interleaved(
                session.pick(15, 5),
                {"ADBC": lambda: _over_adbc(cursor), "in process": lambda: _in_process(local)},
                warmups=2,
            )
    yield compared(
        f"{rows // 1_000_000} M trades to minute bars in SQL, over ADBC and Flight SQL, time of "
        "DuckDB's in process on Arrow memory",
        ratio(taken["ADBC"], taken["in process"]),
        at_most=1.3,
        note=in_ms(**taken),
    )


def _write_trades(db: fs.Client, rows: int) -> pa.Table:
    """Write the trades; returns what the query needs of them, as DuckDB wants it."""
    step, kept = 500_000, []
    for first in range(0, rows, step):
        part = inputs.trades(step, first=first, spacing_ns=_SPACING_NS)
        db.write(_NAME, part, dataset="trades")
        times = part.column("ts").cast(pa.timestamp("us", "UTC"), safe=False)
        columns = [times, part.column("price"), part.column("amount")]
        kept.append(pa.RecordBatch.from_arrays(columns, names=["ts", "price", "amount"]))
    db.flush()
    return pa.Table.from_batches(kept)


def _over_adbc(cursor: dbapi.Cursor) -> pa.Table:
    cursor.execute(_BARS)
    return cursor.fetch_arrow_table()


def _in_process(local: duckdb.DuckDBPyConnection) -> pa.Table:
    return local.sql(_BARS).to_arrow_table()


def _check(ours: pa.Table, theirs: pa.Table) -> None:
    if ours.column("close") != theirs.column("close"):
        raise SystemExit(f"{ours.num_rows} bars that are not the {theirs.num_rows} expected.")
