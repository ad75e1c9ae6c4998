"""Trades forward from an id (Binance).

By time this would lose trades: hundreds share one millisecond, a window with more than a page is
answered with its last page, and a quiet window with nothing. The first id is found, and from there
the ids count.
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
from flightstore_ingest.source import Anchor, Page

# Of windows to look for the first trade in. Binance answers none that is longer than an hour.
_WINDOW_SECONDS = (1, 30, 600, 3_600)
_NOTHING: Sequence[Trade] = ()


async def pages_by_id(
    query: TradeQuery, start: int, end: int, anchor: Anchor | None
) -> AsyncGenerator[Page, None]:
    """Trades in [start, end) ns, oldest first."""
    if anchor is not None and anchor.id.isdigit():
        first: int | None = int(anchor.id) + 1
    else:
        first = await _first_id(query, start - DISORDER_NS, end)
    low, trades = start, _NOTHING
    while first is not None:
        trades = await _from_id(query, first)
        if not trades or ns(trades[-1]) >= end + DISORDER_NS:
            break
        # More trades may share the last one's time, or lie a little before it.
        high = min(max(ns(trades[-1]) - DISORDER_NS, low), end)
        yield Page(query.table(trades, start, end), (low, high) if high > low else None)
        low, first = high, number(trades[-1]) + 1
    if low < end:
        yield Page(query.table(trades, start, end), (low, end))


async def _from_id(query: TradeQuery, first: int) -> Sequence[Trade]:
    trades = query.in_order_of_ids(await query.ask(params={"fromId": first}, beside=first - 1))
    if trades and number(trades[0]) < first:
        raise query.garbage(f"trade {number(trades[0])} where {first} was asked for")
    return trades or await _after(query, first - 1)


async def _after(query: TradeQuery, last: int) -> Sequence[Trade]:
    """The trades after `last`, which the exchange has sent before: a question with an answer.

    That there is nothing after it was said twice, and a cache or a proxy may say anything twice.
    """
    if last < 0:
        return _NOTHING
    found = query.in_order_of_ids(await query.ask(params={"fromId": last}))
    if found and number(found[0]) < last:
        raise query.garbage(f"trade {number(found[0])} where {last} was asked for")
    return [trade for trade in found if number(trade) > last]


async def _first_id(query: TradeQuery, start: int, end: int) -> int | None:
    """The id of the first trade at or after `start`; None if there is none."""
    if query.profile.trade_by_time:
        for seconds in _WINDOW_SECONDS:
            until = min(start + seconds * 1_000_000_000, end)
            found = await query.ask(start // MS, {"until": until // MS - 1})
            if found:
                return await _proved_first(query, query.in_order_of_ids(found), start)
            if until == end:
                return None
    return await _by_halves(query, start)


async def _proved_first(query: TradeQuery, found: Sequence[Trade], start: int) -> int | None:
    """The first of `found`, if the trade before it is from before `start`: a window with more
    trades than a page may have been answered with its last page.
    """
    first = number(found[0])
    before = await query.ask(params={"fromId": max(first - 1, 0)}, limit=1)
    if all(ns(trade) < start for trade in before if number(trade) < first):
        return first
    return await _by_halves(query, start)


async def _by_halves(query: TradeQuery, start: int) -> int | None:
    """The same without asking by time: the ids between the first and the newest are halved."""
    newest = query.in_order_of_ids(await query.ask())
    if not newest or ns(newest[-1]) < start:
        return None
    low, high = -1, number(newest[-1])  # before `start`, if it exists; and not
    for _ in range(HALVINGS_MAX):
        if high - low <= 1:
            break
        middle = (low + high) // 2
        page = await _from_id(query, middle)
        if not page:
            raise query.garbage(f"nothing from trade {middle} on, though there are later ones")
        inside = [number(trade) for trade in page if ns(trade) >= start]
        if inside and inside[0] > number(page[0]):
            return inside[0]
        if inside:
            high = middle
        else:
            low = number(page[-1])
    return high
