"""Kraken's websocket formats, proved with ccxt itself."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import ccxt
import pytest
from tests.support.ccxt_clients import run, talking_to, until, watched

from flightstore_ingest.simulate import (
    Clock,
    Fault,
    Market,
    SimulatedExchange,
    Tape,
    Trade,
    seeded,
    serve,
)

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
START = 1_700_006_400_000_000_000  # a midnight
MARKET = Market("BTC/USD", price_step=0.1, amount_step=1e-8)
SYMBOL = "BTC/USD"


def exchange(now: int, tape: Tape | None = None) -> SimulatedExchange:
    clock = Clock()
    clock.freeze(now)
    if tape is None:
        tape = seeded(MARKET, START, START + 60 * MINUTE, 20, seed=4, price=30_000)
    return SimulatedExchange("kraken", [tape], clock=clock)


async def said(x: SimulatedExchange, asked: list[dict[str, Any]], answers: int) -> list[Any]:
    """The first `answers` messages after `asked`, without any client's help."""
    async with (
        serve(x) as url,
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{url}/v2") as socket,
    ):
        for message in asked:
            await socket.send_json(message)
        return [json.loads(await socket.receive_str()) for _ in range(answers)]


def subscribe(channel: str, symbol: str = SYMBOL, **params: Any) -> dict[str, Any]:
    asked = {"channel": channel, "symbol": [symbol], **params}
    return {"method": "subscribe", "params": asked, "req_id": 3}


def test_fifty_trades_of_the_past_come_first_and_then_each_new_one_once() -> None:
    async def test() -> None:
        x = exchange(START + 30 * MINUTE)
        async with talking_to(x, options={"tradesLimit": 10_000}) as client:
            past = await client.watch_trades(SYMBOL)
            tape, cache = x.tapes[SYMBOL], client.trades[SYMBOL]
            known = tape.visible(x.now())
            for _ in range(5):
                x.clock.advance(MINUTE)
                await until(lambda: len(cache) == 50 + tape.visible(x.now()) - known)
        assert len(past) == 50
        expected = tape.rows(known - 50, tape.visible(x.now()))
        assert [int(trade["id"]) for trade in cache] == [t.id for t in expected]
        assert [trade["price"] for trade in cache] == [t.price for t in expected]
        assert [trade["amount"] for trade in cache] == [t.amount for t in expected]
        assert [trade["side"] == "buy" for trade in cache] == [t.side > 0 for t in expected]
        assert [trade["timestamp"] for trade in cache] == [t.ts // 1_000_000 for t in expected]

    run(test())


def test_after_a_break_the_snapshot_comes_again_and_what_lies_between_does_not() -> None:
    async def test() -> None:
        x = exchange(START + 30 * MINUTE)
        tape = x.tapes[SYMBOL]
        async with talking_to(x, options={"tradesLimit": 10_000}) as client:
            await client.watch_trades(SYMBOL)
            with pytest.raises(ccxt.NetworkError):
                x.faults.add(Fault("close"))
                await client.watch_trades(SYMBOL)
            x.clock.advance(20 * MINUTE)
            cache = client.trades[SYMBOL]
            await client.watch_trades(SYMBOL)
            end = tape.visible(x.now())
            assert [int(t["id"]) for t in cache][-50:] == [t.id for t in tape.rows(end - 50, end)]
            assert len(cache) == 100
        assert len(x.log.websockets(101)) == 2

    run(test())


def test_without_a_past_the_first_trade_is_what_comes_first() -> None:
    async def test() -> None:
        x = exchange(START, Tape(MARKET, [Trade(START + SECOND, 1, 100.0, 2.0, 1)]))
        async with talking_to(x) as client:
            got = await watched(
                lambda: client.watch_trades(SYMBOL),
                lambda: x.clock.advance(SECOND),
                lambda: len(x.log.websockets(0)) == 1,
            )
        assert [trade["id"] for trade in got] == ["1"]

    run(test())


def test_ten_candles_of_the_past_come_first_and_then_the_open_one_as_it_grows() -> None:
    async def test() -> None:
        x = exchange(START + 30 * MINUTE + 30 * SECOND)
        tape = x.tapes[SYMBOL]

        def newest(number: int) -> list[list[float]]:
            bars = [bar for bar in tape.bars("1m", now=x.now()) if bar.volume]
            return [[bar.ts // 1_000_000, *bar[1:6]] for bar in bars][-number:]

        async with talking_to(x) as client:
            await client.watch_ohlcv(SYMBOL, "1m")
            cache = client.ohlcvs[SYMBOL]["1m"]
            assert list(cache) == newest(10)
            x.clock.advance(29 * SECOND)
            await until(lambda: list(cache) == newest(10))
            x.clock.advance(MINUTE)
            await until(lambda: list(cache) == newest(11))

    run(test())


def test_candles_without_trades_are_left_out_of_the_channel() -> None:
    async def test() -> None:
        moments = [START, START + MINUTE, START + 4 * MINUTE]
        tape = Tape(MARKET, [Trade(ts, n, 30_000.5, 0.5, 1) for n, ts in enumerate(moments)])
        x = exchange(START + 5 * MINUTE, tape)
        snapshot = (await said(x, [subscribe("ohlc", interval=1)], 3))[-1]
        begun = [row["interval_begin"] for row in snapshot["data"]]
        assert begun == [f"2023-11-15T00:0{minute}:00.000000000Z" for minute in (0, 1, 4)]

    run(test())


def test_a_subscription_is_acknowledged_before_anything_else_is_said() -> None:
    async def test() -> None:
        status, answer, snapshot = await said(exchange(START + MINUTE), [subscribe("trade")], 3)
        assert (status["channel"], status["data"][0]["system"]) == ("status", "online")
        assert answer["success"] is True
        assert answer["req_id"] == 3
        assert answer["result"] == {"channel": "trade", "snapshot": True, "symbol": SYMBOL}
        assert (snapshot["channel"], snapshot["type"]) == ("trade", "snapshot")

    run(test())


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        # The names that Kraken's own lists give are not those of its websocket.
        (subscribe("trade", "XBT/USD"), "Currency pair not supported XBT/USD"),
        (subscribe("ohlc", interval=7), "Subscription ohlc interval not supported"),
        (subscribe("level9"), "Subscription name invalid: level9"),
    ],
    ids=["pair", "interval", "channel"],
)
def test_what_does_not_exist_is_refused(asked: dict[str, Any], error: str) -> None:
    async def test() -> None:
        answer = (await said(exchange(START + MINUTE), [asked], 2))[-1]
        assert (answer["success"], answer["error"], answer["method"]) == (
            False,
            error,
            "subscribe",
        )

    run(test())


def test_a_second_subscription_to_the_same_is_refused() -> None:
    async def test() -> None:
        x = exchange(START + MINUTE)
        asked = [subscribe("trade", snapshot=False)] * 2
        answer = (await said(x, asked, 3))[-1]
        assert answer["error"] == "Already subscribed"

    run(test())


def test_what_is_unsubscribed_is_not_sent_any_more() -> None:
    async def test() -> None:
        x = exchange(START + MINUTE)
        asked = subscribe("trade", snapshot=False)
        messages = [asked, {**asked, "method": "unsubscribe"}, {"method": "ping", "req_id": 9}]
        *_, unsubscribed, pong = await said(x, messages, 4)
        assert (unsubscribed["method"], unsubscribed["success"]) == ("unsubscribe", True)
        assert (pong["method"], pong["req_id"]) == ("pong", 9)

    run(test())


def test_a_message_that_is_no_request_is_refused() -> None:
    async def test() -> None:
        x = exchange(START + MINUTE)
        async with (
            serve(x) as url,
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{url}/v2") as socket,
        ):
            await socket.receive_str()
            await socket.send_str("[1")
            answer = json.loads(await socket.receive_str())
        assert answer["error"] == "Malformed request"

    run(test())


def test_a_refused_handshake_is_a_network_error() -> None:
    async def test() -> None:
        x = exchange(START + MINUTE)
        async with talking_to(x) as client:
            await client.load_markets()
            x.faults.add(Fault("refuse", status=429, retry_after=0.1))
            with pytest.raises(ccxt.NetworkError):
                await client.watch_trades(SYMBOL)
            assert len(await asyncio.wait_for(client.watch_trades(SYMBOL), 10)) == min(
                50, x.tapes[SYMBOL].visible(x.now())
            )

    run(test())
