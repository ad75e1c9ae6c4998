"""Markets, tapes and clocks of which a test knows what is in them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.support.ccxt_clients import talking_to, until

from flightstore_ingest.simulate import Clock, Market, SimulatedExchange, Tape, Trade, seeded

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
DAY = 1_440 * MINUTE
START = 1_700_006_400 * SECOND  # 2023-11-15 00:00 UTC


@asynccontextmanager
async def binance(exchange: SimulatedExchange, **config: Any) -> AsyncIterator[Any]:
    """ccxt's Binance, told to keep to spot markets."""
    async with talking_to(exchange, **config) as client:
        client.options["fetchMarkets"] = {"types": ["spot"]}
        client.has["fetchCurrencies"] = False  # an endpoint that wants a signature
        # ccxt tells spot from futures by "/stream" in the URL.
        stream = client.urls["api"]["ws"]["spot"].replace("/ws", "/stream/ws")
        client.urls["api"]["ws"]["spot"] = stream
        yield client


async def heard(exchange: SimulatedExchange, watching: Awaitable[Any], ns: int) -> Any:
    """What `watching` gives when `ns` pass after it has subscribed."""
    task = asyncio.ensure_future(watching)
    await until(lambda: any(c.subscriptions for c in exchange.connections))
    exchange.clock.advance(ns)
    return await task


def frozen(ns: int) -> Clock:
    """A clock that stands still at `ns`."""
    clock = Clock(ns)
    clock.freeze(ns)
    return clock


def every_second(count: int, start: int = START, first_id: int = 1_001) -> list[Trade]:
    """`count` trades, one a second, bought and sold in turn, each a cent dearer."""
    return [
        Trade(
            start + i * SECOND,
            first_id + i,
            round(100 + i / 100, 2),
            round((i % 7 + 1) / 10, 5),
            1 if i % 2 else -1,
        )
        for i in range(count)
    ]


BTC = Market("BTC/USDT")


@pytest.fixture
def tape() -> Tape:
    """Two hours of BTC/USDT from START on, as a seed has it: quiet minutes, crowds."""
    return seeded(BTC, START, START + 120 * MINUTE, 40, seed=7, price=60_000.0)
