"""What is known about exchanges, and what is assumed of those about which nothing is."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from flightstore_ingest.ccxt_source.profiles import candle_page, profile_of


@pytest.mark.parametrize(
    ("name", "spot", "derivative"),
    [("gate", 1000, 1999), ("mexc", 1000, 2000), ("bitget", 200, 200), ("htx", 1000, 2000)],
)
def test_a_page_is_as_long_as_ccxt_says_the_exchange_allows(
    name: str, spot: int, derivative: int
) -> None:
    features = getattr(ccxt, name)().features
    assert candle_page(profile_of(name), features, derivative=False) == spot
    assert candle_page(profile_of(name), features, derivative=True) == derivative


@pytest.mark.parametrize(
    "features",
    [None, {}, {"spot": None}, {"spot": {"fetchOHLCV": None}}, {"spot": {"fetchOHLCV": {}}}],
)
def test_a_page_is_short_where_nothing_is_known(features: Any) -> None:
    assert candle_page(profile_of("nobody"), features, derivative=False) == 100


def test_the_smaller_page_counts_where_kinds_of_derivatives_differ() -> None:
    def limited(rows: int) -> dict[str, Any]:
        return {"fetchOHLCV": {"limit": rows}}

    features = {"swap": {"linear": limited(1500), "inverse": limited(200)}}
    assert candle_page(profile_of("nobody"), features, derivative=True) == 200


def test_an_unknown_exchange_has_to_earn_trust() -> None:
    assert profile_of("nobody").candle_paging == "cautious"
    assert profile_of("nobody").trade_paging == "cautious"


@pytest.mark.parametrize("name", ["binanceus", "binanceusdm", "binancecoinm"])
def test_binances_relatives_page_their_trades_by_id(name: str) -> None:
    assert profile_of(name).trade_paging == "id"
    assert profile_of(name).watch_trade_params == {"name": "aggTrade"}


@pytest.mark.parametrize("name", ["binanceusdm", "binancecoinm"])
def test_ids_of_futures_are_not_taken_for_contiguous(name: str) -> None:
    assert not profile_of(name).contiguous_ids
