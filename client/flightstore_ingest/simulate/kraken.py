"""Kraken, spot: REST as its "REST API" documentation has it. Its websocket is in kraken_ws.

A page of candles is the newest 720 and the one that is still open, however long ago `since` is;
history is only to be had from trades, by the cursor `last`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from flightstore_ingest.simulate import kraken_ws
from flightstore_ingest.simulate.columns import Bar, Trade
from flightstore_ingest.simulate.kraken_names import (
    alternative,
    asset_id,
    pair_alternative,
    pair_id,
)
from flightstore_ingest.simulate.kraken_ws import TIMEFRAMES
from flightstore_ingest.simulate.tape import Market, Tape
from flightstore_ingest.simulate.wire import (
    Asked,
    Exchange,
    Layout,
    Reply,
    Route,
    Session,
    Silent,
    Subscription,
    counted_in,
)
from flightstore_ingest.simulate.written import rfc3339
from flightstore_proto.timeframe import SECOND_NS

CANDLE_PAGE = 721
TRADE_PAGE = 1000
# Cursors with more digits than a time in seconds count nanoseconds.
_SECONDS_DIGITS = 11
_TOO_MANY = "EGeneral:Too many requests"


def _rows(body: Any) -> list[Any]:
    """The rows stand under the pair's name, which an error does not have."""
    values = body.get("result", {}).values()
    return next((value for value in values if isinstance(value, list)), [])


_CANDLES = Layout(
    rows=_rows,
    time=0,
    **counted_in(SECOND_NS),
    prices=(1, 2, 3, 4),
    amount=6,
)
_TRADES = Layout(
    rows=_rows,
    time=2,
    written=lambda ns: ns / SECOND_NS,
    read=lambda value: int(float(value) * SECOND_NS),
    prices=(0,),
    amount=1,
)


class Kraken(Silent):
    """Kraken's formats, websocket version 2."""

    name = "kraken"
    quiet = "zero"
    ws_paths: Sequence[str] = ("/v2",)
    heartbeat_seconds = 1.0

    def market_id(self, market: Market) -> str:
        return pair_id(market)

    def routes(self) -> Sequence[Route]:
        return (
            Route("/0/public/Time", _time),
            Route("/0/public/SystemStatus", _status),
            Route("/0/public/Assets", _assets),
            Route("/0/public/AssetPairs", _pairs),
            Route("/0/public/OHLC", _candles),
            Route("/0/public/Trades", _trades),
        )

    def on_connect(self, session: Session) -> Iterable[str]:
        return kraken_ws.on_connect()

    def on_message(self, text: str, session: Session) -> Iterable[str]:
        return kraken_ws.on_message(text, session)

    def trade_frames(
        self, trades: Sequence[Trade], subscription: Subscription, exchange: Exchange
    ) -> Iterable[str]:
        return kraken_ws.trade_frames("update", trades, subscription.tape.market)

    def candle_frames(
        self, bar: Bar, final: bool, subscription: Subscription, exchange: Exchange
    ) -> Iterable[str]:
        return kraken_ws.candle_frames("update", [bar], subscription, exchange.told())

    def heartbeat_frames(self, session: Session) -> Iterable[str]:
        return kraken_ws.heartbeat_frames(session)

    def layout(self, path: str) -> Layout | None:
        return {"OHLC": _CANDLES, "Trades": _TRADES}.get(path.rpartition("/")[2])

    def empty(self, asked: Asked) -> Reply:
        pair = asked.query.get("pair", "")
        if asked.path.endswith("/OHLC"):
            return _result({pair: [], "last": asked.integer("since") or 0})
        if asked.path.endswith("/Trades"):
            return _result({pair: [], "last": asked.query.get("since", "0")})
        return _result({})

    def maintenance(self) -> Reply:
        return _error("EService:Unavailable", 503)

    def bad_symbol(self) -> Reply:
        return _error("EQuery:Unknown asset pair")

    def limited(self, retry_after: float, banned_until_ns: int | None) -> Reply:
        banned = banned_until_ns is not None
        reply = _error("EGeneral:Temporary lockout" if banned else _TOO_MANY, 429)
        reply.headers["Retry-After"] = f"{retry_after:g}"
        return reply

    def failed(self, status: int) -> Reply:
        known = {429: _TOO_MANY, 500: "EGeneral:Internal error", 503: "EService:Busy"}
        if status in known:
            return _error(known[status], status)
        # Everything else is said by the proxy in front of the exchange, in these words.
        return Reply(f"error code: {status}", status)


def _result(result: object, rows: int = 0) -> Reply:
    return Reply({"error": [], "result": result}, rows=rows)


def _error(text: str, status: int = 200) -> Reply:
    return Reply({"error": [text]}, status)


def _time(asked: Asked, x: Exchange) -> Reply:
    second = x.told() // SECOND_NS
    moment = datetime.fromtimestamp(second, UTC)
    return _result({"unixtime": second, "rfc1123": f"{moment:%a, %d %b %y %H:%M:%S} +0000"})


def _status(asked: Asked, x: Exchange) -> Reply:
    return _result({"status": "online", "timestamp": rfc3339(x.told())[:19] + "Z"})


def _assets(asked: Asked, x: Exchange) -> Reply:
    currencies = {c: m for _, m in x.markets() for c in (m.base, m.quote)}
    return _result({asset_id(c): _asset(c) for c in sorted(currencies)})


def _asset(currency: str) -> dict[str, object]:
    return {
        "aclass": "currency",
        "altname": alternative(currency),
        "decimals": 10,
        "display_decimals": 5,
        "status": "enabled",
    }


def _pairs(asked: Asked, x: Exchange) -> Reply:
    return _result({name: _pair(market) for name, market in x.markets()})


def _pair(market: Market) -> dict[str, object]:
    base, quote = alternative(market.base), alternative(market.quote)
    return {
        "altname": pair_alternative(market),
        "wsname": f"{base}/{quote}",
        "aclass_base": "currency",
        "base": asset_id(market.base),
        "aclass_quote": "currency",
        "quote": asset_id(market.quote),
        "lot": "unit",
        "cost_decimals": 5,
        "pair_decimals": market.price_decimals,
        "lot_decimals": 8,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, 0.4], [10000, 0.35], [50000, 0.24]],
        "fees_maker": [[0, 0.25], [10000, 0.2], [50000, 0.14]],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": f"{market.amount_step:.8f}",
        "costmin": "0.5",
        "tick_size": f"{market.price_step:.{market.price_decimals}f}",
        "status": "online" if market.active else "cancel_only",
    }


def _asked_tape(asked: Asked, x: Exchange) -> tuple[str, Tape | None]:
    """The pair may be asked for under either of its names; the answer has the first."""
    pair = asked.query.get("pair", "")
    tape = x.tape(pair)
    if tape is not None:
        return pair, tape
    named = (name for name, market in x.markets() if pair_alternative(market) == pair)
    name = next(named, None)
    return name or pair, x.tape(name)


def _candles(asked: Asked, x: Exchange) -> Reply:
    pair, tape = _asked_tape(asked, x)
    if tape is None:
        return _error("EQuery:Unknown asset pair")
    timeframe = TIMEFRAMES.get(asked.query.get("interval", "1"))
    if timeframe is None:
        return _error("EGeneral:Invalid arguments")
    since = asked.nanoseconds("since", SECOND_NS)
    start = 0 if since is None else since + 1
    limit = x.page(None, CANDLE_PAGE, CANDLE_PAGE)
    bars = tape.bars(timeframe, start, limit=limit, newest=True, now=x.now())
    decimals = tape.market.price_decimals
    rows = [_candle(bar, decimals) for bar in bars]
    last = rows[-2][0] if len(rows) > 1 else (since or 0) // SECOND_NS
    return _result({pair: rows, "last": last}, len(rows))


def _candle(bar: Bar, decimals: int) -> list[Any]:
    """[open time in s, open, high, low, close, vwap, volume, count]; no vwap without trades."""
    prices = [f"{p:.{decimals}f}" for p in (bar.open, bar.high, bar.low, bar.close)]
    vwap = f"{kraken_ws.vwap(bar):.{decimals}f}" if bar.volume else "0.0"
    return [bar.ts // SECOND_NS, *prices, vwap, f"{bar.volume:.8f}", bar.trades]


def _trades(asked: Asked, x: Exchange) -> Reply:
    pair, tape = _asked_tape(asked, x)
    if tape is None:
        return _error("EQuery:Unknown asset pair")
    try:
        since = _cursor(asked.query.get("since"))
    except (ValueError, OverflowError):
        return _error("EGeneral:Invalid arguments:since")
    limit = x.page(asked.integer("count"), TRADE_PAGE, TRADE_PAGE)
    trades = _page(tape, since, limit, x.now())
    decimals = max(5, tape.market.price_decimals)
    last = trades[-1].ts if trades else since or 0
    rows = [_trade(trade, decimals) for trade in trades]
    return _result({pair: rows, "last": str(last)}, len(rows))


def _cursor(text: str | None) -> int | None:
    """`since` in ns: of a cursor as it was given, or of seconds since the epoch."""
    if not text:
        return None
    if len(text.partition(".")[0]) <= _SECONDS_DIGITS:
        return int(float(text) * SECOND_NS)
    return int(text)


def _page(tape: Tape, since: int | None, limit: int, now: int) -> list[Trade]:
    """Trades later than `since`, or else the newest.

    A page never ends between two trades of one nanosecond, of which the cursor would lose the
    second: it is as much longer as it takes.
    """
    if since is None:
        return tape.newest(limit, now=now)
    trades = tape.trades_between(since + 1, limit=limit, now=now)
    if len(trades) == limit:
        last = trades[-1]
        same = tape.trades_between(last.ts, last.ts + 1, now=now)
        trades += [trade for trade in same if trade.id > last.id]
    return trades


def _trade(trade: Trade, decimals: int) -> list[Any]:
    """[price, volume, time in s, side, order type, misc, id]; the order's type is not known."""
    return [
        f"{trade.price:.{decimals}f}",
        f"{trade.amount:.8f}",
        trade.ts / SECOND_NS,
        "b" if trade.side > 0 else "s",
        "m",
        "",
        trade.id,
    ]
