"""A command line, a served store, and exchanges on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.support.serving import Serving

from flightstore.cli import main
from flightstore_ingest.simulate import Clock, Faults, Market, SimulatedExchange, running, seeded

HOUR_NS = 3_600 * 10**9
NOW = 1_700_006_400 * 10**9  # 2023-11-15T00:00Z
OPENS = NOW + 60 * 10**9  # by when every bar before NOW is closed
SINCE = "2023-11-14T22:00"


class Result(NamedTuple):
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Simulated:
    """A simulated exchange that is being served."""

    exchange: SimulatedExchange
    url: str


@pytest.fixture(autouse=True)
def _own_lock_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that run at the same time own their exchanges each for itself."""
    locks = tmp_path / "locks"
    locks.mkdir()
    monkeypatch.setenv("TMPDIR", str(locks))
    monkeypatch.setattr(tempfile, "tempdir", str(locks))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    """A server that the commands find through the environment."""
    serving = Serving(tmp_path / "data")
    monkeypatch.setenv("FLIGHTSTORE_URI", serving.uri)
    yield serving
    serving.close()


@pytest.fixture
def simulated() -> Iterator[Callable[..., Simulated]]:
    """Serve a simulated exchange with three hours of history before NOW."""
    with ExitStack() as stack:

        def start(
            name: str = "binance",
            symbols: tuple[str, ...] = ("BTC/USDT",),
            *,
            speed: float = 1.0,
            faults: Faults | None = None,
            **options: object,
        ) -> Simulated:
            tapes = [
                seeded(Market(symbol), NOW - 3 * HOUR_NS, NOW + 2 * HOUR_NS, 20, seed=1)
                for symbol in symbols
            ]
            exchange = SimulatedExchange(
                name, tapes, clock=Clock(OPENS, speed=speed), faults=faults, **options
            )
            return Simulated(exchange, stack.enter_context(running(exchange)))

        yield start


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run `flightstore ingest ARGUMENTS...` in this process."""

    def run(*arguments: object) -> Result:
        capsys.readouterr()
        code = main(["ingest", *map(str, arguments)])
        return Result(code, *capsys.readouterr())

    return run


@pytest.fixture
def process(store: Serving) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `flightstore ingest ARGUMENTS...` as a process, which does not outlive the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "flightstore", "ingest", *map(str, arguments)]
        pipe = subprocess.PIPE
        child = subprocess.Popen(
            command, stdout=pipe, stderr=pipe, text=True, env={**os.environ, "COLUMNS": "200"}
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()
