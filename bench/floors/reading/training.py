"""Windows for training: 512 rows of five columns each, drawn at random out of many series.

Over the wire, their values per second against those of a plain read of the same series, streamed as
well. On the server's own host, where files are mapped, against slicing the same windows out of one
array in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import flightstore as fs
from bench import inputs
from bench.figures import Figure, compared, in_ms
from bench.measure import interleaved, inverse, ratio
from bench.processes import flightstore
from bench.session import Session

_LENGTH = 512
_BATCH = 256
_BATCHES = 40
_ROWS = 10_000
_PER_PUT = 50
_COLUMNS = 5
Floats = NDArray[np.float64]


def run(session: Session) -> Iterator[Figure]:
    series = session.pick(1_000, 200)
    with flightstore(session.fresh("training") / "store") as server:
        with server.client() as db:
            for first in range(0, series, _PER_PUT):
                numbers = range(first, first + _PER_PUT)
                bars = {inputs.wide_name(n): _bars(n) for n in numbers}
                db.write_many(bars, timeframe="1m")
            db.flush()
        with fs.connect(server.uri, same_host=False) as db:
            yield _streamed(session, db, series)
        with fs.connect(server.uri, same_host=True) as db:
            yield _mapped(session, db, series)


def _bars(number: int) -> pa.Table:
    return inputs.bars(_ROWS, inputs.MINUTE_NS, seed=number)


def _streamed(session: Session, db: fs.Client, series: int) -> Figure:
    windows = db.windows("bench:*", "1m", length=_LENGTH, batch=_BATCH)
    taken = interleaved(
        session.pick(15, 7),
        {
            "plain": lambda: db.candles("bench:*", "1m", output="arrow"),
            "windows": lambda: _count(islice(windows, _BATCHES)),
        },
    )
    # A plain read has a sixth column, the times.
    values = _BATCHES * _BATCH * _LENGTH * _COLUMNS
    share = values / (series * _ROWS * (_COLUMNS + 1))
    speeds = inverse(ratio([t / share for t in taken["windows"]], taken["plain"]))
    return compared(
        f"values per second of windows drawn over the wire out of {series} series, of a plain "
        "read's",
        speeds,
        at_least=0.5,
        note=in_ms(**taken),
        watched="more",
    )


def _mapped(session: Session, db: fs.Client, series: int) -> Figure:
    windows = db.windows("bench:*", "1m", length=_LENGTH, batch=_BATCH)
    held = _in_memory(db.candles("bench:*", "1m", output="arrow"))
    first = _first_rows(windows)
    taken = interleaved(
        session.pick(31, 11),
        {
            "numpy": lambda: _count(_sliced(held, first)),
            "windows": lambda: _count(islice(windows, _BATCHES)),
        },
        warmups=2,
    )
    return compared(
        f"time to draw {_BATCHES * _BATCH:,} windows out of {series} series on the server's host, "
        "of slicing them out of one array in memory",
        ratio(taken["windows"], taken["numpy"]),
        at_most=2,
        note=in_ms(**taken),
        watched="less",
    )


def _count(batches: Iterable[Floats]) -> int:
    return sum(len(values) for values in batches)


def _in_memory(table: pa.Table) -> Floats:
    return np.column_stack([table.column(name).to_numpy() for name in table.column_names[-5:]])


def _first_rows(windows: fs.Windows) -> list[list[int]]:
    """The rows of the one array with which the windows of each batch begin."""
    found = []
    for _, names, starts in islice(windows.with_names(), _BATCHES):
        series = [int(name.removeprefix("bench:S").removesuffix("/USD")) for name in names]
        row = (starts.view(np.int64) - inputs.START_NS) // inputs.MINUTE_NS
        found.append([s * _ROWS + int(r) for s, r in zip(series, row, strict=True)])
    return found


def _sliced(held: Floats, first: list[list[int]]) -> Iterator[Floats]:
    for rows in first:
        yield np.stack([held[row : row + _LENGTH] for row in rows])
