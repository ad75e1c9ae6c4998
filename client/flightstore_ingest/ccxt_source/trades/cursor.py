"""Trades forward by a cursor of nanoseconds that each answer ends with (Kraken).

ccxt sends whole seconds and hands the cursor over as the last field of the last trade; used as it
is, pages neither overlap nor leave anything out.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from flightstore_ingest.ccxt_source.trades.asking import MS, Trade, TradeQuery, ns
from flightstore_ingest.source import Anchor, Page

# A cursor is a time in ns; anything shorter is a trade's id.
_CURSOR_DIGITS = 19
US = 1_000


async def pages_by_cursor(
    query: TradeQuery, start: int, end: int, anchor: Anchor | None
) -> AsyncGenerator[Page, None]:
    """Trades in [start, end) ns, oldest first."""
    cursor, low = start - 1, start  # trades *after* the cursor are sent
    while low < end:
        trades = await query.ask(params={"since": str(cursor)})
        if not trades:
            yield query.page([], low, end)
            return
        following = _cursor(query, trades)
        if ns(trades[0]) <= cursor - MS or following <= cursor:
            raise query.garbage(f"trades from before {cursor}, after which they were asked for")
        # Stored times are microseconds: a trade in the cursor's own may be on the next page.
        high = min(max(following // US * US, low), end)
        yield Page(query.table(trades, start, end), (low, high) if low < high else None)
        # Pages differ in length, so that a short one proves no end: nothing after it does.
        cursor, low = following, high


def _cursor(query: TradeQuery, trades: Sequence[Trade]) -> int:
    # ccxt adds it to what was the last row of the answer.
    for trade in trades:
        info = trade.get("info")
        last = str(info[-1]) if isinstance(info, list) and info else ""
        if last.isdigit() and len(last) >= _CURSOR_DIGITS:
            return int(last)
    raise query.garbage("trades without a cursor")
