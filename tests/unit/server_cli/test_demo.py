"""The demo does the main job, end to end, with nothing but this machine."""

from __future__ import annotations

import subprocess
import sys

import pytest

from flightstore_proto.errors import BadRequest
from flightstore_server.cli.demo_exchange import chosen

SECONDS = 120


def test_the_demo_fills_a_store_from_a_simulated_exchange_and_says_so() -> None:
    command = [sys.executable, "-m", "flightstore", "demo", "--exchange", "simulated"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "from a simulated binance at http://127.0.0.1:" in ran.stdout
    assert "its prices are invented" in ran.stdout
    assert "bars made of the trades are the exchange's" in ran.stdout
    assert "the newest trade is of" in ran.stdout


def test_an_exchange_that_the_demo_cannot_ask_is_named_with_those_it_can() -> None:
    with pytest.raises(BadRequest, match="none of auto, simulated, binance"), chosen("bnance"):
        pass
