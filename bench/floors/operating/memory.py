"""The server's own memory (RssAnon + RssShmem; mapped files belong to the page cache) at its peak.

While one writer sends 50 M trades of ten instruments in puts of 50,000, made beforehand, as fast as
they are acknowledged; and while a client then reads 4 GB of bars as a stream.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import flightstore as fs
from bench import inputs
from bench.figures import Figure
from bench.processes import PeakMemory, Server, flightstore
from bench.session import Session

_TRADES, _PER_PUT = 5_000_000, 50_000
_BARS = 2_000_000  # 96 MB
_MIB = 1 << 20


def run(session: Session) -> Iterator[Figure]:
    with flightstore(session.fresh("memory")) as server, server.client() as db:
        yield _ingesting(server, db, session.pick(10, 2))
        yield _serving(server, db, session.pick(42, 11))


def _ingesting(server: Server, db: fs.Client, instruments: int) -> Figure:
    puts = [inputs.trades(_PER_PUT, first=first) for first in range(0, _TRADES, _PER_PUT)]
    rows = instruments * _TRADES
    start = time.perf_counter()
    with PeakMemory(server.pid) as peak, db.writer("trades") as writer:
        for number in range(instruments):
            for put in puts:
                writer.write(f"bench:T{number}/USD", put)
    rate = rows / (time.perf_counter() - start) / 1e6
    return Figure(
        f"peak while ingesting {rows // 1_000_000} M trades",
        peak.bytes / _MIB,
        "MiB",
        at_most=1024,
        note=f"{rate:.1f} M rows/s",
    )


def _serving(server: Server, db: fs.Client, series: int) -> Figure:
    bars = inputs.bars(_BARS, 10**9)
    for number in range(series):
        db.write(f"bench:S{number:02}/USD", bars, timeframe="1s")
    start, read = time.perf_counter(), 0
    with PeakMemory(server.pid) as peak, db.batches("bench:S*", "1s") as batches:
        for batch in batches:
            read += batch.nbytes
    rate = read / (time.perf_counter() - start) / 1e9
    return Figure(
        f"peak while serving a read of {read / 1e9:.1f} GB",
        peak.bytes / _MIB,
        "MiB",
        at_most=1024,
        note=f"{rate:.1f} GB/s",
    )
