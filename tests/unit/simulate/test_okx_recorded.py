"""What the simulated OKX says beside what the real one said."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest

from flightstore_ingest.simulate import Clock, Market, SimulatedExchange, Tape, Trade
from flightstore_ingest.simulate.okx import Okx
from flightstore_ingest.simulate.okx_ws import trade_frames
from flightstore_ingest.simulate.wire import Asked, Subscription

pytestmark = pytest.mark.data


def test_trades_are_written_as_they_were(market_data: Path) -> None:
    with lzma.open(market_data / "wire" / "OKX.ws.1.0.xz", "rt") as lines:
        said = [line.partition(": ")[2].strip() for line in lines if '"tradeId"' in line]
    assert len(said) > 50
    for text in said:
        message = json.loads(text)
        (row,) = message["data"]
        side = 1 if row["side"] == "buy" else -1
        price, amount = float(row["px"]), float(row["sz"])
        trade = Trade(int(row["ts"]) * 1_000_000, int(row["tradeId"]), price, amount, side)
        tape = Tape(Market("BTC/USDT"), [trade])
        subscription = Subscription("", "trades", tape, note=message["arg"])
        assert list(trade_frames([trade], subscription)) == [text]


def test_instruments_have_the_fields_that_they_had(market_data: Path) -> None:
    with lzma.open(market_data / "wire" / "OKX.0.xz", "rt") as lines:
        line = next(lines)
    said = json.loads(line.partition(": ")[2])["data"][0]
    market = Market(
        "BTC/USDT", price_step=0.1, amount_step=1e-8, listed_ns=1_548_133_413_000_000_000
    )
    x = SimulatedExchange("okx", [Tape(market)], clock=Clock())
    handlers = {route.path: route.handler for route in Okx().routes()}
    path = "/api/v5/public/instruments"
    (got,) = handlers[path](Asked(path, {"instType": "SPOT"}), x).body["data"]
    # The smallest order is the smallest step here, and was more there.
    assert {**got, "minSz": ""} == {**said, "minSz": ""}
