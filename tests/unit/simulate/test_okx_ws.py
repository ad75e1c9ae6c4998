"""OKX's websocket formats, proved with ccxt itself."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import ccxt
import pytest
from tests.support.ccxt_clients import run, talking_to, until

from flightstore_ingest.simulate import Clock, Fault, Market, SimulatedExchange, seeded, serve

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
START = 1_700_006_400_000_000_000  # a midnight
MARKET = Market("BTC/USDT", price_step=0.1, amount_step=1e-8)
SYMBOL, INSTRUMENT = "BTC/USDT", "BTC-USDT"
ROOMY = {"tradesLimit": 10_000, "fetchMarkets": {"types": ["spot"]}}


def exchange(minute: int) -> SimulatedExchange:
    clock = Clock()
    clock.freeze(START + minute * MINUTE)
    tape = seeded(MARKET, START, START + 60 * MINUTE, 20, 4, price=30_000, quiet_share=0.1)
    return SimulatedExchange("okx", [tape], clock=clock)


def subscribe(channel: str, instrument: str = INSTRUMENT, op: str = "subscribe") -> dict[str, Any]:
    return {"op": op, "args": [{"channel": channel, "instId": instrument}]}


async def said(x: SimulatedExchange, path: str, asked: list[Any], answers: int) -> list[str]:
    """The first `answers` messages after `asked`, without any client's help."""
    async with (
        serve(x) as url,
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{url}/ws/v5/{path}") as socket,
    ):
        for message in asked:
            await socket.send_str(message if isinstance(message, str) else json.dumps(message))
        return [await socket.receive_str() for _ in range(answers)]


def test_the_last_trade_comes_first_and_then_each_new_one_once() -> None:
    async def test() -> None:
        x = exchange(30)
        tape = x.tapes[SYMBOL]
        first = tape.visible(x.now()) - 1
        async with talking_to(x, options=ROOMY) as client:
            await client.watch_trades(SYMBOL)
            cache = client.trades[SYMBOL]
            assert [int(trade["id"]) for trade in cache] == [tape.rows(first, first + 1)[0].id]
            x.clock.advance(5 * MINUTE)
            end = tape.visible(x.now())
            await until(lambda: len(cache) == end - first)
        expected = tape.rows(first, end)
        assert [int(trade["id"]) for trade in cache] == [t.id for t in expected]
        assert [trade["side"] == "buy" for trade in cache] == [t.side > 0 for t in expected]
        assert [trade["price"] for trade in cache] == [t.price for t in expected]
        assert [trade["amount"] for trade in cache] == [t.amount for t in expected]
        assert [trade["timestamp"] for trade in cache] == [t.ts // 1_000_000 for t in expected]

    run(test())


def test_after_a_break_all_but_the_last_of_what_lies_between_is_missing() -> None:
    async def test() -> None:
        x = exchange(30)
        tape = x.tapes[SYMBOL]
        async with talking_to(x, options=ROOMY) as client:
            await client.watch_trades(SYMBOL)
            with pytest.raises(ccxt.NetworkError):
                x.faults.add(Fault("close"))
                await client.watch_trades(SYMBOL)
            lost = tape.visible(x.now())
            x.clock.advance(5 * MINUTE)
            found = tape.visible(x.now())
            await client.watch_trades(SYMBOL)
            ids = [int(trade["id"]) for trade in client.trades[SYMBOL]]
        assert ids == [tape.rows(n - 1, n)[0].id for n in (lost, found)]

    run(test())


def test_the_open_candle_comes_first_and_then_each_one_as_it_grows() -> None:
    async def test() -> None:
        x = exchange(30)
        tape = x.tapes[SYMBOL]
        x.clock.advance(30 * SECOND)

        def newest(number: int) -> list[list[float]]:
            bars = tape.bars("1m", limit=number, newest=True, now=x.now())
            return [[bar.ts // 1_000_000, *bar[1:6]] for bar in bars]

        async with talking_to(x, options=ROOMY) as client:
            await client.watch_ohlcv(SYMBOL, "1m")
            cache = client.ohlcvs[SYMBOL]["1m"]
            assert list(cache) == newest(1)
            x.clock.advance(29 * SECOND)
            await until(lambda: list(cache) == newest(1))
            x.clock.advance(3 * MINUTE)
            await until(lambda: list(cache) == newest(4))

    run(test())


def test_a_closed_candle_is_confirmed() -> None:
    async def test() -> None:
        x = exchange(30)
        async with (
            serve(x) as url,
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{url}/ws/v5/business") as socket,
        ):
            await socket.send_json(subscribe("candle1m"))
            assert (await socket.receive_json())["event"] == "subscribe"
            assert (await socket.receive_json())["data"][0][8] == "0"
            x.clock.advance(MINUTE)
            rows = [(await socket.receive_json())["data"][0] for _ in range(2)]
        opened = [START + minute * MINUTE for minute in (30, 31)]
        assert [int(row[0]) * 1_000_000 for row in rows] == opened
        assert [row[8] for row in rows] == ["1", "0"]

    run(test())


def test_text_is_pinged_and_ponged() -> None:
    async def test() -> None:
        assert await said(exchange(30), "public", ["ping"], 1) == ["pong"]

    run(test())


def test_what_is_unsubscribed_is_not_sent_any_more() -> None:
    async def test() -> None:
        asked = [subscribe("trades"), subscribe("trades", op="unsubscribe"), "ping"]
        *_, ended, pong = await said(exchange(30), "public", asked, 4)
        assert json.loads(ended)["event"] == "unsubscribe"
        assert pong == "pong"

    run(test())


@pytest.mark.parametrize(
    ("path", "asked", "code"),
    [
        ("public", subscribe("trades", "FOO-BAR"), "60018"),
        ("public", subscribe("candle1m"), "60018"),
        ("business", subscribe("trades"), "60018"),
        ("business", subscribe("candle7m"), "60018"),
        ("business", subscribe("candle1D"), "60018"),
        ("public", {"op": "dance", "args": []}, "60019"),
        ("public", "[1", "60012"),
    ],
)
def test_what_does_not_exist_there_is_refused(path: str, asked: Any, code: str) -> None:
    async def test() -> None:
        (answer,) = await said(exchange(30), path, [asked], 1)
        assert json.loads(answer)["code"] == code

    run(test())


def test_ccxt_fails_where_a_subscription_is_refused() -> None:
    async def test() -> None:
        x = exchange(30)
        async with talking_to(x, options=ROOMY) as client:
            with pytest.raises(ccxt.BadRequest):
                await client.watch_ticker(SYMBOL)

    run(test())
