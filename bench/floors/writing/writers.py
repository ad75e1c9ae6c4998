"""Writers in processes of their own, each with one open stream, each waiting for every put.

Run as `python -m bench.floors.writing.writers KIND URI NAME PUTS`: says that it is ready, writes
when it is told to, and ends. KIND is `ours`, or `bare` for the server of bare_flight.py, which
shares nothing between writers: what the processor allows.
"""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa

import flightstore as fs
from bench import inputs
from bench.floors import bare_flight


def rates(kind: str, uri: str, crowds: Sequence[int], puts: int) -> list[float]:
    """Puts per second of each size of crowd, of `puts` puts per writer."""
    return [_rate(kind, uri, crowd, puts) for crowd in crowds]


def _rate(kind: str, uri: str, crowd: int, puts: int) -> float:
    run = uuid.uuid4().hex[:8]
    processes = [_start(kind, uri, f"bench:{run}{number}/USD", puts) for number in range(crowd)]
    for process in processes:
        _line(process)
    start = time.perf_counter()
    for process in processes:
        print("go", file=process.stdin, flush=True)
    for process in processes:
        _line(process)
    seconds = time.perf_counter() - start
    for process in processes:
        process.communicate()
    return crowd * puts / seconds


def _start(kind: str, uri: str, name: str, puts: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bench.floors.writing.writers", kind, uri, name, str(puts)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _line(process: subprocess.Popen[str]) -> None:
    if process.stdout is None or not process.stdout.readline():
        raise SystemExit("A writer failed; its message is above.")


def main(kind: str, uri: str, name: str, puts: int) -> None:
    rows = inputs.trades(puts + 1)
    with _ours(uri, name) if kind == "ours" else _bare(uri, name) as put:
        put(rows.slice(puts, 1))
        print("ready", flush=True)
        sys.stdin.readline()
        for number in range(puts):
            put(rows.slice(number, 1))
        print("done", flush=True)


@contextmanager
def _ours(uri: str, name: str) -> Iterator[Callable[[pa.RecordBatch], object]]:
    with fs.connect(uri) as db, db.writer("trades") as writer:
        yield lambda row: writer.write(name, row).result()


@contextmanager
def _bare(uri: str, name: str) -> Iterator[Callable[[pa.RecordBatch], object]]:
    bare = bare_flight.BarePut(uri, name.replace(":", "-").replace("/", "-"))
    yield bare.ping
    bare.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
