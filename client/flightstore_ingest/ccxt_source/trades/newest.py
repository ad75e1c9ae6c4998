"""Where only the newest trades can be had (Bybit, KuCoin): one page, and what it proves.

A page proves the time it spans. If it reaches back to what is stored, nothing is missing in
between; otherwise the gap stays, and is shown as one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from flightstore_ingest.ccxt_source.trades.asking import MS, Trade, TradeQuery, ns
from flightstore_ingest.errors import Beyond
from flightstore_ingest.source import Anchor, Page
from flightstore_proto.timerange import format_ns


async def newest_page(
    query: TradeQuery, start: int, end: int, anchor: Anchor | None
) -> AsyncGenerator[Page, None]:
    """The part of [start, end) ns that the newest page proves; then Beyond for the rest."""
    trades = await query.ask()
    if not trades:
        yield query.page([], start, end)
        return
    low = proved_from(trades, start)
    if low < end:
        yield Page(query.table(trades, start, end), (low, end))
    if low > start:
        raise Beyond(
            f"{query.exchange.name} gives only its newest {len(trades)} trades of "
            f"{query.series.symbol}: {format_ns(start)} to {format_ns(min(low, end))} cannot be "
            "fetched any more."
        )


def proved_from(trades: Sequence[Trade], start: int) -> int:
    """The ns from which on the newest page is complete: more may share its oldest time."""
    return max(ns(trades[0]) + MS, start)
