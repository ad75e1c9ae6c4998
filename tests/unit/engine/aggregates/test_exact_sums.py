"""Sums of windows are those of math.fsum, bit for bit."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.seeds import generator

from flightstore_server.engine.aggregates.exact_sums import ExactSum, window_sums

ANY = st.floats(allow_nan=False, allow_infinity=False)
AMOUNTS = st.integers(0, 10**12).map(lambda units: units / 1e8)
# Their sums often lie exactly between two floats, or a hair beside.
TIES = st.sampled_from([1.0, 2.0**53, 2.0**-53, 2.0**-106, -(2.0**-53), 3.0, 5e-324, -1.0])
WINDOWS = st.lists(
    st.one_of(st.lists(kind, min_size=1, max_size=40) for kind in (ANY, AMOUNTS, TIES)),
    min_size=1,
    max_size=12,
)


def nearest(values: list[float]) -> float:
    total = sum(map(Fraction, values), Fraction())
    try:
        return float(total)
    except OverflowError:
        return math.inf if total > 0 else -math.inf


def sums_of(windows: list[list[float]]) -> list[float]:
    firsts = np.cumsum([0] + [len(window) for window in windows[:-1]])
    values = np.array([value for window in windows for value in window])
    return window_sums(values, firsts).tolist()


@given(WINDOWS)
def test_each_window_has_the_float_nearest_to_its_sum(windows: list[list[float]]) -> None:
    assert sums_of(windows) == [nearest(window) for window in windows]


@given(WINDOWS)
def test_pieces_add_up_to_the_same(pieces: list[list[float]]) -> None:
    total = ExactSum()
    for piece in pieces:
        total.add(np.array(piece))
    everything = [value for piece in pieces for value in piece]
    assert total.nearest() == nearest(everything)
    assert total.plus(np.array([1.5])).nearest() == nearest([*everything, 1.5])
    assert total.nearest() == nearest(everything)


@given(st.lists(AMOUNTS, max_size=20), st.lists(AMOUNTS, max_size=20), AMOUNTS)
def test_a_size_is_reached_with_the_first_value_that_makes_the_sum_as_large(
    before: list[float], values: list[float], size: float
) -> None:
    total = ExactSum()
    total.add(np.array(before, float))
    reached = [n for n in range(1, len(values) + 1) if nearest(before + values[:n]) >= size]
    expected = reached[0] if reached else len(values) + 1
    assert total.reaches_after(np.array(values, float), size) == expected


@pytest.mark.parametrize("spread", [0, 8, 40, 300])
def test_sums_of_long_windows_are_exact(spread: int) -> None:
    random = np.random.default_rng(generator("long windows").randrange(2**32))
    values = random.normal(size=300_000) * 10.0 ** random.uniform(-spread, spread, 300_000)
    firsts = np.concatenate(([0], np.sort(random.choice(np.arange(1, 300_000), 20, False))))
    expected = [math.fsum(part.tolist()) for part in np.split(values, firsts[1:])]
    assert window_sums(values, firsts).tolist() == expected
    total = ExactSum()
    for part in np.split(values, [100, 5_000, 290_000]):
        total.add(part)
    assert total.nearest() == math.fsum(values.tolist())


@pytest.mark.parametrize(
    "values", [[1e308, 1e308, -1e308], [1e308] * 3, [-1e308] * 3, [5e-324] * 3]
)
def test_sums_at_the_ends_of_what_floats_can_say(values: list[float]) -> None:
    assert sums_of([values, [1.0]]) == [nearest(values), 1.0]
    total = ExactSum()
    for value in values:
        total.add(np.array([value]))
    assert total.nearest() == nearest(values)


def test_a_sum_of_nothing_is_zero() -> None:
    assert ExactSum().nearest() == 0
    assert sums_of([[0.0, 0.0], [0.0]]) == [0, 0]
