"""Errors: one code each, near names, and messages that stay short."""

from __future__ import annotations

from difflib import get_close_matches

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


def test_a_near_name_among_many_is_found_without_comparing_it_with_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # One wrong name among 7,700 took half a second, with the store's state locked.
    compared = []

    def counting(word: str, candidates: list[str], *, n: int, cutoff: float) -> list[str]:
        compared.append(len(candidates))
        return get_close_matches(word, candidates, n=n, cutoff=cutoff)

    monkeypatch.setattr(errors, "get_close_matches", counting)
    known = [f"binance:COIN{n}/USDT" for n in range(7_700)]
    assert errors.near("binance:CION4711/USDT", known)[0] == "binance:COIN4711/USDT"
    assert max(compared) <= 200
