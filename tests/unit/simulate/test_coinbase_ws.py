"""Coinbase Exchange's feed, proved with ccxt itself."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import ccxt
import pytest
from tests.support.ccxt_clients import run, talking_to, until, watched

from flightstore_ingest.simulate import Clock, Fault, Market, SimulatedExchange, seeded, serve

MINUTE = 60_000_000_000
START = 1_700_006_400_000_000_000  # a midnight
MARKET = Market("BTC/USD", price_step=0.01, amount_step=1e-8)
SYMBOL, PRODUCT = "BTC/USD", "BTC-USD"


def exchange(minute: int) -> SimulatedExchange:
    clock = Clock()
    clock.freeze(START + minute * MINUTE)
    tape = seeded(MARKET, START, START + 60 * MINUTE, 20, 4, price=30_000, quiet_share=0)
    return SimulatedExchange("coinbaseexchange", [tape], clock=clock)


async def said(x: SimulatedExchange, asked: list[Any], answers: int) -> list[Any]:
    """The first `answers` messages after `asked`, without any client's help."""
    async with (
        serve(x) as url,
        aiohttp.ClientSession() as session,
        session.ws_connect(url) as socket,
    ):
        for message in asked:
            await socket.send_str(message if isinstance(message, str) else json.dumps(message))
        return [json.loads(await socket.receive_str()) for _ in range(answers)]


def subscribe(*channels: Any, product: str = PRODUCT) -> dict[str, Any]:
    return {"type": "subscribe", "product_ids": [product], "channels": list(channels)}


def subscriptions(x: SimulatedExchange) -> int:
    return len([entry for entry in x.log.websockets(0) if "subscribe" in entry.query["text"]])


def test_ccxt_hears_of_each_new_trade_once_and_of_the_takers_side() -> None:
    async def test() -> None:
        x = exchange(30)
        tape = x.tapes[SYMBOL]
        first = tape.visible(x.now())
        async with talking_to(x, options={"tradesLimit": 10_000}) as client:
            await watched(
                lambda: client.watch_trades(SYMBOL),
                lambda: x.clock.advance(5 * MINUTE),
                lambda: subscriptions(x) == 1,
            )
            cache, end = client.trades[SYMBOL], tape.visible(x.now())
            await until(lambda: len(cache) == end - first)
        expected = tape.rows(first, end)
        assert [int(trade["id"]) for trade in cache] == [t.id for t in expected]
        assert [trade["side"] == "buy" for trade in cache] == [t.side > 0 for t in expected]
        assert [trade["price"] for trade in cache] == [t.price for t in expected]
        assert [trade["amount"] for trade in cache] == [t.amount for t in expected]

    run(test())


def test_after_a_break_what_lies_between_does_not_come() -> None:
    async def test() -> None:
        x = exchange(30)
        tape = x.tapes[SYMBOL]

        first = tape.visible(x.now())

        def minute() -> None:
            x.clock.advance(MINUTE)

        async with talking_to(x, options={"tradesLimit": 10_000}) as client:
            await watched(
                lambda: client.watch_trades(SYMBOL), minute, lambda: subscriptions(x) == 1
            )
            lost = tape.visible(x.now())
            await until(lambda: len(client.trades[SYMBOL]) == lost - first)
            with pytest.raises(ccxt.NetworkError):
                x.faults.add(Fault("close"))
                await client.watch_trades(SYMBOL)
            minute()
            found = tape.visible(x.now())
            await watched(
                lambda: client.watch_trades(SYMBOL), minute, lambda: subscriptions(x) == 2
            )
            ids = {int(trade["id"]) for trade in client.trades[SYMBOL]}
        assert not ids & {t.id for t in tape.rows(lost, found)}
        assert tape.rows(found, found + 1)[0].id in ids

    run(test())


def test_the_last_match_comes_before_the_list_of_subscriptions() -> None:
    async def test() -> None:
        x = exchange(30)
        last, listed = await said(x, [subscribe("matches")], 2)
        newest = x.tapes[SYMBOL].newest(1, now=x.now())[0]
        assert (last["type"], last["trade_id"]) == ("last_match", newest.id)
        assert listed == {
            "type": "subscriptions",
            "channels": [{"name": "matches", "product_ids": [PRODUCT]}],
        }

    run(test())


def test_a_channel_may_name_products_of_its_own() -> None:
    async def test() -> None:
        channel = {"name": "heartbeat", "product_ids": [PRODUCT]}
        asked = {"type": "subscribe", "channels": [channel]}
        listed, beat = await said(exchange(30), [asked], 2)
        assert listed["channels"] == [channel]
        assert beat["type"] == "heartbeat"
        assert beat["product_id"] == PRODUCT

    run(test())


def test_what_is_unsubscribed_is_not_listed_any_more() -> None:
    async def test() -> None:
        asked = subscribe("matches")
        *_, listed = await said(exchange(30), [asked, {**asked, "type": "unsubscribe"}], 3)
        assert listed == {"type": "subscriptions", "channels": []}

    run(test())


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (subscribe("matches", product="FOO-USD"), "FOO-USD is not a valid product"),
        (subscribe("level9"), "level9 is not a valid channel"),
        ("[1", "Malformed JSON"),
    ],
    ids=["product", "channel", "text"],
)
def test_what_does_not_exist_is_refused(asked: Any, reason: str) -> None:
    async def test() -> None:
        (answer,) = await said(exchange(30), [asked], 1)
        assert (answer["type"], answer["reason"]) == ("error", reason)

    run(test())


def test_ccxt_fails_where_a_subscription_is_refused() -> None:
    async def test() -> None:
        x = exchange(30)
        async with talking_to(x) as client:
            await client.load_markets()
            with pytest.raises(ccxt.ExchangeError, match="is not a valid channel"):
                await client.watch_ticker(SYMBOL)

    run(test())
