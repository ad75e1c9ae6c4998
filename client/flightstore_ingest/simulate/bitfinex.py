"""Bitfinex.

Formats after "Bitfinex API v2": public REST endpoints and websocket public channels. Numbers are
JSON numbers, small ones in the notation 1e-08; the sign of a trade's amount is the taker's side.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from flightstore_ingest.simulate.clock import MILLISECOND_NS
from flightstore_ingest.simulate.columns import Bar, Trade
from flightstore_ingest.simulate.tape import END_OF_TIME, Market, Tape
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

CANDLES_DEFAULT, TRADES_DEFAULT, PAGE_MOST = 100, 125, 10_000
SNAPSHOT_TRADES, SNAPSHOT_CANDLES = 30, 240
# Its spelling -> ours.
TIMEFRAMES = {t: t for t in ("1m", "5m", "15m", "30m", "1h", "3h", "6h", "12h")}
TIMEFRAMES |= {"1D": "1d", "1W": "1w", "7D": "1w"}
_CODES = {"USDT": "UST"}
_MILLISECONDS = counted_in(MILLISECOND_NS)
_CANDLES = Layout(lambda b: b, 0, **_MILLISECONDS, prices=(1, 3, 4, 2), amount=5)
_TRADES = Layout(lambda b: b, 1, **_MILLISECONDS, prices=(3,), amount=2)
_COMPACT = (",", ":")


class Bitfinex(Silent):
    """The wire of ccxt's `bitfinex`, spot markets."""

    name = "bitfinex"
    quiet = "omitted"
    ws_paths = ("/ws/2", "/ws/{tail:.*}")
    heartbeat_seconds = 15.0

    def market_id(self, market: Market) -> str:
        """tBTCUSD, and tTEST:USD where a code is longer than three letters."""
        base, quote = (_CODES.get(code, code) for code in (market.base, market.quote))
        return f"t{base}{'' if len(base) == len(quote) == 3 else ':'}{quote}"

    def routes(self) -> Sequence[Route]:
        return (
            Route("/v2/platform/status", lambda asked, x: Reply([1])),
            Route("/v2/conf/{config}", _conf),
            Route("/v2/candles/{key}/hist", self._candles),
            Route("/v2/trades/{symbol}/hist", self._trades),
        )

    # ---- REST

    def _candles(self, asked: Asked, x: Exchange) -> Reply:
        """Newest first, unless sort=1; `start` and `end` inclusive."""
        channel, _, rest = asked.parts["key"].partition(":")
        timeframe, _, symbol = rest.partition(":")
        tape = x.tape(symbol)
        if channel != "trade" or tape is None or timeframe not in TIMEFRAMES:
            return self.bad_symbol()
        start, end, ascending = _window(asked)
        rows = x.page(asked.integer("limit"), CANDLES_DEFAULT, PAGE_MOST)
        bars = tape.bars(TIMEFRAMES[timeframe], start, end, rows, now=x.now(), newest=not ascending)
        return Reply(list(map(_candle, bars if ascending else reversed(bars))), rows=len(bars))

    def _trades(self, asked: Asked, x: Exchange) -> Reply:
        """As candles are."""
        tape = x.tape(asked.parts["symbol"])
        if tape is None:
            return self.bad_symbol()
        start, end, ascending = _window(asked)
        rows = x.page(asked.integer("limit"), TRADES_DEFAULT, PAGE_MOST)
        found = tape.trades_between(start, end, rows, now=x.now(), newest=not ascending)
        return Reply(list(map(_trade, found if ascending else reversed(found))), rows=len(found))

    # ---- websocket

    def on_connect(self, session: Session) -> Iterable[str]:
        server = "083bd8d4-aca7-4690-a573-eabfc8103de8"
        info = {"event": "info", "version": 2, "serverId": server, "platform": {"status": 1}}
        return [_text(info)]

    def on_message(self, text: str, session: Session) -> Iterable[str]:
        try:
            said = json.loads(text)
            event = said["event"]
        except (ValueError, KeyError, TypeError):
            return [_text({"event": "error", "msg": "event: invalid", "code": 10000})]
        if event == "ping":
            ms = session.exchange.told() // MILLISECOND_NS
            return [_text({"event": "pong", "ts": ms, "cid": said.get("cid")})]
        if event == "subscribe":
            return _subscribe(said, session)
        if event == "unsubscribe":
            number = said.get("chanId")
            for key, one in list(session.subscriptions.items()):
                if str(one.note) == str(number):
                    session.unsubscribe(key)
            return [_text({"event": "unsubscribed", "status": "OK", "chanId": number})]
        return [_text({"event": event, "status": "OK"})]

    def trade_frames(
        self, trades: Sequence[Trade], subscription: Subscription, exchange: Exchange
    ) -> Iterable[str]:
        """Each trade is told as it is executed, and a second time as it is booked."""
        for trade in trades:
            row = _text(_trade(trade))
            yield f'[{subscription.note},"te",{row}]'
            yield f'[{subscription.note},"tu",{row}]'

    def candle_frames(
        self, bar: Bar, final: bool, subscription: Subscription, exchange: Exchange
    ) -> Iterable[str]:
        return [_text([subscription.note, _candle(bar)])]

    def heartbeat_frames(self, session: Session) -> Iterable[str]:
        return [_text([one.note, "hb"]) for one in session.subscriptions.values()]

    # ---- what is said instead

    def layout(self, path: str) -> Layout | None:
        if path.startswith("/v2/candles/"):
            return _CANDLES
        return _TRADES if path.startswith("/v2/trades/") else None

    def empty(self, asked: Asked) -> Reply:
        return Reply([])

    def maintenance(self) -> Reply:
        return Reply(["error", 20060, "maintenance"], 500)

    def bad_symbol(self) -> Reply:
        return Reply(["error", 10020, "symbol: invalid"], 500)

    def limited(self, retry_after: float, banned_until_ns: int | None) -> Reply:
        headers = {"Retry-After": str(max(round(retry_after), 1))}
        return Reply(["error", 11010, "ratelimit: error"], 429, headers)

    def failed(self, status: int) -> Reply:
        return Reply(["error", 10000, "unknown: error"], status)


def _text(value: Any) -> str:
    return json.dumps(value, separators=_COMPACT)


def _candle(bar: Bar) -> list[float]:
    """[MTS, OPEN, CLOSE, HIGH, LOW, VOLUME]"""
    return [bar.ts // MILLISECOND_NS, bar.open, bar.close, bar.high, bar.low, bar.volume]


def _trade(trade: Trade) -> list[float]:
    """[ID, MTS, AMOUNT, PRICE]"""
    return [trade.id, trade.ts // MILLISECOND_NS, trade.side * trade.amount, trade.price]


def _window(asked: Asked) -> tuple[int, int, bool]:
    """`start` and `end` (to before it) in ns, and whether the oldest come first."""
    start, end = asked.nanoseconds("start"), asked.nanoseconds("end")
    before = END_OF_TIME if end is None else end + MILLISECOND_NS
    return start or 0, before, asked.query.get("sort") in ("1", "+1")


def _conf(asked: Asked, x: Exchange) -> Reply:
    """What the labels, which the path lists, say about the exchange; [] for what is not known."""
    pairs = [(market_id[1:], market) for market_id, market in x.markets() if market.active]
    codes = {_CODES.get(code, code) for _, m in pairs for code in (m.base, m.quote)}
    known: dict[str, list[Any]] = {
        "pub:info:pair": [[pair, _pair_info(market)] for pair, market in pairs],
        "pub:list:pair:exchange": [pair for pair, _ in pairs],
        "pub:list:currency": sorted(codes),
        "pub:map:currency:sym": [[own, code] for code, own in _CODES.items() if own in codes],
    }
    return Reply([known.get(label, []) for label in asked.parts["config"].split(",")])


def _pair_info(market: Market) -> list[Any]:
    smallest = f"{market.amount_step:.{market.amount_decimals}f}"
    return [None, None, None, smallest, "5000.0", None, None, None, 0.2, 0.1, None, None]


def _subscribe(said: dict[str, Any], session: Session) -> list[str]:
    channel = said.get("channel")
    if channel == "trades":
        name, subject = "symbol", str(said.get("symbol"))
        tape, timeframe = session.exchange.tape(subject), ""
    else:
        name, subject = "key", str(said.get("key"))
        timeframe, _, symbol = subject.removeprefix("trade:").partition(":")
        tape = session.exchange.tape(symbol) if timeframe in TIMEFRAMES else None
    if channel not in ("trades", "candles") or tape is None:
        return [_text({**said, "event": "error", "msg": f"{name}: invalid", "code": 10300})]
    if f"{channel} {subject}" in session.subscriptions:
        return [_text({**said, "event": "error", "msg": "subscribe: dup", "code": 10301})]
    number = session.number()
    new = session.subscribe(
        f"{channel} {subject}", channel, tape, TIMEFRAMES.get(timeframe, ""), number
    )
    answer = {"event": "subscribed", "channel": channel, "chanId": number, name: subject}
    if channel == "trades":
        answer["pair"] = subject[1:]
    return [_text(answer), _text([number, _snapshot(tape, new, session.exchange)])]


def _snapshot(tape: Tape, new: Subscription, x: Exchange) -> list[list[float]]:
    """What happened before, newest first."""
    if new.channel == "trades":
        past = tape.rows(new.position - SNAPSHOT_TRADES, new.position)
        return [_trade(trade) for trade in reversed(past)]
    bars = tape.bars(new.timeframe, limit=SNAPSHOT_CANDLES, now=x.now(), newest=True)
    return [_candle(bar) for bar in reversed(bars)]
