"""What subscribers that never read cost those who put: the slowest of a hundred puts, and the end.

250 of them (quick: 50) whose buffers are full, each on a connection of its own, in phases that take
turns with phases without them. Puts have 10 rows and are paced. Then the server is asked to stop.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import flightstore as fs
from bench import inputs
from bench.figures import Figure, in_ms
from bench.measure import Seconds
from bench.processes import Server, flightstore
from bench.session import Session

_NAME = "bench:STUCK/USD"
_STUCK, _QUICK_STUCK = 250, 50
_PROCESSES = 2
_FILL_ROWS, _FILLS_MAX = 20_000, 100
_PUT_ROWS, _PAUSE = 10, 0.01
_WAIT_SECONDS = 60.0


def run(session: Session) -> Iterator[Figure]:
    stuck = session.pick(_STUCK, _QUICK_STUCK)
    puts, rounds = session.pick(500, 200), session.pick(6, 3)
    taken: dict[str, Seconds] = {"alone": [], "stuck": []}
    with flightstore(session.fresh("stuck") / "store") as server, server.client() as db:
        clock = _Clock(db)
        clock.puts(200)
        for _ in range(rounds):
            taken["alone"] += clock.puts(puts)
            with _never_reading(server, stuck):
                clock.fill(stuck)
                taken["stuck"] += clock.puts(puts)
    slowest = {name: _of_hundred(times, 99) for name, times in taken.items()}
    yield Figure(
        f"99 of 100 puts within, with {stuck} subscribers that are stuck, of without",
        slowest["stuck"] / slowest["alone"],
        at_most=1.2,
        note=", ".join(f"{name} {seconds * 1e3:.3g} ms" for name, seconds in slowest.items()),
    )
    yield Figure(
        "median of the same puts",
        statistics.median(taken["stuck"]) / statistics.median(taken["alone"]),
        note=in_ms(**taken),
    )
    yield Figure(
        f"from SIGTERM to the end with {stuck} stuck subscribers",
        _seconds_to_stop(session, stuck),
        "s",
        at_most=5,
    )


def _seconds_to_stop(session: Session, stuck: int) -> float:
    with (
        flightstore(session.fresh("stopped") / "store") as server,
        server.client() as db,
        _never_reading(server, stuck),
    ):
        _Clock(db).fill(stuck)
        start = time.perf_counter()
        os.kill(server.pid, signal.SIGTERM)
        os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)
        return time.perf_counter() - start


class _Clock:
    """Puts trades, each later than the one before, and takes their time."""

    def __init__(self, db: fs.Client) -> None:
        self._db = db
        self._first = 0

    def puts(self, count: int) -> Seconds:
        """Seconds until each of `count` puts was acknowledged."""
        taken = []
        due = time.perf_counter()
        for _ in range(count):
            due += _PAUSE
            time.sleep(max(0.0, due - time.perf_counter()))
            start = time.perf_counter()
            self._put(_PUT_ROWS)
            taken.append(time.perf_counter() - start)
        return taken

    def fill(self, stuck: int) -> None:
        """Put until nothing more fits between the server and any of its subscribers."""
        for _ in range(_FILLS_MAX):
            self._put(_FILL_ROWS)
            states = self._settled()
            if states == ["blocked"] * stuck:
                return
        raise SystemExit(f"Of {stuck} subscribers {states.count('blocked')} are stuck.")

    def _settled(self) -> list[str]:
        """The states of all subscribers, once each has taken what it can."""
        end = time.monotonic() + _WAIT_SECONDS
        while "running" in (states := self._states()) and time.monotonic() < end:
            time.sleep(0.05)
        return states

    def _states(self) -> list[str]:
        return [c.state for c in self._db.status().consumers if c.kind == "subscriber"]

    def _put(self, rows: int) -> None:
        self._db.write(_NAME, inputs.trades(rows, first=self._first), dataset="trades")
        self._first += rows


@contextmanager
def _never_reading(server: Server, count: int) -> Iterator[None]:
    """Processes that hold so many streams together and read none."""
    command = [sys.executable, "-m", "bench.floors.live.subscribing", server.uri, "ignore"]
    share = str(count // _PROCESSES)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    started = [
        subprocess.Popen([*command, share, _NAME], text=True, **pipes) for _ in range(_PROCESSES)
    ]
    try:
        for process in started:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise SystemExit("A subscriber did not start; its message is above.")
        yield
    finally:
        for process in started:
            process.kill()
            process.communicate()


def _of_hundred(values: Seconds, many: int) -> float:
    return statistics.quantiles(values, n=100)[many - 1]
