"""Kraken's REST formats, proved with ccxt itself."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest
from tests.support.ccxt_clients import run, talking_to

from flightstore_ingest.simulate import (
    Clock,
    Fault,
    Limit,
    Market,
    SimulatedExchange,
    Tape,
    Trade,
    seeded,
)
from flightstore_ingest.simulate.kraken_names import asset_id, pair_id

MINUTE = 60_000_000_000
START = 1_700_006_400_000_000_000  # a midnight
MARKET = Market("BTC/USD", price_step=0.1, amount_step=1e-8)
SYMBOL = "BTC/USD"


def exchange(tape: Tape, now: int, **options: Any) -> SimulatedExchange:
    clock = Clock()
    clock.freeze(now)
    return SimulatedExchange("kraken", [tape], clock=clock, **options)


def busy(minutes: int, per_minute: float = 2.0) -> Tape:
    return seeded(MARKET, START, START + minutes * MINUTE, per_minute, seed=4, price=30_000)


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("BTC/USD", "XXBTZUSD"),
        ("BTC/USDT", "XBTUSDT"),
        ("ETH/BTC", "XETHXXBT"),
        ("DOGE/USD", "XDGUSD"),
        ("SOL/EUR", "SOLEUR"),
    ],
)
def test_pairs_have_the_names_that_kraken_gave_them(symbol: str, name: str) -> None:
    assert pair_id(Market(symbol)) == name


@pytest.mark.parametrize(("currency", "name"), [("DOGE", "XXDG"), ("EUR", "ZEUR"), ("SOL", "SOL")])
def test_assets_have_the_names_that_kraken_gave_them(currency: str, name: str) -> None:
    assert asset_id(currency) == name


def test_ccxt_finds_markets_under_their_usual_symbols() -> None:
    async def test() -> None:
        markets = [
            Market("BTC/USDT", price_step=0.1, amount_step=1e-8),
            Market("DOGE/USD", price_step=1e-7, amount_step=1e-8, active=False),
        ]
        x = SimulatedExchange("kraken", [Tape(market) for market in markets])
        async with talking_to(x) as client:
            found = await client.load_markets()
        assert set(found) == {"BTC/USDT", "DOGE/USD"}
        assert found["BTC/USDT"]["id"] == "XBTUSDT"
        assert found["BTC/USDT"]["precision"] == {"amount": 1e-8, "price": 0.1}
        assert [market["active"] for market in found.values()] == [True, False]

    run(test())


def test_the_told_time_is_what_ccxt_is_told() -> None:
    async def test() -> None:
        x = exchange(Tape(MARKET), START + 90_500_000_000)
        x.clock.skew_ns = -3_000_000_000
        async with talking_to(x) as client:
            assert await client.fetch_time() == (START // 1_000_000) + 87_000
            assert (await client.fetch_status())["status"] == "ok"

    run(test())


def test_candles_are_the_newest_720_and_the_open_one_whatever_since_says() -> None:
    async def test() -> None:
        tape = busy(1500)
        x = exchange(tape, START + 1400 * MINUTE + 30_000_000_000)
        async with talking_to(x) as client:
            bars = await client.fetch_ohlcv(SYMBOL, "1m", since=START // 1_000_000)
        opened = [bar[0] * 1_000_000 for bar in bars]
        assert opened == [START + minute * MINUTE for minute in range(680, 1401)]

    run(test())


def test_candles_later_than_since_are_left() -> None:
    async def test() -> None:
        x = exchange(busy(100), START + 99 * MINUTE)
        async with talking_to(x) as client:
            since = (START + 90 * MINUTE) // 1_000_000
            bars = await client.fetch_ohlcv(SYMBOL, "1m", since=since)
        assert [bar[0] * 1_000_000 for bar in bars] == [
            START + minute * MINUTE for minute in range(90, 100)
        ]

    run(test())


def test_minutes_without_trades_are_filled_with_the_last_price_and_no_volume() -> None:
    async def test() -> None:
        tape = Tape(MARKET, [Trade(START, 7, 30_000.5, 0.25, 1)])
        x = exchange(tape, START + 2 * MINUTE)
        async with talking_to(x) as client:
            await client.load_markets()
            raw = await client.public_get_ohlc({"pair": "XXBTZUSD", "interval": 1})
        rows = raw["result"]["XXBTZUSD"]
        assert rows[0][1:] == [*["30000.5"] * 5, "0.25000000", 1]
        assert rows[1][1:] == rows[2][1:] == [*["30000.5"] * 4, "0.0", "0.00000000", 0]
        assert raw["result"]["last"] == rows[1][0]

    run(test())


def test_a_day_is_one_candle_of_all_its_trades() -> None:
    async def test() -> None:
        tape = busy(1440)
        x = exchange(tape, START + 1441 * MINUTE)
        async with talking_to(x) as client:
            day = (await client.fetch_ohlcv(SYMBOL, "1d"))[0]
        trades = tape.trades_between()
        assert day[1:5] == [
            trades[0].price,
            max(t.price for t in trades),
            min(t.price for t in trades),
            trades[-1].price,
        ]
        assert day[5] == pytest.approx(sum(t.amount for t in trades))

    run(test())


def test_the_cursor_leads_through_all_trades_once() -> None:
    async def test() -> None:
        tape = busy(300, per_minute=12)
        x = exchange(tape, START + 299 * MINUTE)
        ids: list[int] = []
        async with talking_to(x) as client:
            await client.load_markets()
            since, pages = "0", []
            for _ in range(10):
                params = {"pair": "XXBTZUSD", "since": since}
                result = (await client.public_get_trades(params))["result"]
                pages.append(len(result["XXBTZUSD"]))
                ids += [int(row[6]) for row in result["XXBTZUSD"]]
                if result["last"] == since:
                    break
                since = result["last"]
        assert ids == [t.id for t in tape.trades_between(now=x.now())]
        assert all(rows >= 1000 for rows in pages[:-2])

    run(test())


def test_ccxt_pages_trades_by_the_cursor_that_it_puts_into_the_last_one() -> None:
    async def test() -> None:
        tape = busy(300, per_minute=12)
        x = exchange(tape, START + 299 * MINUTE)
        async with talking_to(x) as client:
            first = await client.fetch_trades(SYMBOL, since=START // 1_000_000 - 1000)
            cursor = first[-1]["info"][-1]
            second = await client.fetch_trades(SYMBOL, params={"since": cursor})
        assert int(second[0]["info"][6]) == int(first[-1]["info"][6]) + 1
        assert first[0]["price"] == tape.trades_between(limit=1)[0].price

    run(test())


def test_a_page_is_not_cut_within_a_nanosecond() -> None:
    async def test() -> None:
        moments = [START + 1] * 3 + [START + 2] * 4 + [START + 3]
        trades = [Trade(ts, number, 100.0, 1.0, 1) for number, ts in enumerate(moments)]
        x = exchange(Tape(MARKET, trades), START + MINUTE)
        async with talking_to(x) as client:
            await client.load_markets()
            params = {"pair": "XXBTZUSD", "since": str(START), "count": 5}
            result = (await client.public_get_trades(params))["result"]
        assert [int(row[6]) for row in result["XXBTZUSD"]] == list(range(7))
        assert result["last"] == str(START + 2)

    run(test())


def test_sides_are_the_takers() -> None:
    async def test() -> None:
        x = exchange(busy(10), START + 9 * MINUTE)
        async with talking_to(x) as client:
            got = await client.fetch_trades(SYMBOL)
        sides = [{"buy": 1, "sell": -1}[trade["side"]] for trade in got]
        assert sides == [t.side for t in x.tapes[SYMBOL].trades_between(now=x.now())]

    run(test())


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        # ccxt knows "EQuery:Unknown asset" but not what Kraken says of a pair.
        (Fault("bad_symbol"), ccxt.ExchangeError),
        (Fault("maintenance"), ccxt.ExchangeNotAvailable),
        (Fault("status", status=429), ccxt.DDoSProtection),
        (Fault("status", status=500), ccxt.ExchangeNotAvailable),
        (Fault("status", status=520), ccxt.ExchangeNotAvailable),
        (Fault("status", status=451), ccxt.ExchangeNotAvailable),
    ],
    ids=lambda value: value.kind + str(value.status) if isinstance(value, Fault) else "",
)
def test_errors_are_told_in_krakens_words(fault: Fault, expected: type[Exception]) -> None:
    async def test() -> None:
        x = exchange(busy(10), START + 9 * MINUTE)
        async with talking_to(x) as client:
            await client.load_markets()
            x.faults.add(fault)
            with pytest.raises(expected) as caught:
                await client.fetch_trades(SYMBOL)
            assert caught.type is expected

    run(test())


def test_who_asks_too_often_is_told_so_and_then_locked_out() -> None:
    async def test() -> None:
        x = exchange(busy(10), START + 9 * MINUTE, limit=Limit(3, 60.0, ban_seconds=60.0))
        async with talking_to(x) as client:
            await client.load_markets()
            await client.fetch_time()
            with pytest.raises(ccxt.DDoSProtection, match="EGeneral:Too many requests"):
                await client.fetch_time()
            assert float(client.last_response_headers["Retry-After"]) <= 60
            with pytest.raises(ccxt.DDoSProtection, match="EGeneral:Temporary lockout"):
                await client.fetch_time()

    run(test())


def test_an_unknown_timeframe_is_refused() -> None:
    async def test() -> None:
        x = exchange(busy(10), START + 9 * MINUTE)
        async with talking_to(x) as client:
            await client.load_markets()
            with pytest.raises(ccxt.BadRequest):
                await client.public_get_ohlc({"pair": "XBTUSD", "interval": 7})

    run(test())


@pytest.mark.parametrize("kind", ["empty", "none_fields", "outside", "zero_rows", "contradiction"])
def test_spoiled_pages_are_still_krakens(kind: str) -> None:
    async def test() -> None:
        x = exchange(busy(10), START + 9 * MINUTE)
        async with talking_to(x) as client:
            await client.load_markets()
            params = {"pair": "XXBTZUSD", "interval": 1}
            fine = (await client.public_get_ohlc(params))["result"]
            x.faults.add(Fault(kind, "OHLC"))
            spoiled = (await client.public_get_ohlc(params))["result"]
        assert fine.keys() == spoiled.keys()
        assert fine["XXBTZUSD"] != spoiled["XXBTZUSD"]

    run(test())
