"""How OKX writes a trade and a candle, on REST and on websockets alike."""

from __future__ import annotations

from flightstore_ingest.simulate.clock import MILLISECOND_NS
from flightstore_ingest.simulate.columns import Bar, Trade
from flightstore_ingest.simulate.tape import Market
from flightstore_ingest.simulate.written import plain

# OKX's spelling -> timeframe. From six hours on those that end in "utc" begin at midnight UTC;
# the ones without it begin at midnight in Hong Kong and are not simulated.
BARS = {
    **{f"{n}m": f"{n}m" for n in (1, 3, 5, 15, 30)},
    **{f"{n}H": f"{n}h" for n in (1, 2, 4)},
    **{f"{n}Hutc": f"{n}h" for n in (6, 12)},
    **{f"{n}Dutc": f"{n}d" for n in (1, 2, 3)},
    "1Wutc": "1w",
}


def price_digits(market: Market) -> int:
    """At most so many stand after the point of a price; after that of an amount, 8."""
    return max(8, market.price_decimals)


def trade_row(trade: Trade, instrument: str, digits: int) -> dict[str, str]:
    return {
        "instId": instrument,
        "tradeId": str(trade.id),
        "px": plain(trade.price, digits),
        "sz": plain(trade.amount, 8),
        "side": "buy" if trade.side > 0 else "sell",
        "ts": str(trade.ts // MILLISECOND_NS),
    }


def candle_row(bar: Bar, closed: bool, digits: int) -> list[str]:
    """[time in ms, open, high, low, close, base volume, quote volume twice, closed or not]."""
    prices = [plain(p, digits) for p in (bar.open, bar.high, bar.low, bar.close)]
    quote = plain(bar.quote, digits)
    time = str(bar.ts // MILLISECOND_NS)
    return [time, *prices, plain(bar.volume, 8), quote, quote, "1" if closed else "0"]
