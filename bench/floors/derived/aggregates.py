"""Bars out of trades, and bars kept up to date while their base is written.

20 M trades of one instrument, in segments: a rule for minute bars is added and the bars are read
over the wire, so that the server computes, stores and sends them, against DuckDB in this process
grouping the same rows out of Arrow memory. Then live minute bars of 1,000 series, with and without
a rule for six longer timeframes of each: what the puts cost, and what a read costs that finds every
series changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import duckdb
import pyarrow as pa

import flightstore as fs
from bench import inputs
from bench.figures import Figure, compared, in_ms
from bench.measure import Seconds, interleaved, inverse, ratio, timed
from bench.processes import flightstore
from bench.session import Session

_NAME = "bench:TRADED/USD"
_SPACING_NS = 1_080_000_000
_SERIES = 1_000
_LONGER = ["5m", "15m", "1h", "4h", "1d", "1w"]
_GROUPED = """
    select ts // 60000000000 as minute, arg_min(price, ts) as open, max(price) as high,
           min(price) as low, arg_max(price, ts) as close, sum(amount) as volume
    from trades group by minute order by minute
"""


def run(session: Session) -> Iterator[Figure]:
    yield from _from_trades(session)
    yield from _kept(session)


def _from_trades(session: Session) -> Iterator[Figure]:
    rows = session.pick(20_000_000, 2_000_000)
    with flightstore(session.fresh("trades") / "store") as server, server.client() as db:
        held = _write_trades(db, rows)
        expected = _grouped(held).num_rows
        taken: dict[str, Seconds] = {"ours": [], "DuckDB": []}
        for turn in range(session.pick(8, 12)):
            ours = _computed(db, expected)
            theirs = timed(lambda: _grouped(held))
            if turn:  # the first one warms both up: files are mapped and checked
                taken["ours"].append(ours)
                taken["DuckDB"].append(theirs)
    yield compared(
        f"{rows // 1_000_000} M trades to {expected:,} minute bars, by the server from segments, "
        "speed of DuckDB's on Arrow memory",
        inverse(ratio(taken["ours"], taken["DuckDB"])),
        at_least=4,
        note=in_ms(**taken),
        watched="more",
    )


def _write_trades(db: fs.Client, rows: int) -> pa.Table:
    """Write the trades; returns what a query needs of them, as Arrow."""
    step, kept = 500_000, []
    for first in range(0, rows, step):
        part = inputs.trades(step, first=first, spacing_ns=_SPACING_NS)
        db.write(_NAME, part, dataset="trades")
        columns = [part.column("ts").cast(pa.int64()), part.column("price"), part.column("amount")]
        kept.append(pa.RecordBatch.from_arrays(columns, names=["ts", "price", "amount"]))
    return pa.Table.from_batches(kept)


def _computed(db: fs.Client, expected: int) -> float:
    """Seconds from declaring the rule until all of its bars are here."""

    def work() -> int:
        db.rules.add(on="trades/bench:*", to=["1m"], name="bench")
        return int(db.candles(_NAME, "1m", output="arrow").num_rows)

    seconds = timed(lambda: _check(work(), expected))
    db.rules.remove("bench")
    return seconds


def _check(found: int, expected: int) -> None:
    if found != expected:
        raise SystemExit(f"{found} bars instead of {expected}.")


def _grouped(trades: pa.Table) -> pa.Table:
    with duckdb.connect() as connection:
        connection.register("trades", trades)
        return connection.sql(_GROUPED).to_arrow_table()


def _kept(session: Session) -> Iterator[Figure]:
    with (
        flightstore(session.fresh("plain") / "store") as plain,
        flightstore(session.fresh("ruled") / "store") as ruled,
        plain.client() as without,
        ruled.client() as with_rules,
    ):
        with_rules.rules.add(on="candles/*/1m", to=_LONGER, timezone="America/New_York")
        minutes = {"without": count(), "with": count()}
        taken = interleaved(
            session.pick(40, 16),
            {
                "without": lambda: _put_minute(without, next(minutes["without"])),
                "with": lambda: _put_minute(with_rules, next(minutes["with"])),
            },
            warmups=3,
        )
        read = _read_after_minutes(session, with_rules, minutes["with"])
    yield compared(
        "cost of the puts of 1,000 series of live minute bars with six longer timeframes kept of "
        "each, of the puts alone",
        ratio(taken["with"], taken["without"]),
        at_most=1.25,
        note=in_ms(**taken),
        watched="less",
    )
    yield compared(
        "read of all 5m bars of 1,000 series of which each has changed, of one where none has",
        ratio(read["changed"], read["unchanged"]),
        note=in_ms(**read),
    )


def _put_minute(db: fs.Client, minute: int) -> None:
    """One bar of each series, on one stream, all of them durable at the end."""
    bar = inputs.bars(1, inputs.MINUTE_NS, start_ns=inputs.START_NS + minute * inputs.MINUTE_NS)
    with db.writer("candles", "1m") as writer:
        for number in range(_SERIES):
            writer.write(inputs.wide_name(number), bar)


def _read_after_minutes(
    session: Session, db: fs.Client, minutes: Iterator[int]
) -> dict[str, Seconds]:
    def read() -> object:
        return db.candles("bench:*", "5m", output="arrow")

    taken: dict[str, Seconds] = {"changed": [], "unchanged": []}
    for _ in range(session.pick(7, 3)):
        _put_minute(db, next(minutes))
        taken["changed"].append(timed(read))
        taken["unchanged"].append(timed(read))
    return taken
