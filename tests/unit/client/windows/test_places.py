"""Which rows each window is."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flightstore._windows.places import Places, Stretches


@given(st.lists(st.integers(0, 30), max_size=8), st.integers(1, 12), st.integers(1, 12))
def test_windows_are_all_that_fit_into_each_stretch(
    rows: list[int], length: int, stride: int
) -> None:
    count = len(rows)
    numbers = np.arange(count)
    held = Stretches([f"x:{n}" for n in numbers], numbers, 100 * numbers, np.array(rows, np.int64))
    places = Places(held, length, stride)
    expected = [
        (stretch, first)
        for stretch, size in enumerate(rows)
        for first in range(0, size - length + 1, stride)
    ]
    spots = places.of(np.arange(places.total, dtype=np.uint64))
    assert list(zip(spots.stretch.tolist(), spots.first.tolist(), strict=True)) == expected
