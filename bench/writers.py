"""Writers in processes of their own, each with one open stream, each waiting for every put.

Run as `python -m bench.writers URI NAME PUTS`: says that it is ready, writes when it is told to,
and ends. Writers that run together share the log's syncs.
"""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Sequence

import flightstore as fs
from bench import inputs


def rates(uri: str, crowds: Sequence[int], puts: int) -> list[float]:
    """Puts per second of each size of crowd, of `puts` puts per writer."""
    return [_rate(uri, crowd, puts) for crowd in crowds]


def _rate(uri: str, crowd: int, puts: int) -> float:
    run = uuid.uuid4().hex[:8]
    processes = [_start(uri, f"bench:{run}{number}/USD", puts) for number in range(crowd)]
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


def _start(uri: str, name: str, puts: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bench.writers", uri, name, str(puts)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _line(process: subprocess.Popen[str]) -> None:
    if process.stdout is None or not process.stdout.readline():
        raise SystemExit("A writer failed; its message is above.")


def main(uri: str, name: str, puts: int) -> None:
    rows = inputs.trades(puts + 1)
    with fs.connect(uri) as db, db.writer("trades") as writer:
        writer.write(name, rows.slice(puts, 1)).result()
        print("ready", flush=True)
        sys.stdin.readline()
        for number in range(puts):
            writer.write(name, rows.slice(number, 1)).result()
        print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
