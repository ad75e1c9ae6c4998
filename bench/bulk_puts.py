"""5 M trades of one instrument in puts of 50,000, each durable before it is acknowledged.

Against the bare Flight put server of floors.py, which receives the same batches, compares the
schema, validates every value, appends the batch to a file with one fdatasync, and acknowledges.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pyarrow as pa

import flightstore as fs
from bench import floors, inputs
from bench.figures import Figure, compared
from bench.measure import Seconds, interleaved, inverse, ratio
from bench.processes import flightstore, floor
from bench.session import Session

_ROWS, _PER_PUT = 5_000_000, 50_000


def run(session: Session) -> Iterator[Figure]:
    data = session.fresh("bulk")
    puts = [inputs.trades(_PER_PUT, first=first) for first in range(0, _ROWS, _PER_PUT)]
    with flightstore(data / "store") as server, floor([str(data)]) as bare, server.client() as db:
        taken = _alternate(session, db, bare.uri, puts)
    yield compared(
        "rate, of a bare Flight put server's",
        inverse(ratio(taken["ours"], taken["bare"])),
        at_least=0.8,
        note=_rates(taken),
    )
    yield compared(
        "the same, until all rows are in segments",
        inverse(ratio(taken["ours, flushed"], taken["bare"])),
        note=_rates(taken),
    )


def _alternate(
    session: Session, db: fs.Client, uri: str, puts: list[pa.RecordBatch]
) -> dict[str, Seconds]:
    number = count()
    return interleaved(
        session.pick(7, 3),
        {
            "bare": lambda: floors.BarePut(uri, f"bulk-{next(number)}").send(puts),
            "ours": lambda: _write(db, f"bench:T{next(number)}/USD", puts),
            "ours, flushed": lambda: (_write(db, f"bench:T{next(number)}/USD", puts), db.flush()),
        },
    )


def _write(db: fs.Client, name: str, puts: list[pa.RecordBatch]) -> None:
    with db.writer("trades") as writer:
        for rows in puts:
            writer.write(name, rows)


def _rates(taken: dict[str, Seconds]) -> str:
    def millions(times: Seconds) -> str:
        return f"{_ROWS / sorted(times)[len(times) // 2] / 1e6:.2f} M rows/s"

    return ", ".join(f"{name} {millions(times)}" for name, times in taken.items())
