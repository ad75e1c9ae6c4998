"""Reading 7,700 series of 870 daily bars in one call.

As one polars frame, against a bare Flight server that sends the same rows packed into batches of
64 Ki, read by Flight's own client as Arrow: once the server has opened its files, and as the first
read after its start. As a mapping of 7,700 pandas frames of which none is touched, against the
polars frame.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

import pyarrow.flight as fl

import flightstore as fs
from bench import inputs
from bench.figures import Figure, compared, in_ms
from bench.floors import bare_flight
from bench.measure import Seconds, interleaved, ratio, timed
from bench.processes import flightstore, floor
from bench.session import Session

_PER_PUT = 1_000


def run(session: Session) -> Iterator[Figure]:
    data = session.fresh("many")
    with flightstore(data) as server, server.client() as db:
        store(db)
    with floor([str(data), "wide"]) as bare, fl.FlightClient(bare.uri) as client:
        first = _first_reads(data, session.pick(5, 3))
        with flightstore(data) as server, server.client() as db:
            yield from _warm(session, db, client, first)


def store(db: fs.Client, series: int = inputs.WIDE_SERIES) -> None:
    """Write so many of the daily series, and move them into segments."""
    for start in range(0, series, _PER_PUT):
        numbers = range(start, min(start + _PER_PUT, series))
        frames = {inputs.wide_name(n): inputs.wide_series(n) for n in numbers}
        db.write_many(frames, timeframe="1d")
    db.flush()


def _first_reads(data: Path, starts: int) -> Seconds:
    """How long the first read takes after each of so many starts of the server."""
    taken = []
    for _ in range(starts):
        with flightstore(data) as server, server.client() as db:
            taken.append(timed(lambda db=db: _all(db)))
    return taken


def _all(db: fs.Client, **options: str) -> object:
    return db.candles("*", "1d", **options)


def _warm(
    session: Session, db: fs.Client, client: fl.FlightClient, first: Seconds
) -> Iterator[Figure]:
    taken = interleaved(
        session.pick(15, 7),
        {
            "bare": lambda: bare_flight.read(client, "wide"),
            "polars": lambda: _all(db),
            "dict": lambda: _all(db, layout="dict", output="pandas"),
        },
    )
    bare, polars = taken["bare"], taken["polars"]
    yield compared(
        "time as one polars frame, of the bare packed read's",
        ratio(polars, bare),
        at_most=1.5,
        note=in_ms(bare=bare, ours=polars),
        watched="less",
    )
    typical = [statistics.median(bare)] * len(first)
    yield compared(
        "the first read after a start, of the bare packed read's",
        ratio(first, typical),
        at_most=4,
        note=in_ms(ours=first),
        watched="less",
    )
    yield compared(
        "time as 7,700 untouched pandas frames, of the polars frame's",
        ratio(taken["dict"], polars),
        at_most=1.1,
        note=in_ms(ours=taken["dict"]),
        watched="less",
    )
