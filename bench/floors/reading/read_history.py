"""Reading 1.27 M minute bars, the whole history of one series, over loopback.

Against a bare Flight server that hands out the same table from memory in batches of 64 Ki rows,
read by Flight's own client as Arrow.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow.flight as fl

import flightstore as fs
from bench import inputs
from bench.figures import Figure, compared, in_ms
from bench.floors import bare_flight
from bench.measure import interleaved, inverse, ratio
from bench.processes import flightstore, floor
from bench.session import Session

_NAME = "bench:BTC/USD"


def run(session: Session) -> Iterator[Figure]:
    data = session.fresh("history")
    with (
        flightstore(data) as server,
        floor([str(data), "history"]) as bare,
        server.client() as db,
        fl.FlightClient(bare.uri) as client,
    ):
        db.write(_NAME, inputs.history(), timeframe="1m")
        db.flush()
        yield from _compare(session, db, client)


def _compare(session: Session, db: fs.Client, client: fl.FlightClient) -> Iterator[Figure]:
    taken = interleaved(
        session.pick(31, 11),
        {
            "bare": lambda: bare_flight.read(client, "history"),
            "arrow": lambda: db.candles(_NAME, "1m", output="arrow"),
            "polars": lambda: db.candles(_NAME, "1m"),
            "pandas": lambda: db.candles(_NAME, "1m", output="pandas"),
        },
        warmups=2,
    )
    bare = taken["bare"]
    as_arrow = inverse(ratio(taken["arrow"], bare))
    yield compared(
        "speed as Arrow, of a bare Flight server's",
        as_arrow,
        at_least=0.9,
        note=in_ms(bare=bare, ours=taken["arrow"]),
        watched="more",
    )
    for output, most in (("polars", 1.6), ("pandas", 1.8)):
        yield compared(
            f"time as {output}, of the bare Arrow read's",
            ratio(taken[output], bare),
            at_most=most,
            note=in_ms(ours=taken[output]),
            watched="less",
        )
