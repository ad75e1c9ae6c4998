"""Small reads while 64 clients read, put, ask in SQL and follow, against those of an idle server.

64 clients in processes of their own, at a pace: 80 puts a second, 120 small reads, 8 of 20 series,
4 queries. The client that is measured is one more: it reads the last 100 rows of one of 200 series,
and rests between two reads.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator

import flightstore as fs
from bench import inputs
from bench.figures import Figure
from bench.floors.operating.mixing import KINDS, PROCESSES, ROWS, SERIES, ask, name
from bench.measure import Seconds
from bench.processes import PeakMemory, Server, flightstore
from bench.session import Session

_PAUSE = 0.01
_LIMITED = "overloaded"


def run(session: Session) -> Iterator[Figure]:
    seconds = session.pick(30, 8)
    with flightstore(session.fresh("mixed") / "store") as server, server.client() as db:
        for number in range(SERIES):
            rows = inputs.bars(ROWS, inputs.MINUTE_NS, seed=number)
            db.write(name(number), rows, timeframe="1m")
        db.flush()
        ask(db)  # the first query loads DuckDB, from a disk that may be cold
        _reads(db, 2)
        idle = _reads(db, session.pick(10, 4))
        with PeakMemory(server.pid) as peak:
            busy, done, errors = _under_load(server, db, seconds)
        idle += _reads(db, session.pick(10, 4))
    slowest = {"idle": _of_hundred(idle, 99), "under load": _of_hundred(busy, 99)}
    clients = sum(count for _, count, _ in KINDS.values())
    yield Figure(
        f"99 of 100 small reads within, beside {clients} clients, of an idle server",
        slowest["under load"] / slowest["idle"],
        at_most=5,
        note=", ".join(f"{which} {time * 1e3:.3g} ms" for which, time in slowest.items()),
    )
    yield Figure(
        "median of the same reads",
        statistics.median(busy) / statistics.median(idle),
        note=", ".join(f"{kind} {count}" for kind, count in sorted(done.items())),
    )
    wrong = {what: n for what, n in errors.items() if not what.endswith(_LIMITED)}
    yield Figure(
        "errors that are not a limit", sum(wrong.values()), "errors", at_most=0, note=str(wrong)
    )
    yield Figure("memory of the server at its peak", peak.bytes / 2**20, "MiB", at_most=1024)


def _under_load(
    server: Server, db: fs.Client, seconds: float
) -> tuple[Seconds, Counter[str], Counter[str]]:
    """Small reads while everybody works; how often each kind was served, and what went wrong."""
    command = [sys.executable, "-m", "bench.floors.operating.mixing", server.uri, str(seconds)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    started = [
        subprocess.Popen([*command, str(number)], text=True, **pipes) for number in range(PROCESSES)
    ]
    for process in started:
        if process.stdout is None or process.stdout.readline() != "ready\n":
            raise SystemExit("The clients did not start; their message is above.")
    for process in started:
        assert process.stdin is not None
        process.stdin.write("begin\n")
        process.stdin.flush()
    taken = _reads(db, seconds)
    done: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    for process in started:
        said = json.loads(process.communicate(timeout=60)[0])
        done.update(said["done"])
        errors.update(said["errors"])
    return taken, done, errors


def _reads(db: fs.Client, seconds: float) -> Seconds:
    taken = []
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        db.candles(name(len(taken) % SERIES), "1m", tail=100, output="arrow")
        taken.append(time.perf_counter() - start)
        time.sleep(_PAUSE)
    return taken


def _of_hundred(values: Seconds, many: int) -> float:
    return statistics.quantiles(values, n=100)[many - 1]
