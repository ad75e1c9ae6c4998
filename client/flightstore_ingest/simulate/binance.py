"""Binance spot.

Formats after "Binance Spot API": market data endpoints and websocket market streams.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from flightstore_ingest.simulate.aggregates import Aggregate
from flightstore_ingest.simulate.candles import grid
from flightstore_ingest.simulate.clock import MILLISECOND_NS
from flightstore_ingest.simulate.columns import Bar, Trade
from flightstore_ingest.simulate.spoiling import PROXY_PAGE
from flightstore_ingest.simulate.tape import END_OF_TIME, Market
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

PAGE_DEFAULT, PAGE_MOST = 500, 1000
WEIGHT_LIMIT = 6000
TIMEFRAMES = {
    *("1s", "1m", "3m", "5m", "15m", "30m"),
    *("1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w"),
}
_MILLISECONDS = counted_in(MILLISECOND_NS)
_LAYOUTS = {
    "klines": Layout(lambda b: b, 0, **_MILLISECONDS, prices=(1, 2, 3, 4), amount=5),
    "aggTrades": Layout(lambda b: b, "T", **_MILLISECONDS, prices=("p",), amount="q"),
    "trades": Layout(lambda b: b, "time", **_MILLISECONDS, prices=("price",), amount="qty"),
}
_LAYOUTS["historicalTrades"] = _LAYOUTS["trades"]
_TRUTH = {True: "true", False: "false"}
_CANDLE = (
    '[%d,"%.8f","%.8f","%.8f","%.8f","%.8f",%d,"%.8f",%d,"%.8f","%.8f","0"]'  # prices, volumes
)


class Binance(Silent):
    """The wire of ccxt's `binance`, spot markets."""

    name = "binance"
    quiet = "flat"
    ws_paths = ("/ws", "/ws/{tail:.*}", "/stream", "/stream/{tail:.*}")

    def market_id(self, market: Market) -> str:
        return market.base + market.quote

    def routes(self) -> Sequence[Route]:
        return (
            Route("/api/v3/ping", lambda asked, x: Reply({})),
            Route("/api/v3/time", _time),
            Route("/api/v3/exchangeInfo", _exchange_info, 20),
            Route("/api/v3/klines", self._klines, 2),
            Route("/api/v3/aggTrades", self._agg_trades, 4),
            Route("/api/v3/trades", self._trades, 25),
            Route("/api/v3/historicalTrades", self._historical_trades, 25),
        )

    # ---- REST

    def _klines(self, asked: Asked, x: Exchange) -> Reply:
        """Oldest first: the first ones from startTime on, or the last ones before endTime."""
        tape, interval = x.tape(asked.query.get("symbol")), asked.query.get("interval", "")
        if tape is None:
            return self.bad_symbol()
        if interval not in TIMEFRAMES:
            return _error(-1120, "Invalid interval.")
        start, end = asked.nanoseconds("startTime"), asked.nanoseconds("endTime")
        bars = tape.bars(
            interval,
            start or 0,
            END_OF_TIME if end is None else end + 1,
            _page(asked, x),
            now=x.now(),
            newest=start is None,
        )
        step = grid(interval).step_ns
        return Reply(_array(_candle(bar, step) for bar in bars), rows=len(bars))

    def _agg_trades(self, asked: Asked, x: Exchange) -> Reply:
        """Oldest first: from an id, or the first ones of a window; without either the newest."""
        tape = x.tape(asked.query.get("symbol"))
        if tape is None:
            return self.bad_symbol()
        start, end = asked.nanoseconds("startTime"), asked.nanoseconds("endTime")
        number, rows = asked.integer("fromId"), _page(asked, x)
        if number is not None and (start is not None or end is not None):
            return _error(-1128, "Combination of optional parameters invalid.")
        aggregates = tape.aggregates()
        last = aggregates.visible(tape.visible(x.now()))
        if end is not None:
            last = min(last, aggregates.at_trade(tape.trades.at(end + MILLISECOND_NS)))
        if number is not None:
            first = max(number - aggregates.first_id, 0)
        elif start is not None:
            first = aggregates.at_trade(tape.trades.at(start))
        else:
            first = max(last - rows, 0)
        found = aggregates.rows(first, min(first + rows, last))
        return Reply(_array(_aggregate(a) for a in found), rows=len(found))

    def _trades(self, asked: Asked, x: Exchange) -> Reply:
        tape = x.tape(asked.query.get("symbol"))
        if tape is None:
            return self.bad_symbol()
        found = tape.newest(_page(asked, x), now=x.now())
        return Reply(_array(map(_rest_trade, found)), rows=len(found))

    def _historical_trades(self, asked: Asked, x: Exchange) -> Reply:
        """Oldest first from fromId on; without it the newest. For those who send an API key."""
        number, tape = asked.integer("fromId"), x.tape(asked.query.get("symbol"))
        if not asked.headers.get("x-mbx-apikey"):
            return _error(-2014, "API-key format invalid.", 401)
        if tape is None or number is None:
            return self._trades(asked, x)
        found = tape.trades_from_id(number, _page(asked, x), now=x.now())
        return Reply(_array(map(_rest_trade, found)), rows=len(found))

    # ---- websocket

    def on_connect(self, session: Session) -> Iterable[str]:
        """Streams may be named in the URL: /ws/<stream> or /stream?streams=<one>/<other>."""
        for name in (session.path + "/" + session.query.get("streams", "")).split("/"):
            _subscribe(name, session)
        return ()

    def on_message(self, text: str, session: Session) -> Iterable[str]:
        try:
            said = json.loads(text)
            method, names, number = said["method"], said.get("params", []), said.get("id")
        except (ValueError, KeyError, TypeError, AttributeError):
            return ['{"error":{"code":3,"msg":"Invalid JSON: expected value"}}']
        if method == "LIST_SUBSCRIPTIONS":
            return [json.dumps({"result": list(session.subscriptions), "id": number})]
        if method not in ("SUBSCRIBE", "UNSUBSCRIBE"):
            error = {"code": 2, "msg": "Invalid request: unknown variant"}
            return [json.dumps({"error": error, "id": number})]
        for name in names:
            if method == "SUBSCRIBE":
                _subscribe(name, session)
            else:
                session.unsubscribe(name)
        return [json.dumps({"result": None, "id": number}, separators=(",", ":"))]

    def trade_frames(
        self, trades: Sequence[Trade], subscription: Subscription, exchange: Exchange
    ) -> Iterable[str]:
        market_id, head, tail = subscription.note
        event, frames = exchange.told() // MILLISECOND_NS, subscription.tape.frames
        for trade in trades:
            yield frames.get(trade.id) or (
                f'{head}{{"e":"trade","E":{event},"s":"{market_id}","t":{trade.id},'
                f'"p":"{trade.price:.8f}","q":"{trade.amount:.8f}","T":{trade.ts // 1_000_000},'
                f'"m":{_TRUTH[trade.side < 0]},"M":true}}{tail}'
            )

    def aggregate_frames(
        self, aggregates: Sequence[Aggregate], subscription: Subscription, exchange: Exchange
    ) -> Iterable[str]:
        market_id, head, tail = subscription.note
        event = exchange.told() // MILLISECOND_NS
        for one in aggregates:
            yield (
                f'{head}{{"e":"aggTrade","E":{event},"s":"{market_id}",{_aggregate(one)[1:]}{tail}'
            )

    def candle_frames(
        self, bar: Bar, final: bool, subscription: Subscription, exchange: Exchange
    ) -> Iterable[str]:
        market_id, head, tail = subscription.note
        event, opened = exchange.told() // MILLISECOND_NS, bar.ts // MILLISECOND_NS
        closed = opened + grid(subscription.timeframe).step_ns // MILLISECOND_NS - 1
        yield (
            f'{head}{{"e":"kline","E":{event},"s":"{market_id}","k":{{"t":{opened},"T":{closed},'
            f'"s":"{market_id}","i":"{subscription.timeframe}","f":{bar.first_id},'
            f'"L":{bar.last_id},"o":"{bar.open:.8f}","c":"{bar.close:.8f}","h":"{bar.high:.8f}",'
            f'"l":"{bar.low:.8f}","v":"{bar.volume:.8f}","n":{bar.trades},"x":{_TRUTH[final]},'
            f'"q":"{bar.quote:.8f}","V":"{bar.buy:.8f}","Q":"{bar.buy_quote:.8f}","B":"0"}}}}{tail}'
        )

    # ---- what is said instead

    def layout(self, path: str) -> Layout | None:
        return _LAYOUTS.get(path.rpartition("/")[2])

    def empty(self, asked: Asked) -> Reply:
        return Reply([] if self.layout(asked.path) else {})

    def maintenance(self) -> Reply:
        return Reply({"code": 1, "msg": "System is under maintenance."}, 503)

    def bad_symbol(self) -> Reply:
        return _error(-1121, "Invalid symbol.")

    def limited(self, retry_after: float, banned_until_ns: int | None) -> Reply:
        headers = {"Retry-After": str(max(round(retry_after), 1))}
        if banned_until_ns is None:
            said = (
                f"Too much request weight used; current limit is {WEIGHT_LIMIT} request weight "
                "per 1 MINUTE. Please use WebSocket Streams for live updates to avoid polling "
                "the API."
            )
            return Reply({"code": -1003, "msg": said}, 429, headers)
        said = (
            f"Way too much request weight used; IP banned until "
            f"{banned_until_ns // MILLISECOND_NS}. Please use WebSocket Streams for live updates "
            "to avoid bans."
        )
        return Reply({"code": -1003, "msg": said}, 418, headers)

    def failed(self, status: int) -> Reply:
        if status == 451:
            said = (
                "Service unavailable from a restricted location according to 'b. Eligibility' in "
                "https://www.binance.com/en/terms. Please contact customer service if you believe "
                "you received this message in error."
            )
            return Reply({"code": 0, "msg": said}, status)
        if status == 500:
            said = "An unknown error occurred while processing the request."
            return Reply({"code": -1000, "msg": said}, status)
        return Reply(PROXY_PAGE, status, {"Content-Type": "text/html"})

    def limit_headers(self, used: int) -> Mapping[str, str]:
        return {"x-mbx-used-weight": str(used), "x-mbx-used-weight-1m": str(used)}


def _page(asked: Asked, x: Exchange) -> int:
    return x.page(asked.integer("limit"), PAGE_DEFAULT, PAGE_MOST)


def _error(code: int, said: str, status: int = 400) -> Reply:
    return Reply({"code": code, "msg": said}, status)


def _array(rows: Iterable[str]) -> str:
    return f"[{','.join(rows)}]"


@lru_cache(maxsize=1 << 14)  # what is closed is asked for again and again
def _candle(bar: Bar, step_ns: int) -> str:
    opened = bar.ts // MILLISECOND_NS
    closed = opened + step_ns // MILLISECOND_NS - 1
    return _CANDLE % (opened, *bar[1:6], closed, bar.quote, bar.trades, bar.buy, bar.buy_quote)


def _aggregate(one: Aggregate) -> str:
    return (
        f'{{"a":{one.id},"p":"{one.price:.8f}","q":"{one.amount:.8f}","f":{one.first_id},'
        f'"l":{one.last_id},"T":{one.ts // MILLISECOND_NS},"m":{_TRUTH[one.side < 0]},"M":true}}'
    )


def _rest_trade(trade: Trade) -> str:
    return (
        f'{{"id":{trade.id},"price":"{trade.price:.8f}","qty":"{trade.amount:.8f}",'
        f'"quoteQty":"{trade.price * trade.amount:.8f}","time":{trade.ts // MILLISECOND_NS},'
        f'"isBuyerMaker":{_TRUTH[trade.side < 0]},"isBestMatch":true}}'
    )


def _time(asked: Asked, x: Exchange) -> Reply:
    return Reply({"serverTime": x.told() // MILLISECOND_NS})


def _exchange_info(asked: Asked, x: Exchange) -> Reply:
    weight = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}
    return Reply(
        {
            "timezone": "UTC",
            "serverTime": x.told() // MILLISECOND_NS,
            "rateLimits": [{**weight, "limit": WEIGHT_LIMIT}],
            "exchangeFilters": [],
            "symbols": [_symbol(market_id, market) for market_id, market in x.markets()],
        }
    )


def _symbol(market_id: str, market: Market) -> dict[str, Any]:
    price, lot = f"{market.price_step:.8f}", f"{market.amount_step:.8f}"
    filters: list[dict[str, Any]] = [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": price,
            "maxPrice": "1000000.00000000",
            "tickSize": price,
        },
        {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "9000.00000000", "stepSize": lot},
        {"filterType": "ICEBERG_PARTS", "limit": 10},
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
    ]
    return {
        "symbol": market_id,
        "status": "TRADING" if market.active else "BREAK",
        "baseAsset": market.base,
        "baseAssetPrecision": 8,
        "quoteAsset": market.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": filters,
        "permissions": ["SPOT"],
    }


def _subscribe(name: str, session: Session) -> None:
    """Subscribe to the stream `name`; Binance keeps silent about streams that do not exist."""
    symbol, at, stream = name.partition("@")
    market_id = symbol.upper()
    tape = session.exchange.tape(market_id)
    if not at or tape is None:
        return
    # On /stream each message is wrapped in the name of its stream; on /ws it stands alone.
    combined = session.path.rstrip("/") == "/stream"
    note = (market_id, f'{{"stream":"{name}","data":' if combined else "", "}" * combined)
    subscribe = partial(session.subscribe, name, tape=tape, note=note)
    if stream == "trade":
        subscribe(channel="trades")
    elif stream == "aggTrade":
        subscribe(channel="aggregates")
    elif stream.removeprefix("kline_") in TIMEFRAMES:
        subscribe(channel="candles", timeframe=stream.removeprefix("kline_"))
