"""What the simulated Coinbase says beside what the real one said."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from flightstore_ingest.simulate import Clock, Market, SimulatedExchange, Tape, Trade
from flightstore_ingest.simulate.coinbase import Coinbase
from flightstore_ingest.simulate.coinbase_ws import trade_frames
from flightstore_ingest.simulate.wire import Asked, Subscription
from flightstore_ingest.simulate.written import from_rfc3339

pytestmark = pytest.mark.data


def recorded_matches(folder: Path) -> list[dict[str, Any]]:
    with lzma.open(folder / "wire" / "COINBASE.ws.28.0.xz", "rt") as lines:
        said = (line.partition(": ")[2] for line in lines if '"match"' in line[:60])
        return [json.loads(text) for text in said]


def test_matches_are_written_as_they_were_but_for_what_a_tape_does_not_know(
    market_data: Path,
) -> None:
    said = recorded_matches(market_data)
    assert len(said) > 50
    unknown = ("maker_order_id", "taker_order_id", "sequence")
    for match in said:
        side = 1 if match["side"] == "sell" else -1
        price, amount = float(match["price"]), float(match["size"])
        trade = Trade(from_rfc3339(match["time"]), match["trade_id"], price, amount, side)
        tape = Tape(Market("SKL/USD"), [trade])
        subscription = Subscription("", "trades", tape, note=match["product_id"])
        got = json.loads(next(iter(trade_frames("match", [trade], subscription))))
        assert list(got) == list(match)
        for name in unknown:
            assert type(got.pop(name)) is type(match.pop(name))
        assert got == match


def test_products_have_the_fields_that_they_had(market_data: Path) -> None:
    with lzma.open(market_data / "wire" / "COINBASE.0.xz", "rt") as lines:
        line = next(lines)
    said = {p["id"]: p for p in json.loads(line.partition(": ")[2])}["SKL-EUR"]
    x = SimulatedExchange(
        "coinbaseexchange",
        [Tape(Market("SKL/EUR", price_step=0.0001, amount_step=0.1))],
        clock=Clock(),
    )
    handlers = {route.path: route.handler for route in Coinbase().routes()}
    (got,) = handlers["/products"](Asked("/products"), x).body
    assert {n: type(v) for n, v in got.items()} == {n: type(v) for n, v in said.items()}
    same = ("id", "base_currency", "quote_currency", "quote_increment", "base_increment", "status")
    assert {name: got[name] for name in same} == {name: said[name] for name in same}
