"""What the words of a command line mean."""

from __future__ import annotations

from typing import Any

import pytest

from flightstore_ingest.cli.asked import Asked, config_file
from flightstore_ingest.config import Config
from flightstore_proto.errors import BadRange, BadRequest, BadTimeframe


def asked(*words: str, **options: Any) -> Config:
    given: dict[str, Any] = {
        "timeframes": [],
        "trades": False,
        "since": "-30d",
        "symbols": [],
        "urls": [],
        "options": [],
        "config": [],
        "concurrency": 4,
        "speed": 1.0,
    }
    return Asked(words, **(given | options)).configuration()


def wanted(config: Config) -> dict[str, tuple[str, ...]]:
    return {name: section.keep[0].symbols for name, section in config.exchange.items()}


def test_words_without_a_slash_are_exchanges_and_those_with_one_symbols_of_each():
    expected = {"binance": ("BTC/USDT", "ETH/USDT"), "kraken": ("BTC/USDT", "ETH/USDT")}
    assert wanted(asked("binance", "kraken", "BTC/USDT", "ETH/USDT")) == expected
    assert wanted(asked("binance,kraken", "BTC/USDT,ETH/USDT")) == expected


def test_a_symbol_after_a_colon_is_of_that_exchange_alone():
    found = wanted(asked("kraken:BTC/USD", "binance:ETH/USDT", "SOL/USDT"))
    assert found == {"kraken": ("BTC/USD", "SOL/USDT"), "binance": ("ETH/USDT", "SOL/USDT")}


def test_a_derivative_is_a_symbol_with_and_without_its_exchange():
    assert wanted(asked("okx", "BTC/USDT:USDT")) == {"okx": ("BTC/USDT:USDT",)}
    assert wanted(asked("okx:BTC/USDT:USDT")) == {"okx": ("BTC/USDT:USDT",)}


def test_patterns_join_the_symbols():
    found = wanted(asked("binance", "BTC/EUR", symbols=["*/USDT"]))
    assert found == {"binance": ("BTC/EUR", "*/USDT")}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [("candles", "1m")]),
        ({"trades": True}, [("trades", "")]),
        ({"timeframes": ["1h", "1d"]}, [("candles", "1h"), ("candles", "1d")]),
        ({"timeframes": ["1m"], "trades": True}, [("candles", "1m"), ("trades", "")]),
    ],
)
def test_minute_bars_are_meant_unless_something_else_is_said(given, expected):
    keep = asked("binance", "BTC/USDT", **given).exchange["binance"].keep[0]
    assert list(keep.datasets()) == expected


def test_settings_are_json_or_text_under_dotted_keys():
    section = asked(
        "binance",
        "BTC/USDT",
        options=['fetchMarkets.types=["spot"]', "defaultType=spot", "adjust=true"],
        config=["timeout=5000"],
    ).exchange["binance"]
    assert section.options == {
        "fetchMarkets": {"types": ["spot"]},
        "defaultType": "spot",
        "adjust": True,
    }
    assert section.config == {"timeout": 5000}


def test_an_address_is_of_the_only_exchange_or_of_the_one_it_names():
    one = asked("binance", "BTC/USDT", urls=["http://127.0.0.1:9000/x?a=b"])
    assert one.exchange["binance"].url == "http://127.0.0.1:9000/x?a=b"
    two = asked("binance", "kraken", "BTC/USDT", urls=["kraken=http://127.0.0.1:9001"])
    assert [s.url for s in two.exchange.values()] == ["", "http://127.0.0.1:9001"]


@pytest.mark.parametrize(
    ("words", "options", "sentence"),
    [
        ([], {}, "Say which exchange"),
        (["BTC/USDT"], {}, "Say which exchange"),
        (["binance"], {}, "Say which symbols of binance"),
        (["kraken", "binance:BTC/USDT"], {}, "Say which symbols of kraken"),
        (["binance", "BTCUSDT"], {}, "'BTCUSDT' is no exchange"),
        (["binance", "A/B"], {"options": ["x"]}, "--option 'x' is not key=value"),
        (["binance", "A/B"], {"options": ["x=1", "x.y=2"]}, "x has another value already"),
        (["binance", "okx", "A/B"], {"urls": ["http://h"]}, "--url binance=http://h"),
        (["binance", "A/B"], {"urls": ["okx=http://h"]}, "'okx' is none of binance"),
        (["binance", "A/B"], {"urls": ["127.0.0.1:9000"]}, "begins with http"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_sentence(words, options, sentence):
    with pytest.raises(BadRequest, match=sentence):
        asked(*words, **options)


def test_times_and_timeframes_are_checked_before_anything_is_asked():
    with pytest.raises(BadRange, match="yesterday"):
        asked("binance", "BTC/USDT", since="yesterday")
    with pytest.raises(BadTimeframe, match="7x"):
        asked("binance", "BTC/USDT", timeframes=["7x"])


def test_one_word_that_ends_in_toml_is_a_file():
    assert str(config_file(["config/ingest.toml"])) == "config/ingest.toml"
    assert config_file(["binance", "x.toml"]) is None
    assert config_file(["binance"]) is None
