"""History of trades: one way of paging per kind of exchange, chosen by its profile.

asking        one request and what came back
by_id         forward from an id
before        backward from an id, newest first
cursor        forward by the cursor that each answer ends with
by_time       forward by time, asking for the last instant again
back_in_time  backward by time, from windows answered from their newest end
newest        where only the newest trades can be had
cautious      by time if that is proved, else the newest
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

from flightstore_ingest.ccxt_source.exchange import Exchange
from flightstore_ingest.ccxt_source.trades.asking import TradeQuery
from flightstore_ingest.ccxt_source.trades.back_in_time import pages_back_in_time
from flightstore_ingest.ccxt_source.trades.before import pages_before
from flightstore_ingest.ccxt_source.trades.by_id import pages_by_id
from flightstore_ingest.ccxt_source.trades.by_time import pages_by_time
from flightstore_ingest.ccxt_source.trades.cautious import pages_with_caution
from flightstore_ingest.ccxt_source.trades.cursor import pages_by_cursor
from flightstore_ingest.ccxt_source.trades.newest import newest_page
from flightstore_ingest.errors import Beyond
from flightstore_ingest.source import Anchor, Page, Series

Pager = Callable[[TradeQuery, int, int, Anchor | None], AsyncGenerator[Page, None]]

_PAGERS: dict[str, Pager] = {
    "id": pages_by_id,
    "before": pages_before,
    "cursor": pages_by_cursor,
    "time": pages_by_time,
    "back": pages_back_in_time,
    "newest": newest_page,
    "cautious": pages_with_caution,
}


def trade_pages(
    exchange: Exchange, series: Series, start: int, end: int, anchor: Anchor | None
) -> AsyncGenerator[Page, None]:
    """Trades in [start, end) ns. Raises Beyond where the exchange has no public history."""
    pager = _PAGERS.get(exchange.profile.trade_paging)
    if pager is None or not exchange.api.has.get("fetchTrades"):
        raise Beyond(f"{exchange.name} gives no public trades of {series.symbol} over REST.")
    return pager(TradeQuery(exchange, series), start, end, anchor)


__all__ = ["trade_pages"]
