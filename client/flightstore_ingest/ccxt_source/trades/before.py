"""Trades backward from an id, newest first (OKX, Coinbase Exchange).

The end of the range is found first, by time where the exchange can do that and by halving the ids
where it cannot; from there the pages go back.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from flightstore_ingest.ccxt_source.trades.asking import (
    DISORDER_NS,
    HALVINGS_MAX,
    MS,
    Trade,
    TradeQuery,
    ns,
    number,
)
from flightstore_ingest.errors import Beyond
from flightstore_ingest.source import Anchor, Page
from flightstore_proto.timeframe import DAY_NS
from flightstore_proto.timerange import format_ns


async def pages_before(
    query: TradeQuery, start: int, end: int, anchor: Anchor | None
) -> AsyncGenerator[Page, None]:
    """Trades in [start, end) ns, newest first."""
    high, trades = end, await _last_page(query, end)
    while trades:
        # What is on the next page may share the oldest time of this one, or lie a little after it.
        low = max(min(ns(trades[0]) + DISORDER_NS, high), start)
        yield Page(query.table(trades, start, end), (low, high) if low < high else None)
        if low == start:
            return
        high = low
        trades = await _before(query, number(trades[0]))
    kept = max(start, _kept_since(query))
    if kept < high:
        yield query.page([], kept, high)
    if start < kept:
        raise Beyond(
            f"{query.exchange.name} keeps trades of {query.series.symbol} for "
            f"{query.profile.trade_days} days: {format_ns(start)} to {format_ns(min(kept, high))} "
            "cannot be fetched any more."
        )


def _kept_since(query: TradeQuery) -> int:
    """The ns before which no trades means nothing: they are not kept for longer."""
    days = query.profile.trade_days
    return 0 if days is None else query.exchange.clock.now() - days * DAY_NS


async def _before(query: TradeQuery, cursor: int) -> Sequence[Trade]:
    """The last page of trades with ids below `cursor`, the oldest first."""
    found = await query.ask(params={"after": str(cursor)}, beside=cursor)
    trades = query.in_order_of_ids(found)
    if trades and number(trades[-1]) >= cursor:
        raise query.garbage(f"trade {number(trades[-1])} where one before {cursor} was asked for")
    return trades


async def _last_page(query: TradeQuery, end: int) -> Sequence[Trade]:
    """A page that contains the last trade before `end`, and those a little later if there are."""
    if query.exchange.name == "okx":
        found = await query.ask(params={"type": "2", "after": str(-(-(end + DISORDER_NS) // MS))})
        return query.in_order_of_ids(found)
    newest = query.in_order_of_ids(await query.ask())
    late = end + DISORDER_NS
    if not newest or ns(newest[0]) < late:
        return newest
    low, high = 0, number(newest[0])  # from before `end`, or not there; and not
    for _ in range(HALVINGS_MAX):
        if high - low <= query.profile.trade_page // 2:
            break
        middle = (low + high) // 2
        page = await _before(query, middle + 1)
        if page and ns(page[-1]) >= late:
            high = middle
        else:
            low = middle
    return await _before(query, high + 1)
