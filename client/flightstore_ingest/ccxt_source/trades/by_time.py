"""Trades forward by time, the last instant of each page being asked for again (Bitfinex).

Keys make the overlap harmless, and it is the proof that nothing lies in between: a page that does
not begin with what is known there already is no answer to what was asked.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from flightstore_ingest.ccxt_source.trades.asking import MS, Trade, TradeQuery, ns
from flightstore_ingest.errors import Beyond
from flightstore_ingest.source import Anchor, Page
from flightstore_proto.timerange import format_ns


async def pages_by_time(
    query: TradeQuery, start: int, end: int, anchor: Anchor | None
) -> AsyncGenerator[Page, None]:
    """Trades in [start, end) ns, oldest first."""
    low, known = start, False  # whether there is a trade at `low`
    while True:
        trades = await trades_since(query, low, end)
        if known and (not trades or ns(trades[0]) > low):
            raise query.garbage(f"nothing of {format_ns(low)}, of which it has trades")
        last = ns(trades[-1]) if trades else low
        if not trades:
            break
        if last == low and known:
            # All of one instant: there is nothing later, or the page is too small for it.
            if await trades_since(query, low + MS, end):
                raise _too_many(query, low)
            break
        yield Page(query.table(trades, start, end), (low, last) if low < last else None)
        low, known = last, True
    yield Page(query.table(trades, start, end), (low, end))


async def trades_since(query: TradeQuery, start: int, end: int) -> list[Trade]:
    """Those of [start, end) ns that one answer has, from the oldest on."""
    params = {"until": -(-end // MS) - 1} if query.profile.trade_until else {}
    trades = await query.ask(start // MS, params)
    if trades and ns(trades[0]) < start // MS * MS:
        raise query.garbage(f"a trade from before {format_ns(start)}, which was not asked for")
    return [trade for trade in trades if ns(trade) < end]


def _too_many(query: TradeQuery, at: int) -> Beyond:
    return Beyond(
        f"{query.exchange.name} cannot page its trades of {query.series.symbol} past "
        f"{format_ns(at)}, when there were more than fit into one answer: they can be collected "
        "from now on, but not fetched."
    )
