"""Coinbase Exchange: REST as its "Exchange REST API" documentation has it, and the matches feed.

Pages are newest first. `side` is the maker's everywhere, the opposite of what the taker did.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from flightstore_ingest.simulate import coinbase_ws
from flightstore_ingest.simulate.columns import Bar, Trade
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
from flightstore_ingest.simulate.written import from_rfc3339, plain, rfc3339
from flightstore_proto.timeframe import SECOND_NS

CANDLE_PAGE = 300
TRADE_PAGE = 1000
# By seconds, as `granularity` asks for them.
TIMEFRAMES = {"60": "1m", "300": "5m", "900": "15m", "3600": "1h", "21600": "6h", "86400": "1d"}
_TOO_LONG = (
    "granularity too small for the requested time range. "
    f"Count of aggregations requested exceeds {CANDLE_PAGE}"
)
_CANDLES = Layout(
    rows=lambda body: body, time=0, **counted_in(SECOND_NS), prices=(3, 2, 1, 4), amount=5
)
_TRADES = Layout(
    rows=lambda body: body,
    time="time",
    written=rfc3339,
    read=from_rfc3339,
    prices=("price",),
    amount="size",
)


class Coinbase(Silent):
    """Coinbase Exchange's formats."""

    name = "coinbaseexchange"
    quiet = "omitted"
    ws_paths: Sequence[str] = ("/",)
    heartbeat_seconds = 1.0

    def market_id(self, market: Market) -> str:
        return market.id or f"{market.base}-{market.quote}"

    def routes(self) -> Sequence[Route]:
        return (
            Route("/time", _time),
            Route("/currencies", _currencies),
            Route("/products", _products),
            Route("/products/{id}/candles", _candles),
            Route("/products/{id}/trades", _trades),
        )

    def on_message(self, text: str, session: Session) -> Iterable[str]:
        return coinbase_ws.on_message(text, session)

    def trade_frames(
        self, trades: Sequence[Trade], subscription: Subscription, exchange: Exchange
    ) -> Iterable[str]:
        return coinbase_ws.trade_frames("match", trades, subscription)

    def candle_frames(
        self, bar: Bar, final: bool, subscription: Subscription, exchange: Exchange
    ) -> Iterable[str]:
        return ()  # the feed has no candles

    def heartbeat_frames(self, session: Session) -> Iterable[str]:
        return coinbase_ws.heartbeat_frames(session)

    def layout(self, path: str) -> Layout | None:
        return {"candles": _CANDLES, "trades": _TRADES}.get(path.rpartition("/")[2])

    def empty(self, asked: Asked) -> Reply:
        return Reply([])

    def maintenance(self) -> Reply:
        return _error("Service is under maintenance", 503)

    def bad_symbol(self) -> Reply:
        return _error("NotFound", 404)

    def limited(self, retry_after: float, banned_until_ns: int | None) -> Reply:
        reply = _error("Public rate limit exceeded", 429)
        reply.headers["Retry-After"] = f"{retry_after:g}"
        return reply

    def failed(self, status: int) -> Reply:
        known = {
            403: "Forbidden",
            404: "NotFound",
            429: "Public rate limit exceeded",
            500: "Internal server error",
            502: "Bad gateway",
            503: "Service unavailable",
        }
        return _error(known.get(status, "Unavailable"), status)


def _error(text: str, status: int = 400) -> Reply:
    return Reply({"message": text}, status)


def _time(asked: Asked, x: Exchange) -> Reply:
    told = x.told() // 1_000_000
    return Reply({"iso": rfc3339(told * 1_000_000, 3), "epoch": told / 1000})


def _currencies(asked: Asked, x: Exchange) -> Reply:
    currencies = {c for _, m in x.markets() for c in (m.base, m.quote)}
    return Reply([_currency(c) for c in sorted(currencies)])


def _currency(currency: str) -> dict[str, object]:
    kind = "fiat" if currency in ("USD", "EUR", "GBP") else "crypto"
    return {
        "id": currency,
        "name": currency,
        "min_size": "0.00000001",
        "status": "online",
        "message": "",
        "max_precision": "0.00000001",
        "convertible_to": [],
        "details": {"type": kind, "symbol": None, "sort_order": 0},
        "default_network": "",
        "supported_networks": [],
        "display_name": currency,
    }


def _products(asked: Asked, x: Exchange) -> Reply:
    return Reply([_product(name, market) for name, market in x.markets()])


def _product(name: str, market: Market) -> dict[str, object]:
    return {
        "id": name,
        "base_currency": market.base,
        "quote_currency": market.quote,
        "base_min_size": plain(market.amount_step, market.amount_decimals),
        "base_max_size": "1500",
        "quote_increment": plain(market.price_step, market.price_decimals),
        "base_increment": plain(market.amount_step, market.amount_decimals),
        "display_name": market.symbol,
        "min_market_funds": "1",
        "max_market_funds": "20000000",
        "margin_enabled": False,
        "post_only": False,
        "limit_only": False,
        "cancel_only": False,
        "trading_disabled": not market.active,
        "status": "online" if market.active else "delisted",
        "status_message": "",
    }


def _candles(asked: Asked, x: Exchange) -> Reply:
    tape = x.tape(asked.parts["id"])
    if tape is None:
        return _error("NotFound", 404)
    granularity = asked.query.get("granularity", "60")
    if granularity not in TIMEFRAMES:
        return _error("Unsupported granularity")
    step_ns = int(granularity) * SECOND_NS
    try:
        start, end = _moment(asked, "start"), _moment(asked, "end")
    except ValueError:
        return _error("Invalid start or end")
    # A window of 300 bars ends with the open time of a 301st, which is within.
    most = CANDLE_PAGE + 1
    if start is None or end is None:
        # Half a window is none: Coinbase ignores it.
        start, end, most = 0, x.now(), CANDLE_PAGE
    elif end - start > CANDLE_PAGE * step_ns:
        return _error(_TOO_LONG)
    limit = x.page(None, most, most)
    timeframe = TIMEFRAMES[granularity]
    bars = tape.bars(timeframe, start, end + 1, limit, now=x.now(), newest=True)
    return Reply([_candle(bar) for bar in reversed(bars)], rows=len(bars))


def _moment(asked: Asked, name: str) -> int | None:
    """`start` or `end` in ns: RFC 3339 or seconds since the epoch. Raises ValueError."""
    text = asked.query.get(name)
    if not text:
        return None
    return int(text) * SECOND_NS if text.isdigit() else from_rfc3339(text)


def _candle(bar: Bar) -> list[Any]:
    return [bar.ts // SECOND_NS, bar.low, bar.high, bar.open, bar.close, bar.volume]


def _trades(asked: Asked, x: Exchange) -> Reply:
    tape = x.tape(asked.parts["id"])
    if tape is None:
        return _error("NotFound", 404)
    limit = x.page(asked.integer("limit"), TRADE_PAGE, TRADE_PAGE)
    trades = _page(tape, asked, limit, x.now())
    # CB-BEFORE is the cursor for the page before this one, which is newer.
    headers = {"CB-BEFORE": str(trades[-1].id), "CB-AFTER": str(trades[0].id)} if trades else {}
    digits = coinbase_ws.price_digits(tape.market)
    rows = [_trade(trade, digits) for trade in reversed(trades)]
    return Reply(rows, headers=headers, rows=len(rows))


def _page(tape: Tape, asked: Asked, limit: int, now: int) -> list[Trade]:
    """The newest trades, of those with an id below `after` or above `before`; oldest first."""
    after, before = asked.integer("after"), asked.integer("before")
    if after is not None:
        return tape.trades_before_id(after, limit, now=now)
    trades = tape.newest(limit, now=now)
    return trades if before is None else [trade for trade in trades if trade.id > before]


def _trade(trade: Trade, digits: int) -> dict[str, Any]:
    return {
        "trade_id": trade.id,
        "side": coinbase_ws.maker_side(trade),
        "size": f"{trade.amount:.8f}",
        "price": f"{trade.price:.{digits}f}",
        "time": rfc3339(trade.ts),
    }
