"""Symbols and globs to instruments."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from flightstore_ingest.ccxt_source.markets import describe, find, market_types
from flightstore_ingest.ccxt_source.profiles import profile_of
from flightstore_ingest.errors import Ended, Refused
from flightstore_ingest.source import CANDLES, TRADES
from flightstore_proto import metadata as keys


def market(symbol: str, active: bool | None = True, **more: Any) -> dict[str, Any]:
    native = symbol.replace("/", "")
    return {"symbol": symbol, "id": native, "active": active, "type": "spot", **more}


SWAP = {"type": "swap", "contract": True}
MARKETS = {
    m["symbol"]: m
    for m in (
        market("BTC/USDT"),
        market("ETH/USDT"),
        market("LUNA/USDT", active=False),
        market("NEW/USDT", active=None),
        market("BTC/EUR"),
        market("BTC/USDT:USDT", **SWAP),
        market("BTC/USD:BTC", **SWAP, inverse=True),
    )
}


def exchange(name: str = "binance", **has: Any) -> Any:
    able = {"fetchOHLCV": True, "fetchTrades": True} | has
    return SimpleNamespace(
        name=name,
        profile=profile_of(name),
        can=lambda method: able.get(method) is True,
        api=SimpleNamespace(
            markets=MARKETS, timeframes=dict.fromkeys(["1m", "1h", "1d", "1w", "1M"]), has=able
        ),
    )


def found(
    *patterns: str, dataset: str = CANDLES, timeframe: str = "1m", of: Any = None
) -> list[str]:
    return [each.instrument for each in find(of or exchange(), patterns, dataset, timeframe)]


def test_a_glob_takes_active_markets_only() -> None:
    assert found("*/USDT") == ["binance:BTC/USDT", "binance:ETH/USDT", "binance:NEW/USDT"]


def test_a_market_that_is_named_is_taken_though_it_is_inactive() -> None:
    assert found("LUNA/USDT") == ["binance:LUNA/USDT"]


def test_a_glob_means_derivatives_only_if_it_says_so() -> None:
    assert found("BTC/*") == ["binance:BTC/EUR", "binance:BTC/USDT"]
    assert found("BTC/*:*") == ["binance:BTC/USD:BTC", "binance:BTC/USDT:USDT"]


def test_a_symbol_with_a_colon_is_an_instrument_of_its_own() -> None:
    assert found("BTC/USDT:USDT") == ["binance:BTC/USDT:USDT"]


def test_a_symbol_that_is_not_there_is_named_with_near_ones() -> None:
    with pytest.raises(Ended, match=r"'BTC/UDST'.*BTC/USDT"):
        found("BTC/UDST")


def test_a_glob_that_matches_nothing_is_refused_by_name() -> None:
    with pytest.raises(Refused, match=r"'\*/JPY'"):
        found("*/JPY")


@pytest.mark.parametrize("timeframe", ["7m", "90m", ""])
def test_a_timeframe_the_exchange_does_not_have_is_refused_by_name(timeframe: str) -> None:
    """ccxt would send it on, and the exchange answer with something else."""
    with pytest.raises(Refused, match=f"no candles of '{timeframe}'.*1m, 1h"):
        found("BTC/USDT", timeframe=timeframe)


@pytest.mark.parametrize("timeframe", ["1w", "1M"])
def test_weeks_and_months_are_refused_by_name_with_what_to_do_instead(timeframe: str) -> None:
    with pytest.raises(Refused, match=f"{timeframe}.*resample"):
        found("BTC/USDT", timeframe=timeframe)


@pytest.mark.parametrize("value", ["emulated", None, False])
def test_candles_that_ccxt_would_make_up_are_refused(value: Any) -> None:
    with pytest.raises(Refused, match="keep its trades"):
        found("BTC/USDT", of=exchange(fetchOHLCV=value))


def test_trades_are_found_where_they_are_only_streamed() -> None:
    of = exchange(fetchTrades=False, watchTrades=True)
    assert found("BTC/USDT", dataset=TRADES, timeframe="", of=of) == ["binance:BTC/USDT"]


def test_the_kind_of_market_and_its_own_name_are_kept() -> None:
    texts = describe(exchange(), MARKETS["BTC/USDT:USDT"], CANDLES)
    assert texts[keys.MARKET_TYPE] == "swap"
    assert texts[keys.NATIVE_ID] == "BTCUSDT:USDT"
    assert texts[keys.SOURCE] == "ccxt/binance"


def test_the_unit_of_volume_is_said_where_it_is_known_and_only_there() -> None:
    """ccxt gives coins for inverse contracts of Binance; for others it may be contracts."""
    spot, swap = MARKETS["BTC/USDT"], MARKETS["BTC/USD:BTC"]
    assert describe(exchange("binance"), spot, CANDLES)[keys.VOLUME_UNIT] == "base"
    assert describe(exchange("binance"), swap, CANDLES)[keys.VOLUME_UNIT] == "base"
    assert describe(exchange("gate"), spot, CANDLES)[keys.VOLUME_UNIT] == "base"
    assert keys.VOLUME_UNIT not in describe(exchange("gate"), swap, CANDLES)


@pytest.mark.parametrize(
    ("contract", "unit"),
    [
        ({"linear": True, "contractSize": 1.0}, "base"),
        ({"linear": True, "contractSize": 0.01}, "contracts"),
        ({"inverse": True, "contractSize": 1.0}, "contracts"),
    ],
)
def test_trades_of_derivatives_are_counted_in_contracts_unless_one_is_a_coin(
    contract: dict[str, Any], unit: str
) -> None:
    swap = market("BTC/USDT:USDT", **SWAP, **contract)
    assert describe(exchange(), swap, TRADES)[keys.VOLUME_UNIT] == unit


def test_single_trades_of_a_derivative_are_refused_by_name() -> None:
    single = exchange()
    single.profile = profile_of("binance", "single")
    assert found("BTC/USDT", dataset=TRADES, timeframe="", of=single) == ["binance:BTC/USDT"]
    with pytest.raises(Refused, match='BTC/USDT:USDT needs trades = "aggregate"'):
        found("BTC/USDT:USDT", dataset=TRADES, timeframe="", of=single)


@pytest.mark.parametrize(
    ("patterns", "types"),
    [
        (["BTC/USDT"], ("spot",)),
        (["*/USDT"], ("spot",)),
        (["BTC/USDT:USDT"], ("linear",)),
        (["BTC/USDT:USDT-240628"], ("linear",)),
        (["BTC/USD:BTC"], ("inverse",)),
        (["*:USDT"], ("linear", "inverse")),
        (["BTC/USD:BTC", "ETH/USDT"], ("spot", "inverse")),
    ],
)
def test_only_the_kinds_of_market_that_are_meant_are_loaded(
    patterns: list[str], types: tuple[str, ...]
) -> None:
    """One kind's endpoint that fails would otherwise stop all others."""
    assert market_types(patterns) == types
