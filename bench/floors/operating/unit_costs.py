"""What one more of each thing costs the server: the figures that bench/EXTRAPOLATION.md adds up.

Processor time, not waiting: it is what a larger machine has more of. The engine is asked in this
process, on a disk that syncs nothing, for rows and files; a server in its own process is asked over
the wire for puts and subscribers. Then what the disk adds: a sync, and a flush that syncs.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.flight as fl

import flightstore as fs
from bench import inputs
from bench.figures import Figure
from bench.floors.bare_flight import APPEND, append
from bench.floors.counting import Clock, open_counted
from bench.measure import quartiles
from bench.processes import flightstore, processor_seconds
from bench.session import Session
from flightstore_proto import flightstore_pb2 as pb
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.received import Put, SeriesRows
from flightstore_server.engine.store import open_store

_SERIES, _QUICK_SERIES = 5_000, 500
_SECOND = 10**9
_BARS_PER_SEGMENT = 28  # what 64 MiB of memory hold of each of 50,000 series
_SUBSCRIBERS, _TRADES_PER_PUT = 50, 50_000
_TURNS = 5


def run(session: Session) -> Iterator[Figure]:
    yield from _wide_puts(session)
    yield from _over_the_wire(session)
    yield from _disk(session)


def _micro(what: str, seconds: list[float], note: str = "") -> Figure:
    values = [each * 1e6 for each in seconds]
    return Figure(what, statistics.median(values), "us", spread=quartiles(values), note=note)


def _wide_puts(session: Session) -> Iterator[Figure]:
    """A bar a second of thousands of series, a put for each second; flushed, and merged."""
    series = session.pick(_SERIES, _QUICK_SERIES)
    clock = Clock(inputs.START_NS)
    limits = replace(Limits(), flush_bytes=1 << 40, memtable_bytes_max=1 << 40)
    store, _ = open_counted(session.fresh("wide"), clock, limits)
    names = [SeriesRows(f"bench:S{number:05}/USD", "1s", 1) for number in range(series)]
    puts: list[float] = []
    flushes: list[float] = []
    for turn in range(limits.compact_segments_min):
        for second in range(_BARS_PER_SEGMENT):
            put = _second(series, names, turn * _BARS_PER_SEGMENT + second)
            puts.append(_spent(lambda put=put: store.put(put).result()) / series)
        flushes.append(_spent(store.flush) / series)
    merge = _spent(lambda: store.maintenance.compact()) / series
    store.close()
    yield _micro("processor time of a bar in a put of one bar of each of many series", puts[1:])
    yield _micro(f"of a segment of {_BARS_PER_SEGMENT} bars, in a flush of many", flushes)
    yield _micro(f"of merging {limits.compact_segments_min} such segments into one", [merge])


def _second(series: int, names: list[SeriesRows], number: int) -> Put:
    bars = inputs.bars(series, 0).to_batches()[0]
    ts = pa.array(np.full(series, inputs.START_NS + number * _SECOND))
    columns = [ts.cast(bars.schema.field("ts").type), *bars.columns[1:]]
    return Put("candles", [pa.RecordBatch.from_arrays(columns, schema=bars.schema)], names)


def _spent(work: Callable[[], object]) -> float:
    """Processor seconds of this process for `work`."""
    before = time.process_time()
    work()
    return time.process_time() - before


def _over_the_wire(session: Session) -> Iterator[Figure]:
    with flightstore(session.fresh("wire") / "store") as server, server.client() as db:

        def spent(work: Callable[[int], object]) -> list[float]:
            """The server's processor seconds for each of some turns."""
            taken = []
            for turn in range(_TURNS):
                before = processor_seconds(server.pid)
                work(turn)
                taken.append(processor_seconds(server.pid) - before)
            return taken

        puts, calls = session.pick(40, 10), session.pick(1_000, 200)
        bulk = spent(lambda turn: _large_puts(db, puts, turn))
        yield _micro(
            f"of a trade in puts of {_TRADES_PER_PUT:,}",
            [seconds / puts / _TRADES_PER_PUT for seconds in bulk],
        )
        alone = spent(lambda turn: _small_puts(db, calls, turn))
        yield _micro("of a put of one row that is waited for", [s / calls for s in alone])
        with _followers(server.uri):
            followed = spent(lambda turn: _small_puts(db, calls, _TURNS + turn))
        each = [(s - statistics.median(alone)) / calls / _SUBSCRIBERS for s in followed]
        yield _micro(f"of handing it to one of {_SUBSCRIBERS} subscribers", each)


def _large_puts(db: fs.Client, puts: int, turn: int) -> None:
    for number in range(turn * puts, (turn + 1) * puts):
        rows = inputs.trades(_TRADES_PER_PUT, first=number * _TRADES_PER_PUT)
        db.write("bench:T/USD", rows, dataset="trades")


def _small_puts(db: fs.Client, calls: int, turn: int) -> None:
    bars = inputs.bars(calls, _SECOND, start_ns=inputs.START_NS + turn * calls * _SECOND)
    for number in range(calls):
        db.write("bench:LIVE/USD", bars.slice(number, 1), timeframe="1s")


def _followers(uri: str) -> ExitStack:
    """Subscribers whose streams are read by Flight's own threads until the block ends."""
    held = ExitStack()
    request = pb.SubscribeRequest(dataset="candles", instruments=["bench:LIVE/USD"], timeframe="1s")
    ticket = fl.Ticket(pb.Ticket(subscribe=request).SerializeToString())
    for _ in range(_SUBSCRIBERS):
        reader = held.enter_context(fl.FlightClient(uri)).do_get(ticket)
        held.callback(reader.cancel)
    return held


def _disk(session: Session) -> Iterator[Figure]:
    folder = session.fresh("disk")
    yield _micro("time of an append of 4 KiB and its sync", _syncs(folder / "raw", 200))
    series = session.pick(_SERIES, _QUICK_SERIES)
    store = open_store(folder / "store", Limits())
    names = [SeriesRows(f"bench:S{number:05}/USD", "1s", 1) for number in range(series)]
    taken = []
    for turn in range(3):
        store.put(_second(series, names, turn)).result()
        start = time.perf_counter()
        store.flush()
        taken.append((time.perf_counter() - start) / series)
    store.close()
    yield _micro("time of a segment in a flush of many, with its syncs", taken)


def _syncs(path: Path, times: int) -> list[float]:
    fd, taken = os.open(path, os.O_CREAT | APPEND), []
    for _ in range(times):
        start = time.perf_counter()
        append(fd, bytes(4_096))
        taken.append(time.perf_counter() - start)
    os.close(fd)
    return taken
