"""Coinbase Exchange's REST formats, proved with ccxt itself."""

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
from flightstore_ingest.simulate.written import from_rfc3339, plain, rfc3339

MINUTE = 60_000_000_000
START = 1_700_006_400_000_000_000  # a midnight
MARKET = Market("BTC/USD", price_step=0.01, amount_step=1e-8)
SYMBOL = "BTC/USD"


def exchange(tape: Tape, now: int, **options: Any) -> SimulatedExchange:
    clock = Clock()
    clock.freeze(now)
    return SimulatedExchange("coinbaseexchange", [tape], clock=clock, **options)


def busy(minutes: int, per_minute: float = 2.0) -> Tape:
    return seeded(
        MARKET, START, START + minutes * MINUTE, per_minute, 4, price=30_000, quiet_share=0.2
    )


def rows(tape: Tape, start: int, end: int, now: int) -> list[list[float]]:
    bars = tape.bars("1m", START + start * MINUTE, START + end * MINUTE, now=now)
    return [[bar.ts // 1_000_000, *bar[1:6]] for bar in bars]


def test_times_are_read_as_they_are_written() -> None:
    ns = 1_700_006_400_123_456_789
    assert rfc3339(ns, 9) == "2023-11-15T00:00:00.123456789Z"
    assert from_rfc3339(rfc3339(ns)) == ns - 789
    assert from_rfc3339("2023-11-15T00:00:00Z") == START


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(30236.0, 8, "30236"), (8.8e-7, 8, "0.00000088"), (100.0, 0, "100"), (0.1 + 0.2, 8, "0.3")],
)
def test_numbers_are_written_without_exponents_and_needless_zeros(
    value: float, decimals: int, text: str
) -> None:
    assert plain(value, decimals) == text


def test_ccxt_finds_the_markets() -> None:
    async def test() -> None:
        gone = Market("SKL/EUR", price_step=1e-4, amount_step=0.1, active=False)
        x = SimulatedExchange("coinbaseexchange", [Tape(MARKET), Tape(gone)])
        async with talking_to(x) as client:
            found = await client.load_markets()
        assert found["SKL/EUR"]["precision"] == {"amount": 0.1, "price": 0.0001}
        assert [found[s]["active"] for s in (SYMBOL, "SKL/EUR")] == [True, False]

    run(test())


def test_a_market_that_is_not_listed_yet_is_not_there() -> None:
    async def test() -> None:
        later = Tape(Market("NEW/USD", listed_ns=START + MINUTE))
        x = SimulatedExchange("coinbaseexchange", [Tape(MARKET), later], clock=Clock())
        x.clock.freeze(START)
        async with talking_to(x) as client:
            assert set(await client.load_markets()) == {SYMBOL}
            x.clock.advance(MINUTE)
            assert set(await client.load_markets(True)) == {SYMBOL, "NEW/USD"}

    run(test())


def test_the_told_time_is_what_ccxt_is_told() -> None:
    async def test() -> None:
        x = exchange(Tape(MARKET), START + 1_500_000_000)
        x.clock.skew_ns = 2_000_000_000
        async with talking_to(x) as client:
            assert await client.fetch_time() == START // 1_000_000 + 3_500

    run(test())


def test_candles_of_a_window_are_those_with_trades_in_it() -> None:
    async def test() -> None:
        x = exchange(busy(1000), START + 900 * MINUTE)
        async with talking_to(x) as client:
            since = (START + 100 * MINUTE) // 1_000_000
            got = await client.fetch_ohlcv(SYMBOL, "1m", since=since)
            raw = await client.public_get_products_id_candles({"id": "BTC-USD", "granularity": 60})
        assert got == rows(x.tapes[SYMBOL], 100, 400, x.now())
        assert len(got) < 300
        assert len(raw) == 300
        assert raw == sorted(raw, reverse=True)

    run(test())


def test_a_window_in_which_nothing_happened_is_empty() -> None:
    async def test() -> None:
        x = exchange(busy(10), START + 900 * MINUTE)
        async with talking_to(x) as client:
            before = (START - 500 * MINUTE) // 1_000_000
            assert await client.fetch_ohlcv(SYMBOL, "1m", since=before) == []

    run(test())


def test_a_window_of_more_than_300_candles_is_refused() -> None:
    async def test() -> None:
        x = exchange(busy(1000), START + 900 * MINUTE)
        start, end = START // 1_000_000, (START + 300 * MINUTE) // 1_000_000
        async with talking_to(x) as client:
            got = await client.fetch_ohlcv(SYMBOL, "1m", since=start, params={"until": end})
            assert got[-1][0] <= end
            with pytest.raises(ccxt.ExchangeError, match="aggregations requested exceeds 300"):
                params = {"until": end + 60_000}
                await client.fetch_ohlcv(SYMBOL, "1m", since=start, params=params)
        assert x.log.matching("/candles")[-1].status == 400

    run(test())


def test_an_unknown_granularity_is_refused() -> None:
    async def test() -> None:
        x = exchange(busy(10), START + 9 * MINUTE)
        async with talking_to(x) as client:
            with pytest.raises(ccxt.ExchangeError, match="Unsupported granularity"):
                await client.fetch_ohlcv(SYMBOL, "7m")

    run(test())


def test_the_cursor_after_leads_back_through_all_trades_once() -> None:
    async def test() -> None:
        x = exchange(busy(300, per_minute=12), START + 299 * MINUTE)
        ids: list[int] = []
        async with talking_to(x) as client:
            params: dict[str, Any] = {}
            for _ in range(10):
                page = await client.fetch_trades(SYMBOL, limit=1000, params=params)
                if not page:
                    break
                ids = [int(trade["id"]) for trade in page] + ids
                assert client.last_response_headers["CB-AFTER"] == page[0]["id"]
                params = {"after": page[0]["id"]}
        assert ids == [t.id for t in x.tapes[SYMBOL].trades_between(now=x.now())]
        assert [r.rows for r in x.log.matching("/trades")][:2] == [1000, 1000]

    run(test())


def test_the_cursor_before_gives_only_what_is_newer() -> None:
    async def test() -> None:
        x = exchange(busy(10), START + 9 * MINUTE)
        async with talking_to(x) as client:
            got = await client.fetch_trades(SYMBOL)
            newer = await client.fetch_trades(SYMBOL, params={"before": got[-3]["id"]})
            none = await client.fetch_trades(SYMBOL, params={"before": got[-1]["id"]})
        assert [trade["id"] for trade in newer] == [trade["id"] for trade in got[-2:]]
        assert none == []

    run(test())


def test_on_the_wire_the_side_is_the_makers() -> None:
    async def test() -> None:
        tape = Tape(MARKET, [Trade(START, 1, 100.0, 2.5, 1), Trade(START, 2, 100.0, 1.5, -1)])
        x = exchange(tape, START + MINUTE)
        async with talking_to(x) as client:
            got = await client.fetch_trades(SYMBOL)
        assert [trade["info"]["side"] for trade in got] == ["sell", "buy"]
        assert [trade["side"] for trade in got] == ["buy", "sell"]
        assert [trade["amount"] for trade in got] == [2.5, 1.5]

    run(test())


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        # ccxt takes any "NotFound" for an order's.
        (Fault("bad_symbol"), ccxt.OrderNotFound),
        (Fault("maintenance"), ccxt.ExchangeNotAvailable),
        (Fault("status", status=429), ccxt.RateLimitExceeded),
        (Fault("status", status=500), ccxt.ExchangeNotAvailable),
        (Fault("status", status=403), ccxt.ExchangeNotAvailable),
    ],
    ids=lambda value: value.kind + str(value.status) if isinstance(value, Fault) else "",
)
def test_errors_are_told_in_coinbases_words(fault: Fault, expected: type[Exception]) -> None:
    async def test() -> None:
        x = exchange(busy(10), START + 9 * MINUTE)
        async with talking_to(x) as client:
            await client.load_markets()
            x.faults.add(fault)
            with pytest.raises(expected) as caught:
                await client.fetch_ohlcv(SYMBOL)
            assert caught.type is expected

    run(test())


def test_a_product_that_does_not_exist_is_not_found() -> None:
    async def test() -> None:
        x = exchange(busy(10), START + 9 * MINUTE)
        async with talking_to(x) as client:
            for ask in (client.publicGetProductsIdCandles, client.publicGetProductsIdTrades):
                with pytest.raises(ccxt.OrderNotFound):
                    await ask({"id": "FOO-USD"})

    run(test())


def test_who_asks_too_often_is_told_so() -> None:
    async def test() -> None:
        x = exchange(busy(10), START + 9 * MINUTE, limit=Limit(1, 60.0))
        async with talking_to(x) as client:
            await client.fetch_time()
            with pytest.raises(ccxt.RateLimitExceeded, match="Public rate limit exceeded"):
                await client.fetch_time()
            assert float(client.last_response_headers["Retry-After"]) <= 60

    run(test())


@pytest.mark.parametrize("page", ["candles", "trades"])
@pytest.mark.parametrize("kind", ["empty", "none_fields", "outside", "zero_rows", "contradiction"])
def test_spoiled_pages_are_still_coinbases(kind: str, page: str) -> None:
    async def test() -> None:
        x = exchange(busy(10), START + 9 * MINUTE)
        async with talking_to(x) as client:
            ask = getattr(client, f"public_get_products_id_{page}")
            fine = await ask({"id": "BTC-USD"})
            x.faults.add(Fault(kind, page))
            spoiled = await ask({"id": "BTC-USD"})
        assert isinstance(spoiled, list)
        assert fine != spoiled

    run(test())
