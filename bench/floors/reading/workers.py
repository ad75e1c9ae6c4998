"""Many series read by workers on the server's own machine, part by part, out of its files.

1,000 series of 10,000 hourly bars, planned into 64 parts. Two worker processes, each of which reads
parts and adds up their columns, so that every value is touched, against one that does the same.
What two cores of this machine gain at all is shown by sums of arrays in a worker's own memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context

import numpy as np
import polars as pl
from numpy.typing import NDArray

import flightstore as fs
from bench import inputs
from bench.figures import Figure, compared, in_ms
from bench.measure import interleaved, inverse, ratio
from bench.processes import flightstore
from bench.session import Session

_SERIES = 1_000
_ROWS = 10_000
_STEP_NS = 60 * inputs.MINUTE_NS
_PER_PUT = 100


def run(session: Session) -> Iterator[Figure]:
    data = session.fresh("workers")
    with flightstore(data) as server, fs.connect(server.uri, same_host=True) as db:
        _store(db)
        parts = db.plan("*", "1h")
        spawn = get_context("spawn")
        with ProcessPoolExecutor(1, spawn) as one, ProcessPoolExecutor(2, spawn) as two:
            expected = _SERIES * _ROWS
            taken = interleaved(
                session.pick(15, 5),
                {
                    "one": lambda: _check(_read_by(one, parts), expected),
                    "two": lambda: _check(_read_by(two, parts), expected),
                    "one in memory": lambda: _added_by(one, len(parts)),
                    "two in memory": lambda: _added_by(two, len(parts)),
                },
                warmups=2,
            )
    yield compared(
        "two workers reading 1,000 series by parts, speed of one worker's",
        inverse(ratio(taken["two"], taken["one"])),
        at_least=1.6,
        note=in_ms(one=taken["one"], two=taken["two"]),
    )
    yield compared(
        "two workers adding up arrays in their own memory, speed of one worker's",
        inverse(ratio(taken["two in memory"], taken["one in memory"])),
        note=in_ms(one=taken["one in memory"], two=taken["two in memory"]),
    )


def _store(db: fs.Client) -> None:
    for first in range(0, _SERIES, _PER_PUT):
        numbers = range(first, first + _PER_PUT)
        frames = {inputs.wide_name(n): inputs.bars(_ROWS, _STEP_NS, seed=n) for n in numbers}
        db.write_many(frames, timeframe="1h")
    db.flush()


def _read_by(pool: ProcessPoolExecutor, parts: Sequence[fs.Part]) -> int:
    return sum(pool.map(_work, parts))


def _work(part: fs.Part) -> int:
    """Read one part and add up its numbers; returns how many rows it has."""
    rows: pl.DataFrame = part.read()
    rows.select(pl.col(pl.Float64).sum())
    return rows.height


def _added_by(pool: ProcessPoolExecutor, times: int) -> float:
    return sum(pool.map(_add_up, range(times)))


def _add_up(_: int) -> float:
    """As many values as a part has, added up four times: about what reading a part takes."""
    return sum(float(_in_memory().sum()) for _ in range(4))


@cache
def _in_memory() -> NDArray[np.float64]:
    return np.ones(_SERIES * _ROWS * 5 // 64)


def _check(rows: int, expected: int) -> int:
    assert rows == expected, f"{rows} rows are not {expected}"
    return rows
