"""Where a plan cuts: whole series in order, times on the grid, about as many rows in each part."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flightstore._parts.cuts import cuts, grouped
from flightstore._parts.held import Held

MINUTE = 60 * 10**9
SOME = st.lists(
    st.builds(
        lambda rows, first, length: Held("x:Y", rows, first, first + length),
        st.integers(0, 10**7),
        st.integers(-(2**62), 2**62),
        st.integers(1, 2**61),
    ),
    min_size=1,
    max_size=30,
)


@given(SOME, st.integers(1, 100))
def test_groups_hold_every_series_once_in_order(series: list[Held], parts: int) -> None:
    groups = grouped(series, parts)
    assert [one for group in groups for one in group] == series
    assert len(groups) <= parts
    assert all(groups)


@given(SOME, st.integers(1, 100))
def test_no_group_has_more_than_its_share_and_one_series(series: list[Held], parts: int) -> None:
    weights = [max(one.rows, 1) for one in series]
    most = max(sum(max(one.rows, 1) for one in group) for group in grouped(series, parts))
    assert most <= sum(weights) / parts + max(weights)


@given(SOME, st.integers(1, 100), st.integers(1, 10**15), st.integers(0, 10**15))
def test_cuts_are_on_the_grid_in_order_and_within_the_rows(
    series: list[Held], parts: int, step: int, offset: int
) -> None:
    found = cuts(series, parts, step, offset)
    assert len(found) < parts
    assert found == sorted(set(found))
    assert all((time - offset) % step == 0 for time in found)
    lives = [one for one in series if one.rows]
    assert all(
        min(one.first for one in lives) < time < max(one.end for one in lives) for time in found
    )


def test_one_even_series_is_cut_into_equal_stretches() -> None:
    series = [Held("x:Y", 1000, 0, 1000 * MINUTE)]
    assert cuts(series, 4, MINUTE, 0) == [250 * MINUTE, 500 * MINUTE, 750 * MINUTE]


def test_times_with_more_series_are_cut_more_often() -> None:
    early, late = Held("x:A", 500, 0, 500), [Held("x:B", 500, 500, 1000)] * 3
    assert cuts([early, *late], 4, 1, 0) == [500, 666, 833]


def test_nothing_is_cut_where_nothing_is() -> None:
    assert cuts([Held("x:Y")], 10, MINUTE, 0) == []


def test_a_range_counts_the_share_of_the_rows_that_it_covers() -> None:
    series = Held("x:Y", 1000, 0, 1000)
    assert series.within(250, 500) == Held("x:Y", 250, 250, 500)
    assert series.within(2000, 3000).rows == 0
