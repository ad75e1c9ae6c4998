"""Starting after `kill -9`, with rows in the log that are in no segment yet.

Two ways in which much can be there: 1 GiB of large puts (quick: 256 MiB), with a memory for rows
that is large enough to hold them; and 240,000 puts of one row (quick: 60,000), just under the
number of records after which rows are flushed by default. Against the start of an empty store, and
against reading the same bytes from the same files, which the system has in memory in either case.
"""

from __future__ import annotations

import os
import signal
import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from bench import inputs
from bench.figures import Figure
from bench.floors.counting import Clock, open_counted
from bench.measure import quartiles, timed
from bench.processes import flightstore
from bench.session import Session
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.received import Put, SeriesRows

_GIB = 2**30
_LARGE, _QUICK_LARGE, _ROWS_PER_PUT = _GIB, _GIB // 4, 20_000
_SMALL, _QUICK_SMALL, _SERIES = 240_000, 60_000, 1_000
_ROOMY_BYTES = 8 * _GIB
_ROOMY = {"FLIGHTSTORE_FLUSH_MEMORY_BYTES": str(_ROOMY_BYTES)}


@dataclass(frozen=True, slots=True)
class _Starts:
    """Of one log: its bytes, and seconds of each start, beyond those of an empty store."""

    log_bytes: int
    seconds: list[float]
    reading: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def note(self) -> str:
        read = statistics.median(self.reading)
        return (
            f"{self.median:.2f} s for {self.log_bytes / 2**20:.0f} MiB of log, "
            f"{self.median / read:.1f} times reading it"
        )


def run(session: Session) -> Iterator[Figure]:
    rounds = session.pick(5, 3)
    empty = session.fresh("empty")
    large = session.fresh("large")
    _fill(large, _large_puts(), session.pick(_LARGE, _QUICK_LARGE))
    starts = _starts(large, _ROOMY, rounds, empty)
    per_gib = [seconds / (starts.log_bytes / _GIB) for seconds in starts.seconds]
    yield Figure(
        "start after a kill, for each GiB of log",
        statistics.median(per_gib),
        "s",
        at_most=2,
        spread=quartiles(per_gib),
        note=starts.note(),
    )
    small, puts = session.fresh("small"), session.pick(_SMALL, _QUICK_SMALL)
    _fill(small, _small_puts(puts))
    starts = _starts(small, {}, rounds, empty)
    yield Figure(
        f"start after a kill with {puts:,} puts of one row in the log",
        starts.median,
        "s",
        spread=quartiles(starts.seconds),
        note=starts.note(),
    )


def _fill(data: Path, puts: Iterable[Put], log_bytes: int | None = None) -> None:
    """Put until nothing is left or the log is large enough. Nothing is flushed."""
    limits = Limits(flush_bytes=_ROOMY_BYTES, memtable_bytes_max=_ROOMY_BYTES)
    store, disk = open_counted(data, Clock(inputs.START_NS), limits)
    pending = None
    for put in puts:
        pending = store.put(put)
        if log_bytes is not None and disk.written["log"] >= log_bytes:
            break
    assert pending is not None
    pending.result()
    store.close()


def _large_puts() -> Iterator[Put]:
    for number in count():
        rows = inputs.trades(_ROWS_PER_PUT, first=number * _ROWS_PER_PUT)
        yield Put("trades", [rows], [SeriesRows("bench:T/USD", "", len(rows))])


def _small_puts(puts: int) -> Iterator[Put]:
    """One minute of every series, then the next minute of every series."""
    bars = inputs.bars(puts // _SERIES, inputs.MINUTE_NS).to_batches()[0]
    for minute in range(len(bars)):
        for number in range(_SERIES):
            said = SeriesRows(f"bench:S{number:04}/USD", "1m", 1)
            yield Put("candles", [bars.slice(minute, 1)], [said])


def _starts(data: Path, settings: Mapping[str, str], rounds: int, empty: Path) -> _Starts:
    """Start it again and again on the log as it is, and kill it each time; `empty` takes turns."""
    starts = _Starts(_log_bytes(data), [], [])
    for _ in range(rounds):
        with flightstore(empty) as server:
            without = server.start_seconds
        starts.reading.append(timed(lambda: [path.read_bytes() for path in _log_files(data)]))
        with flightstore(data, settings=settings) as server:
            os.kill(server.pid, signal.SIGKILL)
            starts.seconds.append(max(server.start_seconds - without, 0.0))
    return starts


def _log_files(data: Path) -> list[Path]:
    return sorted((data / "log").glob("*.log"))


def _log_bytes(data: Path) -> int:
    return sum(path.stat().st_size for path in _log_files(data))
