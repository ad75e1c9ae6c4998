"""From a put to whoever follows: one subscriber, 200 that read, and 200 that never do.

Puts are paced, each row carries the time of its put, and the subscribers are processes of their
own. What many subscribers cost the puts is measured in phases with and without them in turn.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pyarrow as pa

import flightstore as fs
from bench import inputs
from bench.figures import Figure, compared, in_ms
from bench.measure import Seconds, ratio
from bench.processes import Server, flightstore, memory
from bench.session import Session

_NAME = "bench:FOLLOWED/USD"
_MANY = 200
_PROCESSES = 2
_WARMUP = 300
Seen = list[dict[str, list[float]]]


def run(session: Session) -> Iterator[Figure]:
    with flightstore(session.fresh("live") / "store") as server, server.client() as db:
        _paced(db, puts=50, rows=1, pause=0.002)
        yield from _one(session, server, db)
        yield from _many(session, server, db)
        yield from _ignored(session, server, db)


def _one(session: Session, server: Server, db: fs.Client) -> Iterator[Figure]:
    with _subscribers(server, "client", [1]) as ask:
        _paced(db, puts=_WARMUP, rows=1, pause=0.005)
        acks = _paced(db, puts=session.pick(3_000, 300), rows=1, pause=0.005)
        [seen] = ask()
    lags = seen["lags"][_WARMUP:]  # the first ones wait for what a client imports when rows come
    yield Figure(
        "put to subscriber, median",
        statistics.median(lags),
        "ms",
        at_most=3,
        spread=_quartiles(lags),
        note=in_ms(acknowledged=acks),
    )
    yield Figure("put to subscriber, 99 of 100 within", _of_hundred(lags, 99), "ms", at_most=15)
    times = [lag / 1e3 for lag in lags]
    yield compared(
        "put to subscriber, of the put's own acknowledgement",
        ratio(times[: len(acks)], acks[: len(times)], block=25),
        at_most=3,
    )


def _many(session: Session, server: Server, db: fs.Client) -> Iterator[Figure]:
    """1,000 rows a second, in puts of ten."""
    puts = session.pick(1_000, 200)
    taken: dict[str, Seconds] = {"alone": [], "followed": []}
    seen: Seen = []
    for _ in range(session.pick(3, 1)):
        taken["alone"] += _paced(db, puts=puts, rows=10, pause=0.01)
        with _subscribers(server, "bare", [_MANY // _PROCESSES] * _PROCESSES) as ask:
            taken["followed"] += _paced(db, puts=puts, rows=10, pause=0.01)
            time.sleep(1.0)  # what is on its way to 200 of them arrives
            seen += ask()
    expected = puts * 10
    short = sum(expected - rows for one in seen for rows in one["rows"])
    lags = [lag for one in seen for lag in one["lags"]]
    yield Figure(f"rows that one of {_MANY} subscribers did not get", short, "rows", at_most=0)
    yield Figure(
        f"put to {_MANY} subscribers, 1,000 rows/s, 99 of 100 within",
        _of_hundred(lags, 99),
        "ms",
        at_most=100,
        note=f"median {statistics.median(lags):.1f} ms",
    )
    yield compared(
        f"latency of a put with {_MANY} subscribers, of one without",
        ratio(taken["followed"], taken["alone"], block=25),
        at_most=1.3,
        note=in_ms(**taken),
    )


def _ignored(session: Session, server: Server, db: fs.Client) -> Iterator[Figure]:
    """20,000 rows a second, so that nobody's buffers hold what was not read."""
    puts = session.pick(1_000, 200)
    taken: dict[str, Seconds] = {"alone": [], "ignored": []}
    grown = 0.0
    for _ in range(session.pick(3, 1)):
        taken["alone"] += _paced(db, puts=puts, rows=200, pause=0.01)
        before = memory(server.pid)
        with _subscribers(server, "ignore", [_MANY]) as ask:
            taken["ignored"] += _paced(db, puts=puts, rows=200, pause=0.01)
            rows = puts * 200 * 40
            grown = max(grown, memory(server.pid) - before - rows)
            ask()
    yield compared(
        f"latency of a put with {_MANY} subscribers that never read, of one without",
        ratio(taken["ignored"], taken["alone"], block=25),
        at_most=1.2,
        note=in_ms(**taken),
    )
    yield Figure(
        f"memory of the server with {_MANY} that never read, beside the rows themselves",
        grown / 2**20,
        "MiB",
        at_most=64,
    )


def _paced(db: fs.Client, *, puts: int, rows: int, pause: float) -> Seconds:
    """Seconds until each put was acknowledged; `pause` from one put to the next."""
    taken = []
    with db.writer("trades") as writer:
        due = time.perf_counter()
        for number in range(puts):
            due += pause
            time.sleep(max(0.0, due - time.perf_counter()))
            batch = _rows_of_now(rows, number)
            start = time.perf_counter()
            writer.write(_NAME, batch).result()
            taken.append(time.perf_counter() - start)
    return taken


def _rows_of_now(rows: int, number: int) -> pa.RecordBatch:
    made = inputs.trades(rows, first=number * rows)
    ts = pa.array([time.time_ns()] * rows).cast(made.schema.field("ts").type)
    return pa.RecordBatch.from_arrays([ts, *made.columns[1:]], schema=made.schema)


@contextmanager
def _subscribers(server: Server, how: str, counts: list[int]) -> Iterator[Callable[[], Seen]]:
    """Processes with so many subscribers each. What is yielded ends them and says what they saw."""
    with ExitStack() as stack:
        processes = []
        for many in counts:
            program = [sys.executable, "-m", "bench.floors.live.subscribing"]
            command = [*program, server.uri, how, str(many), _NAME]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            process = stack.enter_context(subprocess.Popen(command, text=True, **pipes))
            stack.callback(process.kill)
            processes.append(process)
        for process in processes:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise SystemExit("A subscriber did not start; its message is above.")

        def ask() -> Seen:
            return [json.loads(process.communicate(timeout=60)[0]) for process in processes]

        yield ask


def _quartiles(values: list[float]) -> tuple[float, float, float]:
    low, middle, high = statistics.quantiles(values, n=4)
    return low, middle, high


def _of_hundred(values: list[float], many: int) -> float:
    return statistics.quantiles(values, n=100)[many - 1]
