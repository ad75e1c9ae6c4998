"""Kraken's own names: XBT for BTC, and an X or a Z before what it listed first."""

from __future__ import annotations

from flightstore_ingest.simulate.tape import Market

_ALTERNATIVE = {"BTC": "XBT", "DOGE": "XDG"}
_EARLY_COINS = frozenset(
    ("ETC", "ETH", "LTC", "MLN", "REP", "XBT", "XDG", "XLM", "XMR", "XRP", "ZEC")
)
_EARLY_MONEY = frozenset(("AUD", "CAD", "EUR", "GBP", "JPY", "USD"))


def alternative(currency: str) -> str:
    """What Kraken calls the altname of a currency: XBT for BTC, and mostly the usual name."""
    return _ALTERNATIVE.get(currency, currency)


def asset_id(currency: str) -> str:
    """The name of a currency in Kraken's lists: XXBT for BTC, ZUSD for USD, USDT for USDT."""
    name = alternative(currency)
    if name in _EARLY_COINS:
        return f"X{name}"
    return f"Z{name}" if name in _EARLY_MONEY else name


def pair_alternative(market: Market) -> str:
    """The pair's altname, such as XBTUSD."""
    return alternative(market.base) + alternative(market.quote)


def pair_id(market: Market) -> str:
    """The pair's name in Kraken's lists and answers: XXBTZUSD, but XBTUSDT and XDGUSD."""
    if market.id:
        return market.id
    base, quote = alternative(market.base), alternative(market.quote)
    if base in _EARLY_COINS - {"XDG"} and quote in _EARLY_COINS | _EARLY_MONEY:
        return asset_id(market.base) + asset_id(market.quote)
    return base + quote
