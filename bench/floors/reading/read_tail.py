"""Reading the last 100 rows of one of 7,700 series (quick: 1,000), another one each time.

Against a DoGet of no rows from a bare Flight server: what a round trip costs on this machine. The
same server also sends 100 rows it holds in memory, which no server can undercut.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import polars as pl
import pyarrow.flight as fl

import flightstore as fs
from bench import inputs
from bench.figures import Figure, compared, in_ms
from bench.floors import bare_flight
from bench.floors.reading import read_many
from bench.measure import alternating_calls, ratio
from bench.processes import flightstore, floor
from bench.session import Session

_BLOCK = 25


def run(session: Session) -> Iterator[Figure]:
    data = session.fresh("tail")
    with (
        flightstore(data) as server,
        floor([str(data), "few"]) as bare,
        server.client() as db,
        fl.FlightClient(bare.uri) as client,
    ):
        series = session.pick(inputs.WIDE_SERIES, 1_000)
        read_many.store(db, series)
        db.candles("*", "1d", columns=["close"], output="arrow")  # files are open, as in service
        yield from _compare(session, db, client, series)


def _compare(
    session: Session, db: fs.Client, client: fl.FlightClient, series: int
) -> Iterator[Figure]:
    taken = alternating_calls(
        session.pick(3_000, 1_000),
        {
            "empty": lambda: bare_flight.read(client, "empty"),
            "bare arrow": lambda: bare_flight.read(client, "few"),
            "bare polars": lambda: pl.from_arrow(bare_flight.read(client, "few")),
            "polars": _tails(db, "polars", series),
            "arrow": _tails(db, "arrow", series),
        },
        block=_BLOCK,
    )
    empty = taken["empty"]
    for output, most in (("polars", 1.6), ("arrow", None)):
        yield compared(
            f"median time as {output}, of an empty DoGet's",
            ratio(taken[output], empty, block=_BLOCK),
            at_most=most,
            note=in_ms(empty=empty, ours=taken[output]),
            watched="less",
        )
        yield compared(
            f"the same of 100 rows as {output} from a bare server's memory",
            ratio(taken[f"bare {output}"], empty, block=_BLOCK),
            note=in_ms(bare=taken[f"bare {output}"]),
        )


def _tails(db: fs.Client, output: str, series: int) -> Callable[[], object]:
    draw = random.Random(1)

    def tail() -> object:
        name = inputs.wide_name(draw.randrange(series))
        return db.candles(name, "1d", tail=100, output=output)

    return tail
