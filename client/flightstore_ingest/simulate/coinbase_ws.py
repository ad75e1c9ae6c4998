"""Coinbase Exchange's websocket feed, channels matches and heartbeat: what is said to what.

A subscription to matches is answered with each product's last trade, as "last_match", and then
with the list of everything that is subscribed to.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from flightstore_ingest.simulate.columns import Trade
from flightstore_ingest.simulate.tape import Market
from flightstore_ingest.simulate.wire import Session, Subscription
from flightstore_ingest.simulate.written import plain, rfc3339

_CHANNELS = ("matches", "heartbeat")


def maker_side(trade: Trade) -> str:
    """Who waited: a taker that buys meets a maker that sells."""
    return "sell" if trade.side > 0 else "buy"


def price_digits(market: Market) -> int:
    """At most so many stand after the point of a price; after that of an amount, 8."""
    return max(8, market.price_decimals)


def on_message(text: str, session: Session) -> Iterator[str]:
    try:
        message = json.loads(text)
        kind = message.get("type")
        wanted = list(_wanted(message))
    except (ValueError, AttributeError):
        yield _error("Malformed JSON")
        return
    if kind not in ("subscribe", "unsubscribe"):
        yield _error(f"Type has to be either subscribe or unsubscribe, not {kind}")
        return
    refused = [_refused(channel, product, session) for channel, product in wanted]
    reason = next(filter(None, refused), None)
    if reason is not None:
        yield _error("Failed to subscribe", reason)
        return
    for channel, product in wanted:
        if kind == "subscribe":
            yield from _subscribe(channel, product, session)
        else:
            session.unsubscribe(_key(channel, product))
    yield _subscribed(session)


def _wanted(message: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Channel and product. A channel may name its own products besides those of all."""
    common = message.get("product_ids") or []
    for channel in message.get("channels") or []:
        named = channel if isinstance(channel, dict) else {"name": channel}
        for product in dict.fromkeys([*common, *named.get("product_ids", ())]):
            yield str(named.get("name")), str(product)


def _refused(channel: str, product: str, session: Session) -> str | None:
    if channel not in _CHANNELS:
        return f"{channel} is not a valid channel"
    if session.exchange.tape(product) is None:
        return f"{product} is not a valid product"
    return None


def _key(channel: str, product: str) -> str:
    return f"{channel}:{product}"


def _subscribe(channel: str, product: str, session: Session) -> Iterable[str]:
    tape, key = session.exchange.tape(product), _key(channel, product)
    if tape is None or key in session.subscriptions:
        return ()
    kind = "trades" if channel == "matches" else channel
    subscription = session.subscribe(key, kind, tape, note=product)
    last = subscription.position
    if channel != "matches" or last == 0:
        return ()
    return trade_frames("last_match", tape.rows(last - 1, last), subscription)


def _subscribed(session: Session) -> str:
    channels: dict[str, list[str]] = {}
    for key in session.subscriptions:
        channel, _, product = key.partition(":")
        channels.setdefault(channel, []).append(product)
    listed = [{"name": name, "product_ids": products} for name, products in channels.items()]
    return _json({"type": "subscriptions", "channels": listed})


def _error(text: str, reason: str = "") -> str:
    return _json({"type": "error", "message": text, "reason": reason or text})


def trade_frames(kind: str, trades: Sequence[Trade], subscription: Subscription) -> Iterator[str]:
    """A message for each trade. Order ids and `sequence` follow from the trade's id."""
    product, digits = subscription.note, price_digits(subscription.tape.market)
    for trade in trades:
        yield (
            f'{{"type":"{kind}","trade_id":{trade.id},'
            f'"maker_order_id":"{_order_id(2 * trade.id)}",'
            f'"taker_order_id":"{_order_id(2 * trade.id + 1)}","side":"{maker_side(trade)}",'
            f'"size":"{plain(trade.amount, 8)}",'
            f'"price":"{plain(trade.price, digits)}","product_id":"{product}",'
            f'"sequence":{_sequence(trade.id)},"time":"{rfc3339(trade.ts)}"}}'
        )


def _order_id(number: int) -> str:
    return f"{number % 2**32:08x}-5f1e-4c0b-8000-{number % 2**48:012x}"


def _sequence(trade_id: int) -> int:
    """Orders that come and go are counted as well: most numbers are theirs."""
    return 20 * trade_id


def heartbeat_frames(session: Session) -> Iterator[str]:
    x = session.exchange
    for subscription in session.subscriptions.values():
        if subscription.channel == "heartbeat":
            last = subscription.tape.newest(1, now=x.now())
            number = last[0].id if last else 0
            yield _json(
                {
                    "type": "heartbeat",
                    "last_trade_id": number,
                    "product_id": subscription.note,
                    "sequence": _sequence(number),
                    "time": rfc3339(x.told()),
                }
            )


def _json(message: object) -> str:
    return json.dumps(message, separators=(",", ":"))
