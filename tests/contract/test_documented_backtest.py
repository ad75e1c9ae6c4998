"""The programs that docs/backtests.md shows, as they stand there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from tests.support.rows import MINUTE, NOON_2024, candles
from tests.support.serving import Serving

import flightstore as fs

DOCUMENT = Path(__file__).parents[2] / "docs" / "backtests.md"
PROGRAMS = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.S)


@pytest.fixture
def db(serving: Serving) -> fs.Client:
    """Series of 300 hours."""
    for name in ("binance:BTC/USDT", "binance:ETH/USDT"):
        times = [NOON_2024 + hour * 60 * MINUTE for hour in range(300)]
        prices = [100.0 + abs(hour % 80 - 40) for hour in range(300)]
        serving.db.write(name, candles(times, prices), timeframe="1h")
    return serving.db


def test_the_sweep_runs(db: fs.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAMS[0])
    monkeypatch.setenv("FLIGHTSTORE_URI", db.uri)
    command = [sys.executable, str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "shape: (9, 3)" in done.stdout


def test_the_plan_reads_what_it_says(db: fs.Client) -> None:
    found: dict[str, object] = {"db": db}
    exec(PROGRAMS[1], found)
    parts = found["parts"]
    assert isinstance(parts, list)
    whole = db.candles("binance:*/USDT", "1h", "2020")
    assert pl.concat([part.read() for part in parts]).equals(whole)
