"""Which exchange the demo asks: a real one if it answers soon, and a simulated one otherwise."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flightstore_proto.errors import BadRequest, Unavailable, did_you_mean, near

AUTO, SIMULATED = "auto", "simulated"
# Public, without a key, and quick: what it is there, by its own clock.
_ASKED = {
    "binance": ("https://api.binance.com/api/v3/time", "BTC/USDT"),
    "coinbaseexchange": ("https://api.exchange.coinbase.com/time", "BTC/USD"),
    "kraken": ("https://api.kraken.com/0/public/Time", "BTC/USD"),
}
_ANSWER_SECONDS = 3.0
_STOP_SECONDS = 20
_SIMULATED_AT = "binance is simulated at "


@dataclass(frozen=True, slots=True)
class Chosen:
    """An exchange to ask, and how: `options` are those of `flightstore ingest`."""

    name: str
    symbol: str
    options: tuple[str, ...]
    words: str


@contextmanager
def chosen(wanted: str) -> Iterator[Chosen]:
    """The exchange that `wanted` means: "auto", "simulated", or a name.

    A simulated one runs as long as the block. Raises BadRequest for a name that is none of these,
    Unavailable for a real exchange that was asked for and does not answer.
    """
    if wanted not in (AUTO, SIMULATED, *_ASKED):
        names = [AUTO, SIMULATED, *_ASKED]
        raise BadRequest(
            f"--exchange {wanted!r} is none of {', '.join(names)}."
            f"{did_you_mean(near(wanted, names))}"
        )
    real = None if wanted == SIMULATED else _first_to_answer(wanted)
    if real is not None:
        yield real
    elif wanted in _ASKED:
        raise Unavailable(
            f"{wanted} does not answer from here; --exchange simulated does without it."
        )
    else:
        with _simulation(why="asked for" if wanted == SIMULATED else "no real one answers") as it:
            yield it


def _first_to_answer(wanted: str) -> Chosen | None:
    for name, (url, symbol) in _ASKED.items():
        if wanted in (AUTO, name) and _answers(url):
            return Chosen(name, symbol, (), f"the real {name}")
    return None


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False  # no network, a proxy's page, a country that is refused: all the same here


@contextmanager
def _simulation(why: str) -> Iterator[Chosen]:
    command = [sys.executable, "-m", "flightstore", "ingest", "simulate", "binance", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line.startswith(_SIMULATED_AT):
            raise Unavailable("The simulated exchange did not start; its message is above.")
        url = line.removeprefix(_SIMULATED_AT).partition(": ")[0]
        words = f"a simulated binance at {url} ({why}): its prices are invented"
        yield Chosen("binance", "BTC/USDT", ("--url", url), words)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
