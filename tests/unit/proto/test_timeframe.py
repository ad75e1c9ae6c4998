"""Timeframes in ccxt's spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightstore_proto import timeframe
from flightstore_proto.errors import BadTimeframe

SECOND = 10**9


@pytest.mark.parametrize(
    ("text", "step"),
    [("1s", 1), ("1m", 60), ("90m", 5_400), ("4h", 14_400), ("1d", 86_400), ("2w", 1_209_600)],
)
def test_a_timeframe_has_a_length(text: str, step: int) -> None:
    assert timeframe.parse(text).step_ns == step * SECOND


def test_m_is_minutes_and_capital_m_is_months() -> None:
    assert timeframe.parse("1m").months == 0
    assert timeframe.parse("1M").months == 1
    assert timeframe.parse("1y").months == 12


@pytest.mark.parametrize(
    "text", ["", "m", "0m", "01m", "1", "1 m", "1min", "-1m", "1.5h", "1m\n", "٣m"]
)
def test_other_spellings_are_refused(text: str) -> None:
    with pytest.raises(BadTimeframe):
        timeframe.parse(text)


@pytest.mark.parametrize(
    ("text", "count", "size"),
    [
        ("1000tick", "tick", 1_000),
        ("50volume", "volume", 50),
        ("2.5volume", "volume", 2.5),
        ("0.001volume", "volume", 0.001),
        ("1000000dollar", "dollar", 1e6),
    ],
)
def test_bars_by_count_have_a_size_and_no_grid(text: str, count: str, size: float) -> None:
    found = timeframe.parse(text)
    assert (found.count, found.size, found.has_grid) == (count, size, False)
    assert (found.step_ns, found.months) == (0, 0)


@pytest.mark.parametrize(
    "text",
    [
        *("tick", "0tick", "2.5tick", "-1volume", "1e9volume", "0volume", "infdollar"),
        *("2.50volume", "10.0volume", "0.0volume"),  # a second spelling would be a second series
    ],
)
def test_other_spellings_of_counts_are_refused(text: str) -> None:
    with pytest.raises(BadTimeframe):
        timeframe.parse(text)


@pytest.mark.parametrize(("text", "meant"), [("1min", "1m"), ("1D", "1d"), ("1H", "1h")])
def test_the_nearest_timeframe_is_offered(text: str, meant: str) -> None:
    with pytest.raises(BadTimeframe) as caught:
        timeframe.parse(text)
    assert meant in caught.value.suggestions


@given(st.text(max_size=8))
def test_any_text_is_a_timeframe_or_refused(text: str) -> None:
    try:
        assert timeframe.parse(text).text == text
    except BadTimeframe as error:
        assert error.message.count("\n") == 0
