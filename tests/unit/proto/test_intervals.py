"""Sets of time, against Python's sets of points."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from flightstore_proto import intervals
from flightstore_proto.intervals import IntervalSet

POINTS = st.integers(0, 24)
SPANS = st.tuples(POINTS, POINTS)
CHANGES = st.lists(st.tuples(st.booleans(), SPANS), max_size=12)


def _made(changes: list[tuple[bool, tuple[int, int]]]) -> tuple[IntervalSet, set[int]]:
    ranges: IntervalSet = intervals.EMPTY
    points: set[int] = set()
    for adds, (start, end) in changes:
        if adds:
            ranges, points = intervals.add(ranges, start, end), points | set(range(start, end))
        else:
            ranges = intervals.subtract(ranges, start, end)
            points -= set(range(start, end))
    return ranges, points


def _points(ranges: IntervalSet) -> set[int]:
    return {point for start, end in ranges for point in range(start, end)}


@given(CHANGES)
def test_adding_and_subtracting_agree_with_sets(
    changes: list[tuple[bool, tuple[int, int]]],
) -> None:
    ranges, points = _made(changes)
    assert _points(ranges) == points


@given(CHANGES)
def test_ranges_rise_and_never_touch(changes: list[tuple[bool, tuple[int, int]]]) -> None:
    ranges, _ = _made(changes)
    bounds = [bound for interval in ranges for bound in interval]
    assert all(low < high for low, high in itertools.pairwise(bounds))


@given(CHANGES, SPANS)
def test_clipping_agrees_with_sets(
    changes: list[tuple[bool, tuple[int, int]]], span: tuple[int, int]
) -> None:
    ranges, points = _made(changes)
    assert _points(intervals.clip(ranges, *span)) == points & set(range(*span))


@given(CHANGES, SPANS)
def test_what_is_missing_agrees_with_sets(
    changes: list[tuple[bool, tuple[int, int]]], span: tuple[int, int]
) -> None:
    ranges, points = _made(changes)
    assert _points(intervals.missing(ranges, *span)) == set(range(*span)) - points
