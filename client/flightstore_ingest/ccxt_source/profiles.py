"""What ccxt does not unify, per exchange: found in the exchanges' own documentation, in ccxt's code
and by asking.

An exchange without a profile of its own runs on the cautious one: it is paged by time, every page
is checked for progress, and what cannot be done correctly is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from flightstore_proto.errors import ConfigError
from flightstore_proto.metadata import FLAT, OMITTED

# How an exchange's history of trades is reached:
#   id       forward from an id (Binance)
#   before   backward from an id: newest first (OKX, Coinbase)
#   cursor   forward by a cursor that each answer ends with (Kraken)
#   time     forward by time, the last instant of a page being asked for again (Bitfinex)
#   back     backward by time: windows that are answered from their newest end (Coinbase Advanced)
#   newest   only the newest trades can be had (Bybit, KuCoin)
#   cautious by time, if it can be proved that `since` is honoured; otherwise the newest
#   none     not public trades at all
TradePaging = Literal["id", "before", "cursor", "time", "back", "newest", "cautious", "none"]

# Every exchange that states a limit allows at least this many candles.
CANDLE_PAGE_UNKNOWN = 100


@dataclass(frozen=True, slots=True)
class Profile:
    """How to read one exchange correctly. Pages are rows; times are in the unit said."""

    # The most candles that may be asked for; None: what ccxt knows of the exchange.
    candle_page: int | None = None
    # "window": any range by `since`; "newest": the newest page whatever is asked; "cautious": any
    # range, if it can be proved that `since` is honoured, and otherwise the newest page.
    candle_paging: Literal["window", "newest", "cautious"] = "cautious"
    # Whether `until` (inclusive, ms) may be sent with candles; where not, since + limit do.
    candle_until: bool = False
    # How many of the newest bars have an endpoint of their own, chosen by the parameter `type`.
    candle_recent: int | None = None
    quiet_bars: str = OMITTED
    # What the candles of derivatives count in ccxt; those of spot markets count the base currency.
    derivative_volume: Literal["", "base", "contracts"] = ""
    trade_paging: TradePaging = "cautious"
    trade_page: int = 100
    trade_params: dict[str, Any] = field(default_factory=dict)
    # Whether `until` (inclusive, ms) may be sent with trades.
    trade_until: bool = False
    # For how many days trades are kept; None: for ever.
    trade_days: int | None = None
    # Whether trades that are paged by id can be found by time as well.
    trade_by_time: bool = True
    # Whether this way of asking knows no derivatives.
    trades_spot_only: bool = False
    # Whether each trade's id is the one before plus one, so that a stream shows its own losses.
    contiguous_ids: bool = False
    # Digits of a second that REST and websocket agree on; ccxt's own are three.
    trade_digits: int = 3
    watch_trade_params: dict[str, Any] = field(default_factory=dict)
    # Whether the websocket's candles count volume as REST's do, for derivatives.
    watch_candles_spot_only: bool = False
    # Whether ccxt confuses the candles of two timeframes of one market: the second is polled.
    watch_one_timeframe: bool = False
    # Whether JSON numbers have more digits than a double holds: they are read as text then.
    exact_numbers: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    # The weight per minute the exchange's header counts up to; None: no such header.
    weight_limit: int | None = None
    own: bool = True  # False: the cautious one


_CAUTIOUS = Profile(own=False)

_PROFILES = {
    # Aggregate trades: their history needs no key, and the stream `aggTrade` has the same ids,
    # while the stream ccxt takes by default numbers single trades.
    # https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints
    "binance": Profile(
        candle_page=1000,
        candle_paging="window",
        candle_until=True,
        quiet_bars=FLAT,
        trade_paging="id",
        trade_page=1000,
        contiguous_ids=True,
        watch_trade_params={"name": "aggTrade"},
        derivative_volume="base",
        watch_candles_spot_only=True,  # inverse: coins over REST, contracts on the stream
        weight_limit=6000,
    ),
    # https://bybit-exchange.github.io/docs/v5/market/recent-trade
    "bybit": Profile(
        derivative_volume="base",
        candle_page=1000,
        candle_paging="window",
        candle_until=True,
        quiet_bars=FLAT,
        trade_paging="newest",
        trade_page=60,
    ),
    # https://www.okx.com/docs-v5/en/#public-data-rest-api
    "okx": Profile(
        derivative_volume="base",
        candle_page=100,
        candle_paging="window",
        candle_recent=1439,
        quiet_bars=FLAT,
        trade_paging="before",
        trade_page=100,
        trade_params={"method": "publicGetMarketHistoryTrades"},
        trade_days=90,
    ),
    # https://docs.kraken.com/api/docs/rest-api/get-ohlc-data: the newest 720, whatever `since`.
    "kraken": Profile(
        candle_paging="newest",
        trade_paging="cursor",
        trade_page=1000,
        contiguous_ids=True,
        trade_digits=6,
        watch_one_timeframe=True,
        exact_numbers=True,  # times of trades: seconds with seven decimals
    ),
    # https://docs.cdp.coinbase.com/api-reference/advanced-trade-api
    "coinbase": Profile(
        candle_page=299,
        candle_paging="window",
        trade_paging="back",
        trade_page=1000,
        trade_digits=6,
    ),
    "coinbaseexchange": Profile(
        candle_page=300,
        candle_paging="window",
        trade_paging="before",
        trade_page=1000,
        contiguous_ids=True,
        trade_digits=6,
    ),
    # https://docs.bitfinex.com/reference/rest-public-candles
    "bitfinex": Profile(
        candle_page=10_000,
        candle_paging="window",
        candle_until=True,
        trade_paging="time",
        trade_page=10_000,
        trade_until=True,
    ),
    # https://www.kucoin.com/docs-new/rest/spot-trading/market-data/get-trade-history
    "kucoin": Profile(
        candle_page=1500, candle_paging="window", trade_paging="newest", trade_page=100
    ),
    # What ccxt calls public trades are the caller's own fills.
    "hyperliquid": Profile(candle_paging="newest", trade_paging="none", trade_page=0),
}


# Exchanges that speak as Binance does. What they do not promise is not assumed: the ids of futures
# leave out trades of the insurance fund.
_BINANCE = _PROFILES["binance"]
_PROFILES |= {
    # https://docs.binance.us/#limits
    "binanceus": replace(_BINANCE, weight_limit=1200),
    # https://developers.binance.com/docs/derivatives/usds-margined-futures/general-info
    "binanceusdm": replace(_BINANCE, contiguous_ids=False, weight_limit=2400),
    # https://developers.binance.com/docs/derivatives/coin-margined-futures/general-info
    "binancecoinm": replace(_BINANCE, contiguous_ids=False, weight_limit=2400),
}

# Binance's single trades instead of its aggregates: several times as many, with ids that only
# `historicalTrades` knows, which wants an API key and no time.
_SINGLE: dict[str, dict[str, Any]] = {
    "binance": {
        "trade_params": {"fetchTradesMethod": "publicGetHistoricalTrades"},
        "trade_by_time": False,
        "trades_spot_only": True,
        "watch_trade_params": {"name": "trade"},
    }
}


def profile_of(exchange: str, trades: str = "") -> Profile:
    """The profile of a ccxt exchange id.

    trades  "single" for every trade where the exchange would rather send aggregates

    Raises ConfigError where there is no such choice.
    """
    profile = _PROFILES.get(exchange, _CAUTIOUS)
    if trades != "single":
        return profile
    if exchange not in _SINGLE:
        raise ConfigError(
            f'{exchange} has one kind of trades only: leave out trades = "single" '
            f"(it is for {', '.join(_SINGLE)})."
        )
    return replace(profile, **_SINGLE[exchange])


def candle_page(profile: Profile, features: Mapping[str, Any] | None, derivative: bool) -> int:
    """How many candles may be asked for at once, by `profile` or by ccxt's `features`."""
    if profile.candle_page is not None:
        return profile.candle_page
    kinds = ("swap", "future") if derivative else ("spot",)
    stated = [limit for kind in kinds for limit in _limits((features or {}).get(kind))]
    return min(stated, default=CANDLE_PAGE_UNKNOWN)


def _limits(feature: Any) -> Iterator[int]:
    """Page sizes of candles in a part of ccxt's features, which may be split by settlement."""
    if not isinstance(feature, Mapping):
        return
    candles = feature.get("fetchOHLCV")
    if isinstance(candles, Mapping):
        if candles.get("limit"):
            yield int(candles["limit"])
        return
    for part in ("linear", "inverse"):
        yield from _limits(feature.get(part))
