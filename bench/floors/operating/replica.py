"""A replica of a primary that takes 100,000 rows a second: how late, and how fast it catches up.

Rows carry the time of their put and are followed on the replica. Then the replica is stopped for
some seconds while the same goes on, and let go again.
"""

from __future__ import annotations

import os
import signal
import statistics
import threading
import time
from collections.abc import Iterator

import pyarrow as pa

import flightstore as fs
from bench import inputs
from bench.figures import Figure
from bench.processes import Server, flightstore
from bench.session import Session

_NAME = "bench:COPIED/USD"
_ROWS = 1_000
_PUTS_A_SECOND = 100
_TOKEN = {"FLIGHTSTORE_REPLICATION_TOKEN": "bench"}
_LOOK_SECONDS = 0.002


def run(session: Session) -> Iterator[Figure]:
    seconds = session.pick(20, 4)
    with (
        flightstore(session.fresh("primary") / "store", settings=_TOKEN) as primary,
        primary.client() as db,
    ):
        _write(db, seconds=0.5)
        follow = {**_TOKEN, "FLIGHTSTORE_REPLICATION_FOLLOW": primary.uri}
        with (
            flightstore(session.fresh("replica") / "store", settings=follow) as replica,
            replica.client() as copy,
        ):
            yield from _lag(db, copy, seconds)
            yield from _caught_up(db, copy, replica, session.pick(10, 3))


def _lag(db: fs.Client, copy: fs.Client, seconds: float) -> Iterator[Figure]:
    lags: list[float] = []
    with copy.live(_NAME, dataset="trades") as live:
        watching = threading.Thread(target=_watch, args=(live, lags), daemon=True)
        watching.start()
        taken = _write(db, seconds=seconds)
        _wait_for(copy, db.status().last_lsn)
        time.sleep(0.5)  # the last rows arrive from the replica
    watching.join()
    rate = len(lags) * _ROWS / taken
    of_hundred = statistics.quantiles(lags, n=100)
    yield Figure(
        "time from a put to a subscriber of the replica at 100,000 rows/s, median",
        statistics.median(lags),
        "ms",
        at_most=250,
        note=f"99 of 100 within {of_hundred[98]:.0f} ms; {rate:,.0f} rows/s came through",
    )


def _watch(live: fs.Live, lags: list[float]) -> None:
    """Milliseconds of each put, by the time that its rows carry."""
    for batch in live:
        now = time.time_ns()
        put_at = batch.rows.column("ts").cast("int64").unique().to_pylist()
        lags.extend((now - ts) / 1e6 for ts in put_at)


def _caught_up(db: fs.Client, copy: fs.Client, replica: Server, seconds: float) -> Iterator[Figure]:
    os.kill(replica.pid, signal.SIGSTOP)
    try:
        _write(db, seconds=seconds)
    finally:
        os.kill(replica.pid, signal.SIGCONT)
    last = db.status().last_lsn
    start = time.perf_counter()
    _wait_for(copy, last)
    taken = time.perf_counter() - start
    yield Figure(
        "catching up after a pause, times as fast as it was written",
        seconds / taken,
        "x",
        at_least=10,
        note=f"{seconds:g} s of 100,000 rows/s in {taken:.2f} s",
    )


def _wait_for(copy: fs.Client, lsn: int) -> None:
    until = time.monotonic() + 120
    while copy.status().last_lsn < lsn:
        if time.monotonic() > until:
            raise SystemExit(f"The replica did not reach {lsn} within two minutes.")
        time.sleep(_LOOK_SECONDS)


def _write(db: fs.Client, *, seconds: float) -> float:
    """100,000 rows a second; the seconds it really took."""
    made = inputs.trades(_ROWS)
    begun = due = time.perf_counter()
    with db.writer("trades") as writer:
        for _ in range(int(seconds * _PUTS_A_SECOND)):
            due += 1 / _PUTS_A_SECOND
            time.sleep(max(0.0, due - time.perf_counter()))
            writer.write(_NAME, _stamped(made))
    return time.perf_counter() - begun


def _stamped(made: pa.RecordBatch) -> pa.RecordBatch:
    ts = pa.array([time.time_ns()] * _ROWS).cast(made.schema.field("ts").type)
    return pa.RecordBatch.from_arrays([ts, *made.columns[1:]], schema=made.schema)
