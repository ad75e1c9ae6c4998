"""OKX's websockets, channels trades, trades-all and candles: what is said to what.

Trades come from the public address, candles and trades-all from the business one; either refuses
what the other has. A subscription is answered with the last trade or the present candle.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from flightstore_ingest.simulate.candles import grid, open_time
from flightstore_ingest.simulate.columns import Bar, Trade
from flightstore_ingest.simulate.okx_rows import BARS, candle_row, price_digits, trade_row
from flightstore_ingest.simulate.wire import Session, Subscription

PUBLIC = "/ws/v5/public"
BUSINESS = "/ws/v5/business"
_CANDLE = "candle"


def on_message(text: str, session: Session) -> Iterator[str]:
    if text == "ping":
        yield "pong"
        return
    try:
        message = json.loads(text)
        operation, wanted = message["op"], [dict(arg) for arg in message["args"]]
    except (ValueError, KeyError, TypeError):
        yield _error("60012", f"Illegal request: {text}")
        return
    if operation not in ("subscribe", "unsubscribe"):
        yield _error("60019", f"Invalid op: {operation}")
        return
    for arg in wanted:
        yield from _answered(operation, arg, session)


def _answered(operation: str, arg: dict[str, Any], session: Session) -> Iterator[str]:
    channel, instrument = str(arg.get("channel")), str(arg.get("instId"))
    tape = session.exchange.tape(instrument)
    if tape is None or session.path != _home(channel):
        text = (
            f"Wrong URL or channel:{channel},instId:{instrument} doesn't exist. Please use the "
            "correct URL, channel and parameters referring to API document."
        )
        yield _error("60018", text)
        return
    key = f"{channel}:{instrument}"
    said = {"channel": channel, "instId": instrument}
    yield _json({"event": operation, "arg": said})
    if operation == "unsubscribe":
        session.unsubscribe(key)
        return
    timeframe = BARS.get(channel.removeprefix(_CANDLE), "")
    kind = "candles" if timeframe else "trades"
    subscription = session.subscribe(key, kind, tape, timeframe, said)
    yield from _present(subscription, session)


def _home(channel: str) -> str | None:
    """The address that has `channel`; None if it does not exist."""
    if channel == "trades":
        return PUBLIC
    if channel == "trades-all" or channel.removeprefix(_CANDLE) in BARS:
        return BUSINESS
    return None


def _present(subscription: Subscription, session: Session) -> Iterable[str]:
    tape, now = subscription.tape, session.exchange.now()
    if not subscription.timeframe:
        last = subscription.position
        return trade_frames(tape.rows(last - 1, last), subscription) if last else ()
    bars = tape.bars(subscription.timeframe, limit=1, newest=True, now=now)
    opened = open_time(now, grid(subscription.timeframe))
    return [text for bar in bars for text in candle_frames(bar, bar.ts < opened, subscription)]


def trade_frames(trades: Sequence[Trade], subscription: Subscription) -> Iterator[str]:
    """A message for each trade."""
    arg, digits = subscription.note, price_digits(subscription.tape.market)
    for trade in trades:
        yield _json({"arg": arg, "data": [trade_row(trade, arg["instId"], digits)]})


def candle_frames(bar: Bar, final: bool, subscription: Subscription) -> Iterable[str]:
    digits = price_digits(subscription.tape.market)
    return (_json({"arg": subscription.note, "data": [candle_row(bar, final, digits)]}),)


def _error(code: str, text: str) -> str:
    return _json({"event": "error", "msg": text, "code": code})


def _json(message: object) -> str:
    return json.dumps(message, separators=(",", ":"))
