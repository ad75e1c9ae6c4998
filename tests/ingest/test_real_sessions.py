"""Recorded websocket sessions, said again word for word: every trade in them becomes a row.

What a session should give is read from its text here, without ccxt. The markets come from the
recorded REST answers of the same session.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.support.recorded_wire import Player, answers, frames

from flightstore_ingest.ccxt_source import CcxtSource
from flightstore_ingest.gate import checked
from flightstore_ingest.simulate import (
    Clock,
    Fault,
    Faults,
    Market,
    SimulatedExchange,
    Tape,
    Trade,
    serve,
)
from flightstore_ingest.source import CANDLES, TRADES, Page, Series
from flightstore_proto.timerange import to_ns

pytestmark = pytest.mark.data

Row = tuple[int, str, float, float, int]  # ts in ns, id, price, amount, side
SECONDS = 20.0  # real ones, after which a test has failed
MS = 1_000_000

BINANCE = {"NKNUSDT": "NKN/USDT", "LRCBTC": "LRC/BTC"}
COINBASE = {
    "SKL-USD": "SKL/USD",
    "SKL-BTC": "SKL/BTC",
    "BAND-GBP": "BAND/GBP",
    "NMR-EUR": "NMR/EUR",
    "BAND-BTC": "BAND/BTC",
    "YFI-BTC": "YFI/BTC",
    "DASH-BTC": "DASH/BTC",
    "NU-GBP": "NU/GBP",
    "CRV-EUR": "CRV/EUR",
    "SKL-GBP": "SKL/GBP",
}
OKX = {
    "BTC-USDT": "BTC/USDT",
    "UNI-USD-SWAP": "UNI/USD:UNI",
    "BTC-USD-220527": "BTC/USD:BTC-220527",
}
BITFINEX = {
    "tBFTUSD": "BFT/USD",
    "tIOTETH": "IOTA/ETH",
    "tDOGUSD": "MDOGE/USD",
    "tMNABTC": "MANA/BTC",
    "tODEUSD": "ODE/USD",
    "tTESTBTC:TESTUSD": "TESTBTC/TESTUSD",
    "tSNGUSD": "SNGLS/USD",
}
KRAKEN = {"XMR/USD": "XMR/USD", "SC/EUR": "SC/EUR"}


def heard(
    name: str, player: Player, symbols: Mapping[str, str], options: Mapping[str, Any] | None = None
) -> dict[str, list[Row]]:
    """Rows by the exchange's own name of the market, of everything that `player` sends."""

    async def work() -> dict[str, list[Row]]:
        async with player.serve() as url:
            return await _listen(name, url, symbols, options)

    return asyncio.run(asyncio.wait_for(work(), SECONDS))


async def _listen(
    name: str,
    url: str,
    symbols: Mapping[str, str],
    options: Mapping[str, Any] | None = None,
    all_there: Callable[[str, list[Row]], bool] = lambda name, rows: False,
) -> dict[str, list[Row]]:
    kinds = tuple(symbols.values())
    config = {"enableRateLimit": False}
    source = CcxtSource(name, symbols=kinds, url=url, options=options, config=config)
    try:
        await source.open()
        kept = {own: Series(TRADES, f"{name}:{symbol}") for own, symbol in symbols.items()}
        rows = await asyncio.gather(
            *(_until_lost(source, one, partial(all_there, own)) for own, one in kept.items())
        )
        return dict(zip(symbols, rows, strict=True))
    finally:
        await source.close()


async def _until_lost(
    source: CcxtSource, series: Series, all_there: Callable[[list[Row]], bool]
) -> list[Row]:
    """Rows up to the end of the connection, which an empty page tells; another comes after the
    first rows, for what lies before them is not known. The two are one if all ends at once.
    """
    rows: list[Row] = []
    begun = False
    async for page in source.live(series):
        if page.rows.num_rows == 0:
            if begun or not rows or all_there(rows):
                break
            begun = True
        rows += rows_of(checked(series, page).rows)
    return rows


def rows_of(table: pa.Table) -> list[Row]:
    columns = [table.column("ts").cast("int64"), *table.columns[1:]]
    return list(zip(*(column.to_pylist() for column in columns), strict=True))


def test_aggregate_trades_of_binance_become_rows(market_data: Path) -> None:
    """Aggregate trades, of which the recorder heard two in half a minute."""
    said: dict[str, list[Row]] = {name: [] for name in BINANCE}
    recording = frames(market_data, "BINANCE.ws.1.0.xz")
    for text in recording:
        trade = json.loads(text)["data"]
        if trade.get("e") == "aggTrade":
            side = -1 if trade["m"] else 1
            price, amount = float(trade["p"]), float(trade["q"])
            said[trade["s"]].append((trade["T"] * MS, str(trade["a"]), price, amount, side))
    assert sum(map(len, said.values())) == 2
    player = _binance(market_data)
    # All streams on one connection, as they were recorded.
    assert heard("binance", player, BINANCE, {"streamLimits": {"spot": 1}}) == said


def test_open_candles_of_binance_become_rows_once_they_are_closed(market_data: Path) -> None:
    """Both recorded candles are open ones; what was last said of them is the bar once they close.

    The recording ends before that. The exchange's clock is a fast one here, and goes on.
    """
    said = {}
    for text in frames(market_data, "BINANCE.ws.1.0.xz"):
        message = json.loads(text)["data"]
        if message.get("e") == "kline":
            k = message["k"]
            said[message["s"]] = [k["t"] * MS, *(float(k[n]) for n in "ohlcv")]
    assert len(said) == 2

    async def work() -> None:
        async with _binance(market_data).serve() as url:
            source = CcxtSource(
                "binance",
                symbols=tuple(BINANCE.values()),
                url=url,
                options={"streamLimits": {"spot": 1}},
                speed=50.0,
            )
            try:
                await source.open()
                for name, page in zip(BINANCE, await _bars(source), strict=True):
                    columns = [page.rows.column("ts").cast("int64"), *page.rows.columns[1:]]
                    assert [column.to_pylist() for column in columns] == [[v] for v in said[name]]
            finally:
                await source.close()

    asyncio.run(asyncio.wait_for(work(), SECONDS))


async def _bars(source: CcxtSource) -> list[Page]:
    kept = [Series(CANDLES, f"binance:{symbol}", "1m") for symbol in BINANCE.values()]
    return list(await asyncio.gather(*(_first_bars(source, series) for series in kept)))


async def _first_bars(source: CcxtSource, series: Series) -> Page:
    async for page in source.live(series):
        if page.rows.num_rows:
            return checked(series, page)
    raise AssertionError("the stream has ended")


def _binance(market_data: Path) -> Player:
    said = answers(market_data, "BINANCE.0.xz")
    said["/api/v3/time"] = '{"serverTime":1633998511098}'
    return Player(said, frames(market_data, "BINANCE.ws.1.0.xz"), after=len(BINANCE))


def test_matches_of_coinbase_become_rows(market_data: Path) -> None:
    """97 matches in ten markets.

    Each subscription was also answered with the market's `last_match`, which lies before it. ccxt
    passes that over: what lies before a connection is for history to bring. The recorded host,
    ws-feed.pro.coinbase.com, is gone; the exchange that has taken its place says the same words.
    """
    said: dict[str, list[Row]] = {name: [] for name in COINBASE}
    recording = frames(market_data, "COINBASE.ws.28.0.xz")
    for text in recording:
        trade = json.loads(text)
        if trade["type"] == "match":
            # The side is the maker's; to the microsecond, as it is written.
            side = 1 if trade["side"] == "sell" else -1
            price, amount = float(trade["price"]), float(trade["size"])
            row = (to_ns(trade["time"]), str(trade["trade_id"]), price, amount, side)
            said[trade["product_id"]].append(row)
    assert sum(map(len, said.values())) == 97
    rest = answers(market_data, "COINBASE.0.xz") | {
        "/currencies": "[]",
        "/time": '{"iso":"2021-04-17T16:56:56Z","epoch":1618678616.0}',
    }
    player = Player(rest, recording, after=len(COINBASE))
    assert heard("coinbaseexchange", player, COINBASE) == said


def test_trades_of_okx_become_rows(market_data: Path) -> None:
    """74 trades: spot, of a perpetual and of a future, whose amounts are numbers of contracts."""
    said: dict[str, list[Row]] = {name: [] for name in OKX}
    recording = frames(market_data, "OKX.ws.1.0.xz")
    for text in recording:
        message = json.loads(text)
        if message["arg"]["channel"] == "trades":
            for trade in message.get("data", ()):
                side = 1 if trade["side"] == "buy" else -1
                price, amount = float(trade["px"]), float(trade["sz"])
                row = (int(trade["ts"]) * MS, trade["tradeId"], price, amount, side)
                said[trade["instId"]].append(row)
    assert sum(map(len, said.values())) == 74
    rest = answers(market_data, "OKX.0.xz")
    rest["/api/v5/public/time"] = '{"code":"0","data":[{"ts":"1652459224000"}],"msg":""}'
    assert heard("okx", Player(rest, recording, after=len(OKX)), OKX) == said


def test_snapshots_of_bitfinex_become_rows(market_data: Path) -> None:
    """The last trades of seven markets, in the snapshots that answered the subscriptions.

    The recorder had asked for numbered messages (flag 65536), which ccxt does not ask for and does
    not understand. So the number, the last element of every message, is taken off; nothing else is
    changed. No single trade ("te") was recorded: there was none in that time.
    """
    said: dict[str, list[Row]] = {name: [] for name in BITFINEX}
    channels: dict[int, str] = {}
    recording = [_unnumbered(text) for text in frames(market_data, "BITFINEX.ws.11.0.xz")]
    for text in recording:
        message = json.loads(text)
        if isinstance(message, dict):
            if message["event"] == "subscribed" and message["channel"] == "trades":
                channels[message["chanId"]] = message["symbol"]
        elif message[0] in channels and message[1] != "hb":
            assert message[1] not in ("te", "tu")
            for number, ms, amount, price in reversed(message[1]):
                row = (ms * MS, str(number), float(price), abs(amount), 1 if amount > 0 else -1)
                said[channels[message[0]]].append(row)
    assert sum(map(len, said.values())) == 7 * 30
    player = Player(_bitfinex_markets(market_data), recording, after=len(BITFINEX))
    assert heard("bitfinex", player, BITFINEX) == {
        name: sorted(rows, key=lambda row: (row[0], int(row[1]))) for name, rows in said.items()
    }


def _unnumbered(text: str) -> str:
    if not text.startswith("["):
        return text
    *message, number = json.loads(text)
    assert isinstance(number, int)
    return json.dumps(message)


def _bitfinex_markets(folder: Path) -> dict[str, str]:
    """The recorded lists of pairs and currencies, under the names by which ccxt asks today."""
    lists = answers(folder, "BITFINEX.0.xz")
    [pairs] = json.loads(lists["/v2/conf/pub:list:pair:exchange"])
    [currencies] = json.loads(lists["/v2/conf/pub:list:currency"])
    unknown = [None] * 12
    of_pairs = "pub:info:pair,pub:info:pair:futures,pub:list:pair:securities,pub:list:pair:margin"
    of_currencies = ",".join(
        ["pub:list:currency"]
        + [f"pub:map:currency:{what}" for what in _CURRENCY_LISTS]
        + ["pub:map:tx:method", "pub:info:tx:status", "pub:list:currency:margin"]
    )
    return {
        f"/v2/conf/{of_pairs}": json.dumps([[[pair, unknown] for pair in pairs], [], [], []]),
        f"/v2/conf/{of_currencies}": json.dumps([currencies, *([] for _ in range(10))]),
    }


_CURRENCY_LISTS = ("sym", "label", "unit", "undl", "pool", "explorer", "tx:fee")


def test_trades_of_kraken_become_rows_if_told_in_the_words_of_today(market_data: Path) -> None:
    """The recording is in version 1 of Kraken's websocket, which ccxt does not speak any more (see
    the next test), and which gave trades no ids. So the simulated Kraken, which speaks version 2,
    tells the same trades, and numbers them.

    The connection breaks right behind the last frame. One of the two streams does not watch at that
    moment, and once went on over a new connection without a word of what it may have lost.
    """
    said = _kraken_trades(market_data)
    assert {name: len(rows) for name, rows in said.items()} == {"XMR/USD": 4, "SC/EUR": 6}
    tapes = [Tape(_kraken_market(name), map(_kraken_trade, rows)) for name, rows in said.items()]
    clock = Clock(min(tape.trades.ts[0] for tape in tapes) - 10**9)
    clock.freeze()
    # The connection ends with the second frame of trades: one for each market.
    closing = Faults([Fault("close", frames=2, like='"channel":"trade"')])
    exchange = SimulatedExchange("kraken", tapes, clock=clock, faults=closing)

    async def work() -> dict[str, list[Row]]:
        async with serve(exchange) as url:
            heard = _listen("kraken", url, KRAKEN, all_there=lambda own, rows: rows == said[own])
            listening = asyncio.create_task(heard)
            while len(exchange.log.websockets(0)) < len(KRAKEN) and not listening.done():
                await asyncio.sleep(0.005)
            clock.advance(60 * 10**9)
            return await listening

    assert asyncio.run(asyncio.wait_for(work(), SECONDS)) == said


def test_kraken_as_it_spoke_then_is_not_understood_and_not_guessed_at(market_data: Path) -> None:
    """Played word for word: no row comes of it, and no error. History would bring the trades."""
    recording = frames(market_data, "KRAKEN.ws.48.0.xz")
    said = answers(market_data, "KRAKEN.0.xz") | {
        "/0/public/Assets": '{"error":[],"result":{}}',
        "/0/public/Time": '{"error":[],"result":{"unixtime":1618678132}}',
    }
    player = Player(said, recording, after=len(KRAKEN))
    assert heard("kraken", player, KRAKEN) == {"XMR/USD": [], "SC/EUR": []}


def _kraken_trades(folder: Path) -> dict[str, list[Row]]:
    said: dict[str, list[Row]] = {name: [] for name in KRAKEN}
    for text in frames(folder, "KRAKEN.ws.48.0.xz"):
        message = json.loads(text)
        if isinstance(message, list) and message[2] == "trade":
            rows = said[message[3]]
            for price, amount, seconds, side, *_ in message[1]:
                ts = int(seconds.replace(".", "")) * 1_000  # six digits after the point
                number = str(len(rows) + 1)
                rows.append((ts, number, float(price), float(amount), 1 if side == "b" else -1))
    return said


def _kraken_market(name: str) -> Market:
    return Market(KRAKEN[name], price_step=1e-6, amount_step=1e-8)


def _kraken_trade(row: Row) -> Trade:
    ts, number, price, amount, side = row
    return Trade(ts, int(number), price, amount, side)
