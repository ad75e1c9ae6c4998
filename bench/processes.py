"""Servers in processes of their own, as users run them; and what their memory is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import flightstore as fs

_PREFIX = "listening on "
_STOP_SECONDS = 60.0
_SAMPLE_SECONDS = 0.02
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its address, its process, and how long it took to be ready."""

    uri: str
    pid: int
    start_seconds: float

    def client(self) -> fs.Client:
        """A client of it, if it is flightstore's, to which everything is sent.

        What is measured is what the wire costs; same_host.py is about what it costs without.
        """
        return fs.connect(self.uri, same_host=False)


@contextmanager
def flightstore(data_dir: Path, *, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """`flightstore serve` on a free port. `settings` are FLIGHTSTORE_ variables."""
    command = [sys.executable, "-m", "flightstore", "serve", "--port", "0"]
    command += ["--data-dir", str(data_dir), "--log-level", "warning"]
    with _running(command, settings or {}) as server:
        yield server


@contextmanager
def floor(arguments: Sequence[str]) -> Iterator[Server]:
    """The bare Flight server of floors/bare_flight.py."""
    with _running([sys.executable, "-m", "bench.floors.bare_flight", *arguments], {}) as server:
        yield server


@contextmanager
def simulated(arguments: Sequence[str]) -> Iterator[Server]:
    """The simulated exchange of floors/ingestion/simulated.py."""
    program = [sys.executable, "-m", "bench.floors.ingestion.simulated"]
    with _running([*program, *arguments], {}) as server:
        yield server


@contextmanager
def _running(command: Sequence[str], settings: Mapping[str, str]) -> Iterator[Server]:
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, **settings}
    )
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line.startswith(_PREFIX):
            raise SystemExit(f"{' '.join(command)} did not start; its message is above.")
        uri = line.removeprefix(_PREFIX).strip()
        yield Server(uri, process.pid, time.perf_counter() - start)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def processor_seconds(pid: int) -> float:
    """Processor time that a process has used so far, with that of its children that have ended.

    Nothing once it is gone. The kernel counts in steps of 10 ms (proc(5)).
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(field) for field in fields[11:15]) / _TICKS


def memory(pid: int) -> int:
    """Bytes of memory that a process alone uses: RssAnon + RssShmem, without mapped files."""
    return sum(_status(pid, name) for name in ("RssAnon", "RssShmem"))


def resident(pid: int) -> int:
    """Bytes of memory that a process uses, mapped files included."""
    return _status(pid, "VmRSS")


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    return 0


class Peak:
    """The most bytes that `measure` finds within a `with` block, asked every `pause` seconds.

    Less often where asking takes long: whoever has much memory is not slowed down by its counting.
    """

    def __init__(self, measure: Callable[[], int], pause: float) -> None:
        self._measure, self._pause = measure, pause
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.bytes = measure()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        pause = self._pause
        while not self._done.wait(pause):
            begun = time.perf_counter()
            self.bytes = max(self.bytes, self._measure())
            pause = max(self._pause, 20 * (time.perf_counter() - begun))


class PeakMemory(Peak):
    """The highest `memory` of a process within a `with` block."""

    def __init__(self, pid: int) -> None:
        super().__init__(lambda: memory(pid), _SAMPLE_SECONDS)
