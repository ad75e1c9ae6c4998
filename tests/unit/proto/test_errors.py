"""Errors: one code each, near names, and messages that stay short."""

from __future__ import annotations

import pytest

from flightstore_proto import errors


def test_every_code_belongs_to_one_class() -> None:
    classes = [c for c in vars(errors).values() if isinstance(c, type)]
    ours = [c for c in classes if issubclass(c, errors.FlightstoreError)]
    assert sorted(c.code for c in ours) == sorted(errors.BY_CODE)


def test_near_names_ignore_case() -> None:
    assert errors.near("BINANCE:btc/usdt", ["binance:BTC/USDT"]) == ["binance:BTC/USDT"]


def test_a_name_that_is_not_near_is_not_offered() -> None:
    assert errors.near("kraken:ADA/EUR", ["binance:BTC/USDT"]) == []


@pytest.mark.parametrize("value", ["x" * 10**6, "\0" * 1000, "\x1b[31m" * 100])
def test_hostile_names_are_shown_short_and_printable(value: str) -> None:
    text = errors.shown(value)
    assert len(text) < 120
    assert text.isprintable()
