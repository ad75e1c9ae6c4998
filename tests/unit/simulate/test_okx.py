"""OKX's REST formats, proved with ccxt itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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

MILLISECOND = 1_000_000
MINUTE = 60_000_000_000
DAY = 1440 * MINUTE
START = 1_700_006_400_000_000_000  # a midnight
MARKET = Market("BTC/USDT", price_step=0.1, amount_step=1e-8, listed_ns=START)
SYMBOL = "BTC/USDT"
HISTORY = {"method": "publicGetMarketHistoryTrades"}


def exchange(tape: Tape, now: int, **options: Any) -> SimulatedExchange:
    clock = Clock()
    clock.freeze(now)
    return SimulatedExchange("okx", [tape], clock=clock, **options)


def busy(minutes: int, per_minute: float = 2.0) -> Tape:
    return seeded(
        MARKET, START, START + minutes * MINUTE, per_minute, 4, price=30_000, quiet_share=0.2
    )


@asynccontextmanager
async def talking(x: SimulatedExchange) -> AsyncIterator[Any]:
    """A client whose own clock is the exchange's: ccxt chooses endpoints by the age of candles."""
    async with talking_to(x, options={"fetchMarkets": {"types": ["spot"]}}) as client:
        client.milliseconds = lambda: x.now() // MILLISECOND
        yield client


def opened(bars: list[list[float]]) -> list[float]:
    return [(bar[0] * MILLISECOND - START) / MINUTE for bar in bars]


def paths(x: SimulatedExchange) -> list[str]:
    return [request.path.rpartition("/")[2] for request in x.log.matching("/market/")]


def test_ccxt_finds_the_spot_markets_and_no_others() -> None:
    async def test() -> None:
        gone = Market("SKL/EUR", price_step=1e-4, amount_step=0.1, active=False)
        x = exchange(Tape(MARKET), START)
        x.list_market(Tape(gone))
        async with talking_to(x) as client:
            found = await client.load_markets()
        assert set(found) == {SYMBOL, "SKL/EUR"}
        assert found[SYMBOL]["precision"] == {"amount": 1e-8, "price": 0.1}
        assert found[SYMBOL]["created"] == START // MILLISECOND
        assert [found[s]["active"] for s in (SYMBOL, "SKL/EUR")] == [True, False]

    run(test())


def test_the_told_time_is_what_ccxt_is_told() -> None:
    async def test() -> None:
        x = exchange(Tape(MARKET), START)
        x.clock.skew_ns = 123 * MILLISECOND
        async with talking(x) as client:
            assert await client.fetch_time() == START // MILLISECOND + 123
            assert (await client.fetch_status())["status"] == "ok"

    run(test())


def test_without_since_the_newest_candles_come_and_the_open_one_last() -> None:
    async def test() -> None:
        x = exchange(busy(400), START + 399 * MINUTE + 1)
        async with talking(x) as client:
            assert opened(await client.fetch_ohlcv(SYMBOL, "1m")) == list(range(300, 400))
            got = await client.fetch_ohlcv(SYMBOL, "1m", limit=500)
            assert opened(got) == list(range(100, 400))
            raw = await client.public_get_market_candles({"instId": "BTC-USDT", "bar": "1m"})
        assert [row[8] for row in raw["data"]] == ["0"] + ["1"] * 99
        assert paths(x)[0] == "candles"

    run(test())


def test_what_is_older_than_1439_bars_is_asked_of_the_history() -> None:
    async def test() -> None:
        x = exchange(busy(2000), START + 1900 * MINUTE)
        async with talking(x) as client:
            since = (START + 100 * MINUTE) // MILLISECOND
            old = await client.fetch_ohlcv(SYMBOL, "1m", since=since, limit=300)
            since = (START + 1600 * MINUTE) // MILLISECOND
            recent = await client.fetch_ohlcv(SYMBOL, "1m", since=since, limit=300)
        assert opened(old) == list(range(100, 400))
        assert opened(recent) == list(range(1600, 1900))
        assert paths(x) == ["history-candles", "candles"]
        expected = x.tapes[SYMBOL].bars("1m", START + 100 * MINUTE, limit=300)
        assert [bar[1:] for bar in old] == [list(bar[1:6]) for bar in expected]

    run(test())


def test_the_endpoint_for_recent_candles_has_no_old_ones() -> None:
    async def test() -> None:
        x = exchange(busy(2000), START + 1900 * MINUTE)
        async with talking(x) as client:
            after = (START + 500 * MINUTE) // MILLISECOND
            params = {"instId": "BTC-USDT", "bar": "1m", "limit": 300, "after": after}
            got = (await client.public_get_market_candles(params))["data"]
        assert opened([[int(row[0])] for row in got])[-1] == 1900 - 1439
        assert len(got) == 500 - (1900 - 1439)

    run(test())


def test_minutes_without_trades_are_flat() -> None:
    async def test() -> None:
        tape = Tape(MARKET, [Trade(START, 7, 30_000.5, 0.25, 1)])
        x = exchange(tape, START + 2 * MINUTE)
        async with talking(x) as client:
            raw = await client.public_get_market_candles({"instId": "BTC-USDT"})
        assert [row[1:] for row in raw["data"]] == [
            [*["30000.5"] * 4, "0", "0", "0", "0"],
            [*["30000.5"] * 4, "0", "0", "0", "1"],
            [*["30000.5"] * 4, "0.25", "7500.125", "7500.125", "1"],
        ]

    run(test())


def test_days_begin_at_midnight_utc_as_ccxt_asks_for_them() -> None:
    async def test() -> None:
        x = exchange(busy(1440), START + DAY + MINUTE)
        async with talking(x) as client:
            got = await client.fetch_ohlcv(SYMBOL, "1d")
            assert got[0][0] == START // MILLISECOND
            # Those that begin at midnight in Hong Kong are not simulated.
            with pytest.raises(ccxt.BadRequest):
                await client.public_get_market_candles({"instId": "BTC-USDT", "bar": "1D"})

    run(test())


def test_the_id_leads_back_through_the_history_of_trades() -> None:
    async def test() -> None:
        x = exchange(busy(60, per_minute=8), START + 59 * MINUTE)
        ids: list[int] = []
        async with talking(x) as client:
            params: dict[str, Any] = dict(HISTORY)
            for _ in range(20):
                page = await client.fetch_trades(SYMBOL, params=params)
                if not page:
                    break
                ids = [int(trade["id"]) for trade in page] + ids
                params = {**HISTORY, "after": page[0]["id"]}
        tape = x.tapes[SYMBOL]
        assert ids == [t.id for t in tape.trades_between(now=x.now())]
        assert [r.rows for r in x.log.matching("/history-trades")][:2] == [100, 100]

    run(test())


def test_the_history_of_trades_can_be_entered_by_time() -> None:
    async def test() -> None:
        x = exchange(busy(60, per_minute=8), START + 59 * MINUTE)
        middle = (START + 30 * MINUTE) // MILLISECOND
        async with talking(x) as client:
            page = await client.fetch_trades(
                SYMBOL, params={**HISTORY, "type": "2", "after": middle}
            )
        expected = x.tapes[SYMBOL].trades_between(0, START + 30 * MINUTE, 100, newest=True)
        assert [int(trade["id"]) for trade in page] == [t.id for t in expected]
        assert [trade["side"] == "buy" for trade in page] == [t.side > 0 for t in expected]

    run(test())


def test_trades_of_more_than_three_months_ago_are_gone() -> None:
    async def test() -> None:
        moments = [START, START + 100 * DAY]
        tape = Tape(MARKET, [Trade(ts, n, 100.0, 1.0, 1) for n, ts in enumerate(moments, 1)])
        x = exchange(tape, START + 101 * DAY)
        async with talking(x) as client:
            page = await client.fetch_trades(SYMBOL, params=HISTORY)
            older = await client.fetch_trades(SYMBOL, params={**HISTORY, "after": 2})
        assert [trade["id"] for trade in page] == ["2"]
        assert older == []

    run(test())


def test_by_default_ccxt_asks_for_the_newest_trades_only() -> None:
    async def test() -> None:
        x = exchange(busy(300, per_minute=8), START + 299 * MINUTE)
        async with talking(x) as client:
            newest = await client.fetch_trades(SYMBOL, limit=1000)
        expected = x.tapes[SYMBOL].newest(500, now=x.now())
        assert [int(trade["id"]) for trade in newest] == [t.id for t in expected]

    run(test())


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault("bad_symbol"), ccxt.BadSymbol),
        (Fault("maintenance"), ccxt.OnMaintenance),
        (Fault("status", status=429), ccxt.RateLimitExceeded),
        (Fault("status", status=500), ccxt.ExchangeNotAvailable),
        (Fault("status", status=451), ccxt.ExchangeNotAvailable),
    ],
    ids=lambda value: value.kind + str(value.status) if isinstance(value, Fault) else "",
)
def test_errors_are_told_in_okxs_words(fault: Fault, expected: type[Exception]) -> None:
    async def test() -> None:
        x = exchange(busy(10), START + 9 * MINUTE)
        async with talking(x) as client:
            await client.load_markets()
            x.faults.add(fault)
            with pytest.raises(expected) as caught:
                await client.fetch_ohlcv(SYMBOL)
            assert caught.type is expected

    run(test())


def test_an_instrument_that_does_not_exist_is_refused_everywhere() -> None:
    async def test() -> None:
        x = exchange(busy(10), START + 9 * MINUTE)
        async with talking(x) as client:
            for name in ("candles", "history_candles", "trades", "history_trades"):
                with pytest.raises(ccxt.BadSymbol):
                    await getattr(client, f"public_get_market_{name}")({"instId": "FOO-BAR"})

    run(test())


def test_who_asks_too_often_is_told_so() -> None:
    async def test() -> None:
        x = exchange(busy(10), START + 9 * MINUTE, limit=Limit(1, 60.0))
        async with talking(x) as client:
            await client.fetch_time()
            with pytest.raises(ccxt.RateLimitExceeded, match="Too Many Requests"):
                await client.fetch_time()
            assert float(client.last_response_headers["Retry-After"]) <= 60

    run(test())


@pytest.mark.parametrize("page", ["candles", "trades"])
@pytest.mark.parametrize("kind", ["empty", "none_fields", "outside", "zero_rows", "contradiction"])
def test_spoiled_pages_are_still_okxs(kind: str, page: str) -> None:
    async def test() -> None:
        x = exchange(busy(10), START + 9 * MINUTE)
        async with talking(x) as client:
            ask = getattr(client, f"public_get_market_{page}")
            fine = await ask({"instId": "BTC-USDT"})
            x.faults.add(Fault(kind, page))
            spoiled = await ask({"instId": "BTC-USDT"})
        assert spoiled["code"] == "0"
        assert fine["data"] != spoiled["data"]

    run(test())
