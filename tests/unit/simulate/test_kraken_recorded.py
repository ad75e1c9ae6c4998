"""What the simulated Kraken says beside what the real one said."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from flightstore_ingest.simulate import Clock, Market, SimulatedExchange, Tape
from flightstore_ingest.simulate.kraken import Kraken
from flightstore_ingest.simulate.recorded import bars_of_kraken_reply, trades_of_kraken_reply
from flightstore_ingest.simulate.wire import Asked

pytestmark = pytest.mark.data

MARKET = Market("BTC/USDT", price_step=0.1, amount_step=1e-8)


def answer(tape: Tape, now: int, path: str, query: dict[str, str]) -> Any:
    clock = Clock()
    clock.freeze(now)
    x = SimulatedExchange("kraken", [tape], clock=clock)
    handlers = {route.path: route.handler for route in Kraken().routes()}
    return json.loads(json.dumps(handlers[path](Asked(path, query), x).body))


def recorded(path: Path) -> Any:
    return json.loads(lzma.open(path).read())


def test_candles_are_written_as_they_were(market_data: Path) -> None:
    path = market_data / "wire" / "http_ohlc.json.xz"
    now = 1_762_820_250_000_000_000  # within the last bar, which is a filler
    got = answer(bars_of_kraken_reply(path, MARKET), now, "/0/public/OHLC", {"pair": "XBTUSDT"})
    assert got == recorded(path)


def test_trades_are_written_as_they_were_but_for_the_type_of_the_order(market_data: Path) -> None:
    path = market_data / "wire" / "http_trades.json.xz"
    now = 1_762_820_250_000_000_000
    tape = trades_of_kraken_reply(path, MARKET)
    got = answer(tape, now, "/0/public/Trades", {"pair": "XBTUSDT", "since": "1762795000"})
    said = recorded(path)
    for row in (*said["result"]["XBTUSDT"], *got["result"]["XBTUSDT"]):
        row[4] = ""  # a tape does not know it
    # The recorded times, and so those on the tape, are short of the cursor's last digits.
    last = int(said["result"].pop("last"))
    assert int(got["result"].pop("last")) == pytest.approx(last, abs=250)
    assert got == said


def test_pairs_have_at_least_the_fields_that_they_had(market_data: Path) -> None:
    with lzma.open(market_data / "wire" / "KRAKEN.0.xz", "rt") as lines:
        line = next(lines)
    said = json.loads(line.partition(": ")[2])["result"]["XXBTZUSD"]
    market = Market("BTC/USD", price_step=0.1, amount_step=1e-8)
    got = answer(Tape(market), 0, "/0/public/AssetPairs", {})["result"]["XXBTZUSD"]
    assert {name: type(got.get(name)) for name in said} == {n: type(v) for n, v in said.items()}
    same = ("altname", "wsname", "base", "quote", "pair_decimals", "lot_decimals")
    assert {name: got[name] for name in same} == {name: said[name] for name in same}
