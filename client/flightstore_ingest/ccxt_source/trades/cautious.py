"""Trades of an exchange that nobody has looked at closely: by time, but only if that is proved.

Many exchanges take `since` and ignore it, and ccxt then leaves out what is too old, so that the
newest page looks like an answer. One that is honest goes further back than the newest page, and was
cut at its new end.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from flightstore_ingest.ccxt_source.trades.asking import Trade, TradeQuery, ns
from flightstore_ingest.ccxt_source.trades.by_time import pages_by_time, trades_since
from flightstore_ingest.ccxt_source.trades.newest import newest_page, proved_from
from flightstore_ingest.errors import Garbage, Refused
from flightstore_ingest.source import Anchor, Page


async def pages_with_caution(
    query: TradeQuery, start: int, end: int, anchor: Anchor | None
) -> AsyncGenerator[Page, None]:
    """Trades in [start, end) ns, as far as they can be had for certain; then Beyond."""
    newest = await query.ask()
    near = not newest or proved_from(newest, start) == start
    by_time = not near and await _honours_since(query, newest, start, end)
    pages = (pages_by_time if by_time else newest_page)(query, start, end, anchor)
    async with aclosing(pages):
        async for page in pages:
            yield page


async def _honours_since(query: TradeQuery, newest: Sequence[Trade], start: int, end: int) -> bool:
    """Whether trades since `start` ns are the oldest ones from there on."""
    try:
        trades = await trades_since(query, start, end)
    except (Refused, Garbage):
        return False  # MEXC and others want an end as well; or it sent what was not asked for
    if not trades or ns(trades[0]) >= ns(newest[0]):
        return False
    return ns(trades[-1]) < ns(newest[-1])
