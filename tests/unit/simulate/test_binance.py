from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import aiohttp
import ccxt
import pytest
from tests.support.ccxt_clients import run, until
from tests.unit.simulate.conftest import (
    BTC,
    MINUTE,
    SECOND,
    START,
    binance,
    every_second,
    frozen,
    heard,
)

from flightstore_ingest.simulate import Fault, Market, SimulatedExchange, Tape, Trade, serve
from flightstore_ingest.simulate.recorded import trades_of_binance_frames

MS = 1_000_000
SINCE = START // MS


def exchange(tape: Tape, minutes: float = 120, **options: Any) -> SimulatedExchange:
    """Binance, `minutes` after START."""
    clock = frozen(START + int(minutes * MINUTE))
    return SimulatedExchange("binance", [tape], clock=clock, **options)


def candles_of(tape: Tape, now: int) -> list[list[float]]:
    return [[bar.ts // MS, *bar[1:6]] for bar in tape.bars("1m", now=now)]


def row(trade: Trade) -> tuple[str, int, float, float, str]:
    side = "buy" if trade.side > 0 else "sell"
    return str(trade.id), trade.ts // MS, trade.price, trade.amount, side


def told(trades: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        tuple(t[name] for name in ("id", "timestamp", "price", "amount", "side")) for t in trades
    ]


def test_markets_are_told_with_their_steps(tape: Tape) -> None:
    async def test() -> None:
        x = exchange(tape)
        x.list_market(Tape(Market("OLD/USDT", active=False)))
        x.list_market(Tape(Market("NEW/USDT", listed_ns=START + 121 * MINUTE)))
        async with binance(x) as client:
            markets = await client.load_markets()
            assert set(markets) == {"BTC/USDT", "OLD/USDT"}
            assert markets["BTC/USDT"]["precision"]["price"] == 0.01
            assert markets["BTC/USDT"]["spot"]
            assert [markets[s]["active"] for s in ("BTC/USDT", "OLD/USDT")] == [True, False]

    run(test())


def test_it_tells_the_time_of_its_clock_and_its_date_with_the_skew(tape: Tape) -> None:
    async def test() -> None:
        x = exchange(tape)
        x.clock.skew_ns = 2 * SECOND
        async with binance(x) as client:
            assert await client.fetch_time() == (x.now() + 2 * SECOND) // MS
            assert client.last_response_headers["Date"] == "Wed, 15 Nov 2023 02:00:02 GMT"

    run(test())


def test_candles_are_paged_by_since_with_quiet_minutes_and_an_open_one(tape: Tape) -> None:
    async def test() -> None:
        x = exchange(tape, 100.5)
        async with binance(x) as client:
            since, found = SINCE, []
            while page := await client.fetch_ohlcv("BTC/USDT", "1m", since, 30):
                found += page
                since = page[-1][0] + 60_000
        assert found == candles_of(tape, x.now())
        assert [r.rows for r in x.log.matching("/klines")] == [30, 30, 30, 11, 0]
        assert any(candle[5] == 0.0 for candle in found), "a quiet minute is a flat bar"

    run(test())


def test_without_since_the_newest_candles_are_told(tape: Tape) -> None:
    async def test() -> None:
        x = exchange(tape)
        async with binance(x) as client:
            page = await client.fetch_ohlcv("BTC/USDT", "1m", limit=7)
        assert page == candles_of(tape, x.now())[-7:]

    run(test())


def test_a_capped_page_is_shorter_than_was_asked(tape: Tape) -> None:
    async def test() -> None:
        x = exchange(tape, page_cap=10)
        async with binance(x) as client:
            page = await client.fetch_ohlcv("BTC/USDT", "1m", SINCE, 1000)
        assert page == candles_of(tape, x.now())[:10]

    run(test())


def test_trades_since_are_aggregates_with_ids_of_their_own() -> None:
    crowd = [Trade(START, 11 + i, 100.0, 0.5, 1) for i in range(3)]
    crowd += [Trade(START, 14, 100.0, 0.5, -1), Trade(START, 15, 101.0, 0.25, -1)]
    tape = Tape(BTC, crowd)

    async def test() -> None:
        x = exchange(tape)
        async with binance(x) as client:
            found = await client.fetch_trades("BTC/USDT", SINCE)
            assert [t["amount"] for t in found] == [1.5, 0.5, 0.25]
            ids = [int(t["id"]) for t in found]
            assert ids == [ids[0] + i for i in range(3)]
            assert [t["info"]["f"] for t in found] == [11, 14, 15]
            again = await client.fetch_trades("BTC/USDT", params={"fromId": ids[1]})
            assert again == found[1:]

    run(test())


def test_a_window_with_too_many_trades_gives_the_first_of_them() -> None:
    tape = Tape(BTC, every_second(200))

    async def test() -> None:
        async with binance(exchange(tape)) as client:
            found = await client.fetch_trades("BTC/USDT", SINCE + 10_000, 5)
        assert [t["timestamp"] for t in found] == [SINCE + 10_000 + 1000 * i for i in range(5)]

    run(test())


def test_aggregates_are_paged_by_id_to_the_present(tape: Tape) -> None:
    async def test() -> None:
        x = exchange(tape)
        async with binance(x) as client:
            number, found = 0, []
            while page := await client.fetch_trades("BTC/USDT", None, 700, {"fromId": number}):
                found += page
                number = int(page[-1]["id"]) + 1
        trades = tape.trades_between(now=x.now())
        assert sum(t["amount"] for t in found) == pytest.approx(sum(t.amount for t in trades))
        assert found[-1]["info"]["l"] == trades[-1].id

    run(test())


def test_old_trades_are_looked_up_by_id_with_a_key_only(tape: Tape) -> None:
    ask = {"fetchTradesMethod": "publicGetHistoricalTrades", "fromId": 1_200}

    async def test() -> None:
        x = exchange(tape)
        async with binance(x, apiKey="of mine") as client:
            found = await client.fetch_trades("BTC/USDT", None, 1000, ask)
        assert told(found) == [row(t) for t in tape.trades_from_id(1_200, 1000, now=x.now())]
        async with binance(x) as client:
            with pytest.raises(ccxt.AuthenticationError):
                await client.fetch_trades("BTC/USDT", None, 1000, ask)

    run(test())


def test_an_unknown_symbol_is_a_bad_symbol(tape: Tape) -> None:
    async def test() -> None:
        async with binance(exchange(tape)) as client:
            await client.load_markets()
            with pytest.raises(ccxt.BadSymbol):
                await client.public_get_klines({"symbol": "NOSUCH", "interval": "1m"})
            with pytest.raises(ccxt.BadRequest):
                await client.public_get_klines({"symbol": "BTCUSDT", "interval": "7m"})

    run(test())


@pytest.mark.parametrize("name", ["trade", "aggTrade"])
def test_trades_are_watched_as_they_happen(name: str) -> None:
    tape = Tape(BTC, every_second(120))
    x = exchange(tape, 1)

    async def test() -> None:
        async with binance(x) as client:
            watching = client.watch_trades("BTC/USDT", params={"name": name})
            await heard(x, watching, 3 * SECOND)
            await until(lambda: len(client.trades["BTC/USDT"]) == 3)
            found = list(client.trades["BTC/USDT"])
        happened = tape.trades_between(START + MINUTE + 1, now=x.now())
        assert [t["timestamp"] for t in found] == [t.ts // MS for t in happened]
        assert [t["price"] for t in found] == [t.price for t in happened]
        if name == "trade":
            assert told(found) == [row(t) for t in happened]
        else:
            assert {t["info"]["f"] for t in found} == {t.id for t in happened}

    run(test())


def test_candles_are_watched_open_and_closed() -> None:
    tape = Tape(BTC, every_second(200))
    x = exchange(tape, 1.5)

    async def test() -> None:
        async with binance(x) as client:
            watching = client.watch_ohlcv("BTC/USDT", "1m")
            assert await heard(x, watching, 0) == [candles_of(tape, x.now())[-1]]
            x.clock.advance(MINUTE)
            await until(lambda: len(client.ohlcvs["BTC/USDT"]["1m"]) == 2)
            assert list(client.ohlcvs["BTC/USDT"]["1m"]) == candles_of(tape, x.now())[1:]

    run(test())


def test_after_a_break_ccxt_connects_and_subscribes_anew() -> None:
    tape = Tape(BTC, every_second(200))
    x = exchange(tape, 1)

    async def test() -> None:
        async with binance(x) as client:
            await heard(x, client.watch_trades("BTC/USDT"), SECOND)
            x.faults.add(Fault("close"))
            with pytest.raises(ccxt.NetworkError):
                await client.watch_trades("BTC/USDT")
            await until(lambda: not x.connections)
            found = await heard(x, client.watch_trades("BTC/USDT"), SECOND)
            assert found[-1]["timestamp"] == x.now() // MS

    run(test())
    assert [r.status for r in x.log.websockets()] == [101, 0, 1006, 101, 0, 1000]


async def first_frame(x: SimulatedExchange, path: str) -> Any:
    """The first message at `path` when a second passes."""
    async with (
        serve(x) as url,
        aiohttp.ClientSession() as session,
        session.ws_connect(url + path) as socket,
    ):
        await until(lambda: len(x.connections) == 1)
        x.clock.advance(SECOND)
        return await socket.receive_json()


def test_streams_may_be_named_in_the_url() -> None:
    x = exchange(Tape(BTC, every_second(120)), 1)

    async def test() -> None:
        assert (await first_frame(x, "/ws/btcusdt@trade"))["t"] == 1_062
        combined = await first_frame(x, "/stream?streams=nosuch@trade/btcusdt@aggTrade")
        assert combined["stream"] == "btcusdt@aggTrade"
        assert combined["data"]["f"] == 1_063

    run(test())


def shape(value: Any) -> Any:
    """Names and types of a frame, in their order."""
    if isinstance(value, dict):
        return [(name, shape(part)) for name, part in value.items()]
    return type(value).__name__


def wire_session(path: Path) -> list[Any]:
    """Frames of a recorded session: "time: frame" in each line that was received."""
    with lzma.open(path, "rt") as lines:
        said = [line.partition(": ")[2] for line in lines if line[:1].isdigit()]
    return [json.loads(text) for text in said if text.startswith(("{", "["))]


@pytest.mark.data
@pytest.mark.parametrize("event", ["aggTrade", "kline"])
def test_frames_have_the_shape_of_recorded_ones(market_data: Path, event: str) -> None:
    recorded = wire_session(market_data / "wire/BINANCE.ws.1.0.xz")
    theirs = next(f for f in recorded if f.get("data", {}).get("e") == event)
    x = exchange(Tape(BTC, every_second(120)), 1)

    stream = "aggTrade" if event == "aggTrade" else "kline_1m"

    async def test() -> None:
        ours = await first_frame(x, f"/stream?streams=btcusdt@{stream}")
        assert shape(ours) == shape(theirs)

    run(test())


@pytest.mark.data
def test_recorded_frames_are_sent_as_they_were_received(market_data: Path) -> None:
    path = market_data / "binance_trades/spot_btcusdt_trades_raw.txt.xz"
    tape = trades_of_binance_frames(path, BTC)
    crowd = 735  # in one millisecond
    trades = tape.rows(0, len(tape.trades))
    busy = max(trades, key=lambda t: tape.visible(t.ts) - tape.visible(t.ts - 1))
    x = SimulatedExchange("binance", [tape], clock=frozen(busy.ts - 1))

    async def test() -> None:
        async with binance(x) as client:
            await heard(x, client.watch_trades("BTC/USDT"), 1)
            await until(lambda: len(client.trades["BTC/USDT"]) == crowd)
            found = list(client.trades["BTC/USDT"])
        assert told(found) == [row(t) for t in tape.trades_between(busy.ts, busy.ts + 1)]

    run(test())
    with lzma.open(path, "rt") as lines:
        assert tape.frames[busy.id] in {line.partition(" ")[2].strip() for line in lines}
