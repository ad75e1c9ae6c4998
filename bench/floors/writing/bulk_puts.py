"""5 M trades of one instrument (quick: 2 M) in puts of 50,000, durable when they are acknowledged.

Against the bare Flight put server of bare_flight.py, which receives the same batches, compares the
schema, validates every value, appends the batch to a file with one fdatasync, and acknowledges.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pyarrow as pa

import flightstore as fs
from bench import inputs
from bench.figures import Figure, compared
from bench.floors import bare_flight
from bench.measure import Seconds, interleaved, inverse, ratio
from bench.processes import flightstore, floor
from bench.session import Session

_ROWS, _QUICK_ROWS, _PER_PUT = 5_000_000, 2_000_000, 50_000
_ROUNDS = 7


def run(session: Session) -> Iterator[Figure]:
    data = session.fresh("bulk")
    rows = session.pick(_ROWS, _QUICK_ROWS)
    puts = [inputs.trades(_PER_PUT, first=first) for first in range(0, rows, _PER_PUT)]
    with flightstore(data / "store") as server, floor([str(data)]) as bare, server.client() as db:
        taken = _alternate(db, bare.uri, puts)
    yield compared(
        "rate, of a bare Flight put server's",
        inverse(ratio(taken["ours"], taken["bare"])),
        at_least=0.8,
        note=_rates(taken, rows),
        watched="more",
    )
    yield compared(
        "the same, until all rows are in segments",
        inverse(ratio(taken["ours, flushed"], taken["bare"])),
        note=_rates(taken, rows),
        watched="more",
    )


def _alternate(db: fs.Client, uri: str, puts: list[pa.RecordBatch]) -> dict[str, Seconds]:
    number = count()
    return interleaved(
        _ROUNDS,
        {
            "bare": lambda: bare_flight.BarePut(uri, f"bulk-{next(number)}").send(puts),
            "ours": lambda: _write(db, f"bench:T{next(number)}/USD", puts),
            "ours, flushed": lambda: (_write(db, f"bench:T{next(number)}/USD", puts), db.flush()),
        },
    )


def _write(db: fs.Client, name: str, puts: list[pa.RecordBatch]) -> None:
    with db.writer("trades") as writer:
        for rows in puts:
            writer.write(name, rows)


def _rates(taken: dict[str, Seconds], rows: int) -> str:
    def millions(times: Seconds) -> str:
        return f"{rows / sorted(times)[len(times) // 2] / 1e6:.2f} M rows/s"

    return ", ".join(f"{name} {millions(times)}" for name, times in taken.items())
