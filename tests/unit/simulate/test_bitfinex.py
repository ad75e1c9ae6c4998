from __future__ import annotations

import json
import lzma
import tarfile
from pathlib import Path
from typing import Any

import aiohttp
import ccxt
import pytest
from tests.support.ccxt_clients import run, talking_to, until
from tests.unit.simulate.conftest import MINUTE, SECOND, START, every_second, frozen, heard

from flightstore_ingest.simulate import (
    Fault,
    Market,
    SimulatedExchange,
    Tape,
    Trade,
    seeded,
    serve,
)
from flightstore_ingest.simulate.recorded import bars_of_bitfinex_pages

MS = 1_000_000
SINCE = START // MS
BTC = Market("BTC/USD", price_step=1.0, amount_step=1e-8)


def exchange(*tapes: Tape, minutes: float = 120, **options: Any) -> SimulatedExchange:
    """Bitfinex, `minutes` after START."""
    clock = frozen(START + int(minutes * MINUTE))
    return SimulatedExchange("bitfinex", tapes, clock=clock, **options)


@pytest.fixture
def tape() -> Tape:
    return seeded(BTC, START, START + 120 * MINUTE, 30, seed=11, price=30_000, quiet_share=0.2)


def candles_of(tape: Tape, now: int) -> list[list[float]]:
    return [[bar.ts // MS, *bar[1:6]] for bar in tape.bars("1m", now=now)]


def told(trades: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    names = ("id", "timestamp", "price", "amount", "side")
    return [tuple(trade[name] for name in names) for trade in trades]


def row(trade: Trade) -> tuple[str, int, float, float, str]:
    side = "buy" if trade.side > 0 else "sell"
    return str(trade.id), trade.ts // MS, trade.price, trade.amount, side


def test_markets_have_the_symbols_that_ccxt_gives_them(tape: Tape) -> None:
    async def test() -> None:
        x = exchange(tape, Tape(Market("ETH/USDT")), Tape(Market("TESTBTC/TESTUSD")))
        async with talking_to(x) as client:
            markets = await client.load_markets()
            assert {s: m["id"] for s, m in markets.items()} == {
                "BTC/USD": "tBTCUSD",
                "ETH/USDT": "tETHUST",
                "TESTBTC/TESTUSD": "tTESTBTC:TESTUSD",
            }
            assert (await client.fetch_status())["status"] == "ok"

    run(test())


def test_candles_are_paged_by_since_and_quiet_minutes_are_left_out(tape: Tape) -> None:
    async def test() -> None:
        x = exchange(tape, minutes=100.5)
        async with talking_to(x) as client:
            since, found = SINCE, []
            while page := await client.fetch_ohlcv("BTC/USD", "1m", since, 30):
                found += page
                since = page[-1][0] + 60_000
        assert found == candles_of(tape, x.now())
        assert len(found) < 100

    run(test())


def test_a_hundred_of_the_newest_candles_are_told_unless_asked_otherwise(tape: Tape) -> None:
    async def test() -> None:
        x = exchange(tape, minutes=119.5, page_cap=50)
        async with talking_to(x) as client:
            page = await client.fetch_ohlcv("BTC/USD", "1m")
        assert page == candles_of(tape, x.now())[-50:]
        assert x.log.matching("/candles/")[0].query["limit"] == "100"

    run(test())


def test_daily_candles_go_by_their_own_name(tape: Tape) -> None:
    async def test() -> None:
        async with talking_to(exchange(tape)) as client:
            [day] = await client.fetch_ohlcv("BTC/USD", "1d", SINCE)
        assert day[0] == SINCE

    run(test())


def test_trades_are_paged_by_since(tape: Tape) -> None:
    async def test() -> None:
        x = exchange(tape)
        async with talking_to(x) as client:
            first = await client.fetch_trades("BTC/USD", SINCE, 500)
            rest = await client.fetch_trades("BTC/USD", first[-1]["timestamp"], 10_000)
            newest = await client.fetch_trades("BTC/USD", None, 3)
        everything = [row(t) for t in tape.trades_between(now=x.now())]
        assert told(first) == everything[:500]
        assert set(told(first) + told(rest)) == set(everything)
        assert told(newest) == everything[-3:]

    run(test())


def test_trades_are_watched_after_those_of_the_past() -> None:
    tape = Tape(BTC, every_second(200))
    x = exchange(tape, minutes=1)

    async def test() -> None:
        async with talking_to(x) as client:
            await heard(x, client.watch_trades("BTC/USD"), 2 * SECOND)
            await until(lambda: len(client.trades["BTC/USD"]) == 32)
            found = told(list(client.trades["BTC/USD"]))
        assert found == [row(t) for t in tape.newest(32, now=x.now())]

    run(test())


def test_candles_are_watched_after_those_of_the_past() -> None:
    tape = Tape(BTC, every_second(300))
    x = exchange(tape, minutes=2.5)

    async def test() -> None:
        async with talking_to(x) as client:
            await heard(x, client.watch_ohlcv("BTC/USD", "1m"), MINUTE)
            await until(lambda: len(client.ohlcvs["BTC/USD"]["1m"]) == 4)
            assert list(client.ohlcvs["BTC/USD"]["1m"]) == candles_of(tape, x.now())

    run(test())


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("maintenance", ccxt.OnMaintenance),
        ("bad_symbol", ccxt.BadSymbol),
    ],
)
def test_its_own_errors_are_known_to_ccxt(tape: Tape, kind: str, error: type[Exception]) -> None:
    async def test() -> None:
        x = exchange(tape)
        async with talking_to(x) as client:
            await client.load_markets()
            x.faults.add(Fault(kind, "/v2/trades/"))
            with pytest.raises(error):
                await client.fetch_trades("BTC/USD")
            x.faults.add(Fault("status", "/v2/trades/", status=429))
            with pytest.raises(ccxt.RateLimitExceeded):
                await client.fetch_trades("BTC/USD")

    run(test())


def test_a_spoiled_trade_reaches_the_client(tape: Tape) -> None:
    async def test() -> None:
        x = exchange(tape)
        async with talking_to(x) as client:
            await client.load_markets()
            x.faults.add(Fault("contradiction", "/v2/trades/"))
            found = await client.fetch_trades("BTC/USD", SINCE)
        assert len([t for t in found if t["price"] < 0]) == 1

    run(test())


async def conversation(x: SimulatedExchange, *messages: Any, answers: int) -> list[Any]:
    async with (
        serve(x) as url,
        aiohttp.ClientSession() as session,
        session.ws_connect(url + "/ws/2") as socket,
    ):
        for message in messages:
            await socket.send_json(message)
        return [await socket.receive_json() for _ in range(answers)]


def test_it_answers_what_cannot_be_subscribed_to_and_pings(tape: Tape) -> None:
    trades = {"event": "subscribe", "channel": "trades", "symbol": "tBTCUSD"}

    async def test() -> None:
        x = exchange(tape)
        wrong = {**trades, "symbol": "tNOSUCH"}
        said = await conversation(x, wrong, trades, trades, {"event": "ping", "cid": 9}, answers=6)
        assert [s.get("event") if isinstance(s, dict) else "rows" for s in said] == [
            *("info", "error", "subscribed", "rows", "error", "pong"),
        ]

    run(test())


def test_what_is_no_longer_wanted_is_no_longer_sent(tape: Tape) -> None:
    trades = {"event": "subscribe", "channel": "trades", "symbol": "tBTCUSD"}

    async def test() -> None:
        x = exchange(tape)
        said = await conversation(x, trades, {"event": "unsubscribe", "chanId": 1}, answers=4)
        assert said[-1] == {"event": "unsubscribed", "status": "OK", "chanId": 1}

    run(test())


def kinds(frame: Any) -> Any:
    """The types within a frame; the first element stands for all of a list of rows."""
    if isinstance(frame, dict):
        return {name: kinds(value) for name, value in frame.items()}
    if isinstance(frame, list):
        return [kinds(part) for part in frame[: 1 if isinstance(frame[0], list) else None]]
    return "number" if isinstance(frame, int | float) else type(frame).__name__


@pytest.mark.data
def test_frames_have_the_shape_of_recorded_ones(market_data: Path, tape: Tape) -> None:
    with lzma.open(market_data / "wire/BITFINEX.ws.11.0.xz", "rt") as lines:
        received = [line.partition(": ")[2] for line in lines if line[:1].isdigit()]
    recorded = [json.loads(text) for text in received]
    info = next(f for f in recorded if isinstance(f, dict) and f["event"] == "info")
    subscribed = next(f for f in recorded if isinstance(f, dict) and f.get("channel") == "trades")
    snapshot = next(f for f in recorded if isinstance(f, list) and f[0] == subscribed["chanId"])
    update = next((f for f in recorded if isinstance(f, list) and f[1] in ("te", "tu")), None)

    async def test() -> None:
        trades = {"event": "subscribe", "channel": "trades", "symbol": "tBTCUSD"}
        ours = await conversation(exchange(tape, minutes=60), trades, answers=3)
        # The recording asked for sequence numbers: there, each list has one more element.
        assert [kinds(f) for f in ours] == [kinds(info), kinds(subscribed), kinds(snapshot[:2])]

    run(test())
    wire = exchange(tape).wire
    note: Any = type("Subscription", (), {"note": 17})
    frames = list(wire.trade_frames(tape.rows(0, 1), note, exchange(tape)))
    assert [json.loads(f)[1] for f in frames] == ["te", "tu"]
    if update is not None:
        assert kinds(json.loads(frames[0])) == kinds(update[:3])


@pytest.mark.data
def test_recorded_pages_are_told_as_they_were(market_data: Path) -> None:
    path = market_data / "bitfinex/raw_rest_pages_BTCUSD.tar.xz"
    tape = bars_of_bitfinex_pages(path, BTC)
    with tarfile.open(path) as archive:
        files = [archive.extractfile(member) for member in archive if member.isfile()]
        pages = [json.load(file) for file in files if file is not None]
    page = max(pages, key=len)
    x = SimulatedExchange("bitfinex", [tape], clock=frozen(START))

    async def test() -> None:
        async with talking_to(x) as client:
            ask = {"symbol": "tBTCUSD", "timeframe": "1m", "sort": 1, "limit": 10_000}
            window = {"start": page[0][0], "end": page[-1][0]}
            told = await client.public_get_candles_trade_timeframe_symbol_hist({**ask, **window})
        assert told == page

    run(test())
