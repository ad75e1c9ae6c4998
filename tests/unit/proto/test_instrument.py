"""Names of instruments, and patterns over them."""

from __future__ import annotations

import unicodedata
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightstore_proto import instrument as instruments
from flightstore_proto.errors import BadInstrument

PARTS = st.text(alphabet="AB/:*?x.", min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("name", "exchange", "symbol"),
    [
        ("binance:BTC/USDT", "binance", "BTC/USDT"),
        ("binance:BTC/USDT:USDT", "binance", "BTC/USDT:USDT"),
        ("okx:BTC/USD:BTC-240329-50000-C", "okx", "BTC/USD:BTC-240329-50000-C"),
        ("my.lab_2:é", "my.lab_2", "é"),
        ("x:a b", "x", "a b"),
        ("x:..", "x", ".."),
        ("x:../../etc/passwd", "x", "../../etc/passwd"),
        ("x:币安人生/USDT", "x", "币安人生/USDT"),
    ],
)
def test_a_name_is_split_at_the_first_colon(name: str, exchange: str, symbol: str) -> None:
    assert instruments.parse(name) == instruments.Instrument(exchange, symbol)
    assert str(instruments.parse(name)) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "BTC/USDT",
        ":BTC",
        "binance:",
        "a/b:X",
        "../x:Y",
        ".:X",
        "a b:X",
        "é:X",
        "x" * 65 + ":Y",
        "x:a\x00b",
        "x:a\nb",
        "x:a\u200bb",
        "x:a\u202eb",
        "x: a",
        "x:a ",
        "x:a\xa0b",
        "x:\ud800",
        "x:" + unicodedata.normalize("NFD", "é"),
        "x:" + "y" * 129,
        "x:" + "币" * 30,
        "x:a*",
        "x:?",
    ],
    ids=ascii,
)
def test_what_cannot_name_an_instrument_is_refused(name: str) -> None:
    with pytest.raises(BadInstrument):
        instruments.parse(name)


@given(st.text(max_size=300))
def test_any_text_is_an_instrument_or_refused_in_a_short_sentence(text: str) -> None:
    try:
        parsed = instruments.parse(text)
    except BadInstrument as error:
        assert len(error.message) < 400
        return
    assert parsed.symbol.isprintable()
    assert str(parsed) == text


@given(PARTS, PARTS)
def test_a_pattern_in_the_symbol_matches_as_shells_do(wanted: str, symbol: str) -> None:
    matched = instruments.pattern(f"x:{wanted}").fullmatch(f"x:{symbol}") is not None
    assert matched == fnmatchcase(symbol, wanted)


def test_a_star_in_the_exchange_does_not_run_across_the_colon() -> None:
    pattern = instruments.pattern("*:BTC/USDT")
    assert pattern.fullmatch("binance:BTC/USDT")
    assert not pattern.fullmatch("binance:X:BTC/USDT")


def test_a_star_in_the_symbol_runs_across_further_colons() -> None:
    assert instruments.pattern("binance:*USDT").fullmatch("binance:BTC/USDT:USDT")


def test_a_star_alone_is_every_instrument() -> None:
    assert instruments.pattern("*").fullmatch("anything:AT/ALL:WHATEVER")


def test_case_counts() -> None:
    assert not instruments.pattern("binance:btc*").fullmatch("binance:BTC/USDT")


def test_a_pattern_of_many_stars_is_quick() -> None:
    pattern = instruments.pattern("x:" + "*" * 60 + "a" + "*" * 60 + "b")
    assert not pattern.fullmatch("x:" + "a" * 120)


@pytest.mark.parametrize("name", ["", "BTC*", ":x", "x:", "**", "?"])
def test_a_pattern_without_both_parts_is_refused(name: str) -> None:
    with pytest.raises(BadInstrument):
        instruments.pattern(name)


@pytest.mark.parametrize("name", ["candles", "my_features_2", "a", "a" * 63])
def test_a_dataset_has_a_plain_name(name: str) -> None:
    assert instruments.check_dataset(name) == name


@pytest.mark.parametrize("name", ["", "A", "2a", "a-b", "../a", "a/b", "é", "a" * 64, "a\0", "a\n"])
def test_what_cannot_name_a_dataset_is_refused(name: str) -> None:
    with pytest.raises(BadInstrument):
        instruments.check_dataset(name)
