"""When a market begins, and how that is known.

What an exchange says about a listing date is missing or wrong too often, and the first row in the
store says nothing about earlier ones. So the exchange is asked for daily bars from the wanted start
on, and the question is kept with the answer.
"""

from __future__ import annotations

from flightstore_ingest.ccxt_source.candles import CandleHistory
from flightstore_ingest.ccxt_source.exchange import Exchange
from flightstore_ingest.source import CANDLES, Listing, Series
from flightstore_proto.timeframe import DAY_NS
from flightstore_proto.timerange import format_ns


async def listed(
    exchange: Exchange, history: CandleHistory, series: Series, wanted: int
) -> Listing | None:
    """The day of the first bar after `wanted` ns; None if the market is older, or cannot be asked.

    Nothing at all up to now is no proof of anything, and answered by None as well.
    """
    known = exchange.api.timeframes or {}
    if not exchange.can("fetchOHLCV") or "1d" not in known:
        return None
    short = series.timeframe or ("1m" if "1m" in known else "1d")
    if not await history.reaches_back(Series(CANDLES, series.instrument, short)):
        return None
    now = exchange.clock.now()
    first = await history.first_day(Series(CANDLES, series.instrument, "1d"), wanted, now)
    if first is None or first <= wanted - wanted % DAY_NS:
        return None
    asked = f"{exchange.name} fetch_ohlcv({series.symbol}, 1d, since={format_ns(wanted)})"
    return Listing(first, f"{asked}: the first bar is of {format_ns(first)[:10]}")
