"""Symbols and globs to instruments, with what is worth knowing about each market."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import translate
from re import compile as compiled
from typing import Any

from flightstore_ingest.ccxt_source.exchange import Exchange
from flightstore_ingest.errors import Ended, Refused
from flightstore_ingest.source import CANDLES, TRADES, Found
from flightstore_proto import metadata as keys
from flightstore_proto import timeframe as timeframes
from flightstore_proto.errors import did_you_mean, near

# Longer bars are better resampled: exchanges disagree on where a week or a month begins.
LONGEST_NS = 86_400_000_000_000
_TYPES = ("spot", "linear", "inverse")


def market_types(patterns: Sequence[str]) -> tuple[str, ...]:
    """Which kinds of market `patterns` can mean, so that no others need to be loaded."""
    types = {kind for pattern in patterns for kind in _types(pattern)}
    return tuple(kind for kind in _TYPES if kind in types)


def _types(pattern: str) -> Sequence[str]:
    """Derivatives are settled in what they are quoted in (linear) or in their base (inverse)."""
    pair, derivative, settled = pattern.partition(":")
    if not derivative:
        return ("spot",)
    base, _, quote = pair.partition("/")
    settle = settled.partition("-")[0]  # a date of delivery may follow
    if "*" in pattern or "?" in pattern or base == quote:
        return ("linear", "inverse")
    return ("inverse",) if settle == base else ("linear",) if settle == quote else _TYPES[1:]


def find(exchange: Exchange, patterns: Sequence[str], dataset: str, timeframe: str) -> list[Found]:
    """The instruments of `exchange` that match. A glob means active markets only.

    Raises Refused for a symbol, timeframe or dataset the exchange does not have.
    """
    _check_dataset(exchange, dataset, timeframe)
    markets: Mapping[str, Any] = exchange.api.markets
    chosen: dict[str, Any] = {}
    for pattern in patterns:
        if "*" in pattern or "?" in pattern:
            chosen |= _matching(exchange, markets, pattern)
        else:
            chosen[pattern] = _named(exchange, markets, pattern)
    if dataset == TRADES and exchange.profile.trades_spot_only:
        _check_spot(exchange, chosen)
    return [
        Found(f"{exchange.name}:{symbol}", describe(exchange, market, dataset))
        for symbol, market in sorted(chosen.items())
    ]


def describe(exchange: Exchange, market: Mapping[str, Any], dataset: str) -> dict[str, str]:
    """Texts to keep with a market's series."""
    texts = {
        keys.SOURCE: f"ccxt/{exchange.name}",
        keys.MARKET_TYPE: str(market.get("type") or "spot"),
        keys.NATIVE_ID: str(market.get("id") or ""),
    }
    unit = _volume_unit(exchange, market, dataset)
    if unit:  # what is not known is not said
        texts[keys.VOLUME_UNIT] = unit
    if dataset == CANDLES:
        texts[keys.QUIET_BARS] = exchange.profile.quiet_bars
    return texts


def _volume_unit(exchange: Exchange, market: Mapping[str, Any], dataset: str) -> str | None:
    if not market.get("contract"):
        return "base"
    if dataset == CANDLES:
        return exchange.profile.derivative_volume
    # ccxt gives amounts of derivatives in contracts; a linear one of size 1 is a unit of the base.
    return "base" if market.get("linear") and market.get("contractSize") == 1 else "contracts"


def _check_spot(exchange: Exchange, symbols: Iterable[str]) -> None:
    for symbol in symbols:
        if ":" in symbol:
            raise Refused(
                f"{exchange.name} has single trades of spot markets only: "
                f'{symbol} needs trades = "aggregate".'
            )


def _check_dataset(exchange: Exchange, dataset: str, timeframe: str) -> None:
    if dataset == TRADES:
        if not (exchange.can("fetchTrades") or exchange.can("watchTrades")):
            raise Refused(f"{exchange.name} has no public trades.")
        return
    if dataset != CANDLES:
        raise Refused(f"{exchange.name} has candles and trades, and no dataset {dataset!r}.")
    if not exchange.can("fetchOHLCV"):
        raise Refused(f"{exchange.name} has no candles of its own: keep its trades instead.")
    known = exchange.api.timeframes or {}
    if timeframe not in known:
        suggestions = near(timeframe, known)
        raise Refused(
            f"{exchange.name} has no candles of {timeframe!r}; it has {', '.join(known)}."
            f"{did_you_mean(suggestions)}"
        )
    step = timeframes.parse(timeframe).step_ns
    if not 0 < step <= LONGEST_NS:
        raise Refused(
            f"Candles of {timeframe} are not fetched, since exchanges disagree on where they "
            "begin: fetch 1d or 1m and resample."
        )


def _matching(exchange: Exchange, markets: Mapping[str, Any], pattern: str) -> dict[str, Any]:
    match = compiled(translate(pattern)).fullmatch
    found = {
        symbol: market
        for symbol, market in markets.items()
        if match(symbol)
        and market.get("active") is not False
        and (":" in pattern) == (":" in symbol)
    }
    if not found:
        raise Refused(f"{exchange.name} has no active market that matches {pattern!r}.")
    return found


def _named(exchange: Exchange, markets: Mapping[str, Any], symbol: str) -> Any:
    if symbol in markets:
        return markets[symbol]
    suggestions = near(symbol, markets)
    raise Ended(f"{exchange.name} has no market {symbol!r} (any more).{did_you_mean(suggestions)}")
