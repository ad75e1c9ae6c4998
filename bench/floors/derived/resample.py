"""Bars that are not stored, made while they are read.

1.27 M minute bars of one instrument, in segments, are read as hourly and as daily ones over the
wire, against DuckDB in this process grouping the same rows out of Arrow memory by time_bucket,
arg_min and arg_max: the table as a read gives it, whose nanoseconds must be cast for time_bucket,
and one whose times were made microseconds beforehand. Then the last hundred hourly bars, and the
minutes filled and labelled by their close, against the plain read.
"""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pyarrow as pa

import flightstore as fs
from bench import inputs
from bench.figures import Figure, compared, in_ms
from bench.measure import interleaved, inverse, ratio
from bench.processes import flightstore
from bench.session import Session

_NAME = "bench:MINUTES/USD"
_GROUPED = """
    select time_bucket(interval '{length}', {ts}) as ts, arg_min(open, ts) as open,
           max(high) as high, min(low) as low, arg_max(close, ts) as close, sum(volume) as volume
    from {table} group by 1 order by 1
"""
_LENGTHS = {"1h": "1 hour", "1d": "1 day"}


def run(session: Session) -> Iterator[Figure]:
    minutes = inputs.history()
    with (
        flightstore(session.fresh("minutes") / "store") as server,
        server.client() as db,
        duckdb.connect() as connection,
    ):
        db.write(_NAME, minutes, timeframe="1m")
        db.flush()
        connection.register("minutes", minutes)
        ts = minutes.column("ts").cast(pa.timestamp("us"))
        connection.register("prepared", minutes.set_column(0, "ts", ts))
        for timeframe in _LENGTHS:
            yield from _against_duckdb(session, db, connection, timeframe)
        yield from _against_plain_reads(session, db)


def _against_duckdb(
    session: Session, db: fs.Client, connection: duckdb.DuckDBPyConnection, timeframe: str
) -> Iterator[Figure]:
    length = _LENGTHS[timeframe]
    cast = _GROUPED.format(length=length, table="minutes", ts="minutes.ts::timestamptz")
    prepared = _GROUPED.format(length=length, table="prepared", ts="prepared.ts")
    expected = connection.sql(cast).to_arrow_table().num_rows
    found = db.candles(_NAME, timeframe, output="arrow").num_rows
    if found != expected:
        raise SystemExit(f"{found} bars of {timeframe} instead of {expected}.")
    taken = interleaved(
        session.pick(30, 10),
        {
            "ours": lambda: db.candles(_NAME, timeframe, output="arrow"),
            "cast": lambda: connection.sql(cast).to_arrow_table(),
            "prepared": lambda: connection.sql(prepared).to_arrow_table(),
        },
        warmups=3,
    )
    what = f"{inputs.HISTORY_ROWS:,} minute bars to {expected:,} of {timeframe} over the wire"
    yield compared(
        f"{what}, speed of DuckDB's on the same Arrow table in this process",
        inverse(ratio(taken["ours"], taken["cast"])),
        at_least=6 if timeframe == "1h" else None,
        note=in_ms(ours=taken["ours"], DuckDB=taken["cast"]),
    )
    yield compared(
        f"{what}, speed of DuckDB's on one whose times are microseconds already",
        inverse(ratio(taken["ours"], taken["prepared"])),
        note=in_ms(ours=taken["ours"], DuckDB=taken["prepared"]),
        watched="more",
    )


def _against_plain_reads(session: Session, db: fs.Client) -> Iterator[Figure]:
    taken = interleaved(
        session.pick(15, 9),
        {
            "plain": lambda: db.candles(_NAME, "1m", output="arrow"),
            "filled": lambda: db.candles(_NAME, "1m", fill="ffill", output="arrow"),
            "labelled": lambda: db.candles(_NAME, "1m", label="close", output="arrow"),
            "last": lambda: db.candles(_NAME, "1m", tail=100, output="arrow"),
            "last made": lambda: db.candles(_NAME, "1h", tail=100, output="arrow"),
        },
    )
    for what, name, of in (
        ("all minutes filled, time of the plain read's", "filled", "plain"),
        ("all minutes labelled by their close, time of the plain read's", "labelled", "plain"),
        ("the last 100 hourly bars, time of the last 100 minutes'", "last made", "last"),
    ):
        note = in_ms(**{each: taken[each] for each in (of, name)})
        yield compared(what, ratio(taken[name], taken[of]), note=note, watched="less")
