"""Trades backward by time, from windows answered from their newest end (Coinbase Advanced).

Both ends of a window have to be named, in whole seconds, and an answer says nothing about whether
it was cut: so the window's end moves back to the oldest second of each page, until one of them
brings nothing new.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from flightstore_ingest.ccxt_source.trades.asking import MS, Trade, TradeQuery, ns
from flightstore_ingest.errors import Beyond
from flightstore_ingest.source import Anchor, Page
from flightstore_proto.timeframe import SECOND_NS
from flightstore_proto.timerange import format_ns


async def pages_back_in_time(
    query: TradeQuery, start: int, end: int, anchor: Anchor | None
) -> AsyncGenerator[Page, None]:
    """Trades in [start, end) ns, newest first."""
    since, until, high = start // SECOND_NS * SECOND_NS, _next_second(end), end
    while start < high:
        trades = await _window(query, since, until)
        # Within the oldest second more may have been cut off.
        oldest = _next_second(ns(trades[0]) + 1) if trades else start
        if oldest >= until:
            # All of one second: there is nothing earlier, or the page is too small for it.
            if await _window(query, since, until - 2 * SECOND_NS):
                raise _too_many(query, oldest)
            oldest = start
        low = max(min(oldest, high), start)
        yield Page(query.table(trades, start, end), (low, high) if low < high else None)
        high, until = low, oldest


async def _window(query: TradeQuery, since: int, until: int) -> list[Trade]:
    """The newest trades of [since, until] ns, whole seconds, as many as fit into one answer."""
    if until < since:
        return []
    trades = await query.ask(since // MS, {"until": until // MS})
    if trades and ns(trades[-1]) >= until + SECOND_NS:
        raise query.garbage(f"a trade from after {format_ns(until)}, which was not asked for")
    return trades


def _too_many(query: TradeQuery, at: int) -> Beyond:
    return Beyond(
        f"{query.exchange.name} cannot page its trades of {query.series.symbol} back past "
        f"{format_ns(at)}: the second before has more than fit into one answer."
    )


def _next_second(ts: int) -> int:
    """The first whole second at or after `ts`."""
    return ts + -ts % SECOND_NS
