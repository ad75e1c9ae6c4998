"""Clients that put load on a server: `python -m bench.floors.operating.mixing uri seconds process`.

Each is a thread with a connection and a pace of its own. KINDS says how many there are of each; a
process has its share. It prints `ready` once all are connected and begins when a line comes; at the
end it prints, as JSON, how often each kind was served, and which errors came.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable

import flightstore as fs
from bench import inputs

PROCESSES = 2
SERIES, ROWS = 200, 10_000
_QUERY = "select symbol, max(high) from candles where timeframe = '1m' and ts >= ? group by symbol"
_SINCE = "2020-01-07"
Work = Callable[[fs.Client, int, int], None]


def name(number: int) -> str:
    """One of the series that are read."""
    return f"mixed:S{number:03}/USD"


def _put(db: fs.Client, client: int, turn: int) -> None:
    rows = inputs.trades(20, first=turn * 20)
    db.write(f"mixed:W{client}/USD", rows, dataset="trades")


def _read(db: fs.Client, client: int, turn: int) -> None:
    db.candles(name((client + 7 * turn) % SERIES), "1m", tail=100, output="arrow")


def _read_much(db: fs.Client, client: int, turn: int) -> None:
    first = (client + turn) % 10
    db.candles(f"mixed:S?{first}?/USD", "1m", "2020-01-06", output="arrow")


def ask(db: fs.Client, _client: int = 0, _turn: int = 0) -> None:
    """The query of the mix."""
    db.sql(_QUERY, [_SINCE], output="arrow")


def _follow(db: fs.Client, client: int, _: int) -> None:
    with db.live(f"mixed:W{client % 16}/USD", dataset="trades") as live:
        for _ in range(10):
            next(live)


# Clients of both processes together, and seconds from one turn to the next.
KINDS: dict[str, tuple[Work, int, float]] = {
    "put": (_put, 16, 0.2),
    "read": (_read, 24, 0.2),
    "read of many": (_read_much, 8, 1.0),
    "sql": (ask, 8, 2.0),
    "live": (_follow, 8, 0.0),
}


def main(uri: str, seconds: float, process: int) -> None:
    """Run this process's share of the clients."""
    done: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    over = threading.Event()
    begin = threading.Event()
    ready = threading.Barrier(1 + sum(count // PROCESSES for _, count, _ in KINDS.values()))

    def run(kind: str, client: int) -> None:
        work, _, pace = KINDS[kind]
        with fs.connect(uri, same_host=False) as db:
            ready.wait()
            begin.wait()
            due = time.monotonic() + random.random() * pace
            turn = 0
            while not over.wait(max(0.0, due - time.monotonic())):
                due += pace
                turn += 1
                try:
                    work(db, client, turn)
                    done[kind] += 1
                except fs.FlightstoreError as error:
                    errors[f"{kind}: {error.code}"] += 1

    for kind, (_, count, _) in KINDS.items():
        for client in range(process, count, PROCESSES):
            threading.Thread(target=run, args=(kind, client), daemon=True).start()
    ready.wait()
    print("ready", flush=True)
    sys.stdin.readline()
    begin.set()
    over.wait(seconds)
    over.set()
    print(json.dumps({"done": done, "errors": errors}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
