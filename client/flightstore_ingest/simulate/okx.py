"""OKX, spot: REST as its "V5 API" documentation has it. Its websocket is in okx_ws.

Pages are newest first. `after` asks for what is earlier than a time or an id and `before` for what
is later; with both it is what lies between, and always the newest of it. Numbers are strings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from flightstore_ingest.simulate import okx_ws
from flightstore_ingest.simulate.candles import grid, open_time
from flightstore_ingest.simulate.clock import MILLISECOND_NS
from flightstore_ingest.simulate.columns import Bar, Trade
from flightstore_ingest.simulate.okx_rows import BARS, candle_row, price_digits, trade_row
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
from flightstore_ingest.simulate.written import plain
from flightstore_proto.timeframe import SECOND_NS

# /market/candles knows this many bars; older ones are at /market/history-candles.
RECENT_BARS = 1440
# /market/history-trades goes back three months.
TRADE_HISTORY_NS = 92 * 86_400 * SECOND_NS
_CANDLES = Layout(
    rows=lambda body: body["data"],
    time=0,
    **counted_in(MILLISECOND_NS, str),
    prices=(1, 2, 3, 4),
    amount=5,
)
_TRADES = Layout(
    rows=lambda body: body["data"],
    time="ts",
    **counted_in(MILLISECOND_NS, str),
    prices=("px",),
    amount="sz",
)


class Okx(Silent):
    """OKX's formats."""

    name = "okx"
    quiet = "flat"
    ws_paths: Sequence[str] = (okx_ws.PUBLIC, okx_ws.BUSINESS)

    def market_id(self, market: Market) -> str:
        return market.id or f"{market.base}-{market.quote}"

    def routes(self) -> Sequence[Route]:
        return (
            Route("/api/v5/public/time", _time),
            Route("/api/v5/system/status", _status),
            Route("/api/v5/public/instruments", _instruments),
            Route("/api/v5/market/candles", _candles),
            Route("/api/v5/market/history-candles", _history_candles),
            Route("/api/v5/market/trades", _trades),
            Route("/api/v5/market/history-trades", _history_trades),
        )

    def on_message(self, text: str, session: Session) -> Iterable[str]:
        return okx_ws.on_message(text, session)

    def trade_frames(
        self, trades: Sequence[Trade], subscription: Subscription, exchange: Exchange
    ) -> Iterable[str]:
        return okx_ws.trade_frames(trades, subscription)

    def candle_frames(
        self, bar: Bar, final: bool, subscription: Subscription, exchange: Exchange
    ) -> Iterable[str]:
        return okx_ws.candle_frames(bar, final, subscription)

    def layout(self, path: str) -> Layout | None:
        if path.endswith("candles"):
            return _CANDLES
        return _TRADES if path.endswith("trades") else None

    def empty(self, asked: Asked) -> Reply:
        return _data([])

    def maintenance(self) -> Reply:
        return _error("50001", "Service temporarily unavailable. Please try again later ", 503)

    def bad_symbol(self) -> Reply:
        return _unknown()

    def limited(self, retry_after: float, banned_until_ns: int | None) -> Reply:
        reply = _error("50011", "Too Many Requests", 429)
        reply.headers["Retry-After"] = f"{retry_after:g}"
        return reply

    def failed(self, status: int) -> Reply:
        known = {
            429: ("50011", "Too Many Requests"),
            500: ("50026", "System error. Try again later"),
            503: ("50001", "Service temporarily unavailable. Please try again later "),
        }
        if status in known:
            return _error(*known[status], status)
        # Everything else is said by the proxy in front of the exchange, in these words.
        return Reply(f"error code: {status}", status)


def _data(rows: list[Any], count: int = 0) -> Reply:
    return Reply({"code": "0", "msg": "", "data": rows}, rows=count)


def _error(code: str, text: str, status: int = 200) -> Reply:
    return Reply({"code": code, "data": [], "msg": text}, status)


def _unknown() -> Reply:
    return _error("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")


def _wrong(parameter: str) -> Reply:
    return _error("51000", f"Parameter {parameter} error")


def _time(asked: Asked, x: Exchange) -> Reply:
    return _data([{"ts": str(x.told() // MILLISECOND_NS)}])


def _status(asked: Asked, x: Exchange) -> Reply:
    return _data([])  # no maintenance is planned


def _instruments(asked: Asked, x: Exchange) -> Reply:
    kind = asked.query.get("instType")
    if kind not in ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION"):
        return _wrong("instType")
    markets = x.markets() if kind == "SPOT" else ()
    return _data([_instrument(name, market) for name, market in markets])


def _instrument(name: str, market: Market) -> dict[str, str]:
    lot = plain(market.amount_step, market.amount_decimals)
    contract = ("alias", "ctMult", "ctType", "ctVal", "ctValCcy", "expTime", "optType")
    return {
        **dict.fromkeys((*contract, "settleCcy", "stk", "uly"), ""),
        "baseCcy": market.base,
        "category": "1",
        "instId": name,
        "instType": "SPOT",
        "lever": "10",
        "listTime": str(market.listed_ns // MILLISECOND_NS),
        "lotSz": lot,
        "maxIcebergSz": "9999999999",
        "maxLmtSz": "9999999999",
        "maxMktSz": "1000000",
        "maxStopSz": "1000000",
        "maxTriggerSz": "9999999999",
        "maxTwapSz": "9999999999",
        "minSz": lot,
        "quoteCcy": market.quote,
        "state": "live" if market.active else "suspend",
        "tickSz": plain(market.price_step, market.price_decimals),
    }


def _candles(asked: Asked, x: Exchange) -> Reply:
    return _candle_page(asked, x, history=False)


def _history_candles(asked: Asked, x: Exchange) -> Reply:
    return _candle_page(asked, x, history=True)


def _candle_page(asked: Asked, x: Exchange, history: bool) -> Reply:
    tape = x.tape(asked.query.get("instId"))
    if tape is None:
        return _unknown()
    timeframe = BARS.get(asked.query.get("bar", "1m"))
    if timeframe is None:
        return _wrong("bar")
    step = grid(timeframe)
    open_now = open_time(x.now(), step)
    after, before = asked.nanoseconds("after"), asked.nanoseconds("before")
    start = 0 if before is None else before + 1
    # History is of closed bars.
    end = open_now if history else END_OF_TIME
    if not history:
        start = max(start, open_now - (RECENT_BARS - 1) * step.step_ns)
    if after is not None:
        end = min(end, after)
    limit = x.page(asked.integer("limit"), 100, 300)
    bars = tape.bars(timeframe, start, end, limit, now=x.now(), newest=True)
    digits = price_digits(tape.market)
    rows = [candle_row(bar, bar.ts < open_now, digits) for bar in reversed(bars)]
    return _data(rows, len(rows))


def _trades(asked: Asked, x: Exchange) -> Reply:
    tape = x.tape(asked.query.get("instId"))
    if tape is None:
        return _unknown()
    limit = x.page(asked.integer("limit"), 100, 500)
    return _trade_page(asked, tape, tape.newest(limit, now=x.now()))


def _history_trades(asked: Asked, x: Exchange) -> Reply:
    tape = x.tape(asked.query.get("instId"))
    if tape is None:
        return _unknown()
    limit, now = x.page(asked.integer("limit"), 100, 100), x.now()
    oldest = now - TRADE_HISTORY_NS
    kind = asked.query.get("type", "1")
    if kind == "1":
        trades = _by_id(tape, asked, limit, now)
    elif kind == "2":
        after = asked.nanoseconds("after")
        end = END_OF_TIME if after is None else after
        trades = tape.trades_between(0, end, limit, now=now, newest=True)
    else:
        return _wrong("type")
    return _trade_page(asked, tape, [trade for trade in trades if trade.ts >= oldest])


def _by_id(tape: Tape, asked: Asked, limit: int, now: int) -> list[Trade]:
    after, before = asked.integer("after"), asked.integer("before")
    if after is None:
        trades = tape.newest(limit, now=now)
    else:
        trades = tape.trades_before_id(after, limit, now=now)
    return trades if before is None else [trade for trade in trades if trade.id > before]


def _trade_page(asked: Asked, tape: Tape, trades: list[Trade]) -> Reply:
    name, digits = asked.query["instId"], price_digits(tape.market)
    rows = [trade_row(trade, name, digits) for trade in reversed(trades)]
    return _data(rows, len(rows))
