"""A command line, a served store, and exchanges on loopback."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.support.launcher import COMMANDS, FLIGHTSTORE, Launched
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
def process(store: Serving) -> Iterator[Callable[..., Launched]]:
    """Start `flightstore ingest ARGUMENTS...` as a process, which does not outlive the test."""
    with ExitStack() as stack:

        def start(*arguments: object) -> Launched:
            environment = {**os.environ, "COLUMNS": "200"}
            command = ["ingest", *map(str, arguments)]
            child = COMMANDS.start(FLIGHTSTORE, command, environment=environment)
            stack.callback(child.close)
            return child

        yield start
