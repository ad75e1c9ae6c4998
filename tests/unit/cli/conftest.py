"""A command line as users have it, with a client that is a plain recorder."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.unit.cli.recorder import Recorder

import flightstore
from flightstore.cli import commands, main

ROOT = Path(__file__).parents[3]


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def entry_points() -> list[EntryPoint]:
    """The table in pyproject.toml, so that these tests need no installed distribution."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    table = project["entry-points"][commands.GROUP]
    return [EntryPoint(name, value, commands.GROUP) for name, value in table.items()]


@pytest.fixture
def db(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """What `flightstore.connect` answers with."""
    recorder = Recorder()
    monkeypatch.setattr(flightstore, "connect", recorder.connect, raising=False)
    return recorder


@pytest.fixture
def cli(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    entry_points: list[EntryPoint],
) -> Callable[..., Result]:
    """Run `flightstore ARGUMENTS...` in this process."""
    monkeypatch.setattr(commands, "entry_points", lambda group: entry_points)
    for name in ("FLIGHTSTORE_URI", "FLIGHTSTORE_TOKEN", "FLIGHTSTORE_DEBUG"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: object) -> Result:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Result(code, *capsys.readouterr())

    return run


@pytest.fixture
def recorded() -> Path:
    """The recorded market data, or a loud skip."""
    folder = Path(os.environ.get("FLIGHTSTORE_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"NO RECORDED DATA: {folder} is absent, see FLIGHTSTORE_TEST_DATA")
    return folder


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Write a file and return its path."""

    def write(content: str | bytes, name: str = "x.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write
