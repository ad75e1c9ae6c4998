"""Starting a server of 50,000 series (quick: 10,000) whose log is clean: all rows are in segments.

From the start of `flightstore serve` to its line `listening on`; and the most resident memory of
its first seconds, in which it also looks for left-over files.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from bench import inputs
from bench.figures import Figure, compared
from bench.floors.counting import Clock, open_counted
from bench.measure import quartiles, ratio
from bench.processes import Server, flightstore, resident
from bench.session import Session
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.received import Put, SeriesRows

_SERIES, _QUICK_SERIES, _PER_PUT, _ROWS = 50_000, 10_000, 1_000, 5
_SETTLE_SECONDS = 3.0


def run(session: Session) -> Iterator[Figure]:
    data, series = session.fresh("start"), session.pick(_SERIES, _QUICK_SERIES)
    _build(data, series)
    seconds, empty, megabytes = [], [], []
    for _ in range(session.pick(5, 3)):
        with flightstore(session.fresh("start-empty")) as server:
            empty.append(server.start_seconds)
        with flightstore(data) as server:
            seconds.append(server.start_seconds)
            if not (session.watched_only and megabytes):  # one round says it too, and takes seconds
                megabytes.append(_settled(server, series) / 1e6)
    yield Figure(
        f"seconds until {series:,} series are ready",
        statistics.median(seconds),
        "s",
        at_most=3,
        spread=quartiles(seconds),
        note=f"an empty store {statistics.median(empty):.2f} s",
    )
    yield compared(
        f"the start with {series:,} series, of an empty store's",
        ratio(seconds, empty),
        watched="less",
    )
    yield Figure("resident memory", max(megabytes), "MB", at_most=500, watched="less")


def _settled(server: Server, series: int) -> int:
    """The most resident memory of a server's first seconds."""
    most, until = 0, time.monotonic() + _SETTLE_SECONDS
    with server.client() as db:
        found = db.status().series
        if found != series:
            raise SystemExit(f"The server has {found} series, not {series}.")
    while time.monotonic() < until:
        most = max(most, resident(server.pid))
        time.sleep(0.1)
    return most


def _build(data: Path, series: int) -> None:
    """Daily series of five bars, each in a segment of its own."""
    clock = Clock(inputs.START_NS)
    store, _ = open_counted(data, clock, Limits())
    bar = inputs.bars(_ROWS, inputs.DAY_NS).to_batches()[0]
    for start in range(0, series, _PER_PUT):
        names = [f"bench:S{number:05}/USD" for number in range(start, start + _PER_PUT)]
        rows = pa.concat_batches([bar] * _PER_PUT)
        store.put(
            Put("candles", [rows], [SeriesRows(name, "1d", _ROWS) for name in names])
        ).result()
    store.flush()
    store.close()
