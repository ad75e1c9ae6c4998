"""Kraken's websocket, version 2, channels trade and ohlc: what is said to what.

A subscription is acknowledged, then answered with a snapshot of the past: 50 trades or 10 candles.
Unlike a page of candles, the channel ohlc leaves out bars in which nothing was traded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from flightstore_ingest.simulate.candles import grid
from flightstore_ingest.simulate.columns import Bar, Trade
from flightstore_ingest.simulate.kraken_names import pair_id
from flightstore_ingest.simulate.tape import Market, Tape
from flightstore_ingest.simulate.wire import Session, Subscription
from flightstore_ingest.simulate.written import rfc3339

SNAPSHOT_TRADES = 50
SNAPSHOT_CANDLES = 10
# How far back the snapshot looks for candles with trades.
_SNAPSHOT_REACH = 60
# By minutes, as both REST and websocket ask for them.
TIMEFRAMES = {
    "1": "1m",
    "5": "5m",
    "15": "15m",
    "30": "30m",
    "60": "1h",
    "240": "4h",
    "1440": "1d",
    "10080": "1w",
    "21600": "15d",
}
_MINUTES = {timeframe: minutes for minutes, timeframe in TIMEFRAMES.items()}
_STATUS = {
    "channel": "status",
    "type": "update",
    "data": [
        {
            "version": "2.0.10",
            "system": "online",
            "api_version": "v2",
            "connection_id": 16174536464690282295,
        }
    ],
}


def on_connect() -> Iterable[str]:
    return (_json(_STATUS),)


def heartbeat_frames(session: Session) -> Iterable[str]:
    """Kraken's hearts beat for those who have subscribed to something."""
    return ('{"channel":"heartbeat"}',) if session.subscriptions else ()


def on_message(text: str, session: Session) -> Iterator[str]:
    try:
        message = json.loads(text)
        method, params = message.get("method"), message.get("params") or {}
    except (ValueError, AttributeError):
        yield _answer(session, {}, {"error": "Malformed request", "success": False})
        return
    if method == "ping":
        yield _answer(session, message, {"method": "pong"})
    elif method in ("subscribe", "unsubscribe"):
        for symbol in params.get("symbol") or []:
            yield from _subscribe(message, method, str(symbol), params, session)
    else:
        said = {"error": f"Unsupported method: {method}", "method": method, "success": False}
        yield _answer(session, message, said)


def _subscribe(
    message: dict[str, Any], method: str, symbol: str, params: dict[str, Any], session: Session
) -> Iterator[str]:
    channel, interval = str(params.get("channel")), str(params.get("interval", 1))
    tape = _tape(symbol, session)
    key = f"{channel}@{symbol}" + (f"@{interval}" if channel == "ohlc" else "")
    error = _refused(channel, interval, symbol, tape)
    if error is None and method == "subscribe" and key in session.subscriptions:
        error = "Already subscribed"
    if error is None and method == "unsubscribe" and session.unsubscribe(key) is None:
        error = "Subscription Not Found"
    if error is not None or tape is None:
        said = {"error": error, "method": method, "success": False, "symbol": symbol}
        yield _answer(session, message, said)
        return
    snapshot = bool(params.get("snapshot", True))
    result: dict[str, Any] = {"channel": channel, "snapshot": snapshot, "symbol": symbol}
    if channel == "ohlc":
        warnings = ["timestamp is deprecated, use interval_begin"]
        result |= {"interval": int(interval), "warnings": warnings}
    yield _answer(session, message, {"method": method, "result": result, "success": True})
    if method == "subscribe":
        kind = "trades" if channel == "trade" else "candles"
        subscription = session.subscribe(key, kind, tape, TIMEFRAMES.get(interval, ""))
        if snapshot:
            yield from _snapshot(subscription, session)


def _tape(symbol: str, session: Session) -> Tape | None:
    """Version 2 goes by the usual names, unlike everything else at Kraken: BTC/USD."""
    tape = session.exchange.tapes.get(symbol)
    return None if tape is None else session.exchange.tape(pair_id(tape.market))


def _refused(channel: str, interval: str, symbol: str, tape: Tape | None) -> str | None:
    if channel not in ("trade", "ohlc"):
        return f"Subscription name invalid: {channel}"
    if tape is None:
        return f"Currency pair not supported {symbol}"
    if channel == "ohlc" and interval not in TIMEFRAMES:
        return "Subscription ohlc interval not supported"
    return None


def _answer(session: Session, message: dict[str, Any], said: dict[str, Any]) -> str:
    asked = {"req_id": message["req_id"]} if "req_id" in message else {}
    told = rfc3339(session.exchange.told())
    return _json(said | asked | {"time_in": told, "time_out": told})


def _snapshot(subscription: Subscription, session: Session) -> Iterable[str]:
    """Nothing if there is no past: ccxt would stop to listen at a snapshot without rows."""
    tape, x = subscription.tape, session.exchange
    if subscription.channel == "trades":
        end = subscription.position
        return trade_frames("snapshot", tape.rows(end - SNAPSHOT_TRADES, end), tape.market)
    bars = tape.bars(subscription.timeframe, limit=_SNAPSHOT_REACH, newest=True, now=x.now())
    traded = [bar for bar in bars if bar.volume][-SNAPSHOT_CANDLES:]
    return candle_frames("snapshot", traded, subscription, x.told())


def trade_frames(kind: str, trades: Sequence[Trade], market: Market) -> Iterable[str]:
    """One message with all `trades`. Numbers have fixed digits, as Kraken writes them."""
    if not trades:
        return ()
    decimals = max(1, market.price_decimals)
    data = ",".join(
        f'{{"symbol":"{market.symbol}","side":"{"buy" if trade.side > 0 else "sell"}",'
        f'"price":{trade.price:.{decimals}f},"qty":{trade.amount:.8f},"ord_type":"market",'
        f'"trade_id":{trade.id},"timestamp":"{rfc3339(trade.ts)}"}}'
        for trade in trades
    )
    return (f'{{"channel":"trade","type":"{kind}","data":[{data}]}}',)


def vwap(bar: Bar) -> float:
    """The average price of a bar with trades; of a recorded one without it, the close."""
    return bar.quote / bar.volume if bar.quote else bar.close


def candle_frames(
    kind: str, bars: Sequence[Bar], subscription: Subscription, told: int
) -> Iterable[str]:
    """One message with those of `bars` in which something was traded."""
    traded = [bar for bar in bars if bar.volume]
    if not traded:
        return ()
    data = ",".join(_candle(bar, subscription) for bar in traded)
    return (
        f'{{"channel":"ohlc","type":"{kind}","timestamp":"{rfc3339(told, 9)}","data":[{data}]}}',
    )


def _candle(bar: Bar, subscription: Subscription) -> str:
    market, timeframe = subscription.tape.market, subscription.timeframe
    d = max(1, market.price_decimals)
    return (
        f'{{"symbol":"{market.symbol}","open":{bar.open:.{d}f},"high":{bar.high:.{d}f},'
        f'"low":{bar.low:.{d}f},"close":{bar.close:.{d}f},"trades":{bar.trades},'
        f'"volume":{bar.volume:.8f},"vwap":{vwap(bar):.{d}f},'
        f'"interval_begin":"{rfc3339(bar.ts, 9)}","interval":{_MINUTES[timeframe]},'
        f'"timestamp":"{rfc3339(bar.ts + grid(timeframe).step_ns)}"}}'
    )


def _json(message: object) -> str:
    return json.dumps(message, separators=(",", ":"))
