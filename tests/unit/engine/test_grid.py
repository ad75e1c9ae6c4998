"""The grid of bars, against calendars walked step by step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightstore_proto import timeframe as timeframes
from flightstore_server.engine import grid

DAY = 86_400 * 10**9
LAST = 2**63 - 1
NAMES = st.sampled_from(["1s", "7m", "4h", "1d", "1w", "2w", "1M", "3M", "1y"])
TIMES = st.integers(-(2**63), LAST)


def _ns(year: int, month: int, day: int) -> int:
    return (datetime(year, month, day, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days * DAY


def _off(ts: int, name: str) -> bool:
    return len(grid.off_grid(np.array([ts], np.int64), timeframes.parse(name))) > 0


@given(TIMES, NAMES)
def test_the_ceiling_is_on_the_grid_and_less_than_a_step_away(ts: int, name: str) -> None:
    timeframe = timeframes.parse(name)
    above = grid.ceil(ts, timeframe)
    assert ts <= above
    if above <= LAST:
        assert not _off(above, name)
        assert grid.next_point(above, timeframe) > above
    if timeframe.step_ns:
        assert above - ts < timeframe.step_ns


@given(TIMES, NAMES)
def test_the_floor_is_the_point_before_the_ceiling_of_the_next_moment(ts: int, name: str) -> None:
    timeframe = timeframes.parse(name)
    below = grid.floor(ts, timeframe)
    assert below <= ts
    assert grid.next_point(below, timeframe) == grid.ceil(ts + 1, timeframe)


@pytest.mark.parametrize("name", ["1m", "1w", "3M"])
def test_all_of_time_is_counted(name: str) -> None:
    timeframe = timeframes.parse(name)
    starts, ends = grid.absent(np.empty(0, np.int64), -(2**63), 2**63, timeframe)
    first, last = grid.ceil(-(2**63), timeframe), grid.floor(LAST, timeframe)
    assert ends.tolist() == [LAST]
    [count] = grid.counts(starts, ends, timeframe).tolist()
    assert count == grid.points_between(first, last, timeframe)


@given(TIMES, NAMES)
def test_the_ceiling_of_a_grid_point_is_itself(ts: int, name: str) -> None:
    timeframe = timeframes.parse(name)
    point = grid.ceil(ts, timeframe)
    assert grid.ceil(point, timeframe) == point


def test_weeks_start_on_mondays() -> None:
    mondays = [_ns(1969, 12, 29), _ns(1970, 1, 5), _ns(2024, 1, 1), _ns(2024, 2, 26)]
    assert not any(_off(ts, "1w") for ts in mondays)
    assert all(_off(ts + DAY, "1w") for ts in mondays)


def test_months_start_on_their_first_also_in_leap_years_and_before_1970() -> None:
    firsts = [_ns(2024, 2, 1), _ns(2024, 3, 1), _ns(1969, 12, 1), _ns(1900, 3, 1)]
    assert not any(_off(ts, "1M") for ts in firsts)
    assert all(_off(ts - DAY, "1M") for ts in firsts)


def test_february_29_is_a_day_like_any_other() -> None:
    assert not _off(_ns(2024, 2, 29), "1d")


def test_quarters_start_in_january_april_july_and_october() -> None:
    on = [month for month in range(1, 13) if not _off(_ns(2024, month, 1), "3M")]
    assert on == [1, 4, 7, 10]


@given(
    st.sampled_from(["1m", "1w", "1M", "5M"]),
    st.sets(st.integers(0, 30), max_size=20),
    st.integers(0, 30),
    st.integers(0, 30),
    st.sampled_from([_ns(1969, 6, 1), _ns(2024, 1, 1)]),
)
def test_absent_bars_agree_with_a_walk_over_the_grid(
    name: str, present: set[int], low: int, high: int, base: int
) -> None:
    timeframe = timeframes.parse(name)
    points = [grid.ceil(base, timeframe)]
    for _ in range(31):
        points.append(grid.next_point(points[-1], timeframe))
    low, high = sorted((low, high))
    ts = np.array([points[i] for i in sorted(present) if low <= i < high], np.int64)
    starts, ends = grid.absent(ts, points[low], points[high], timeframe)
    missing = [i for i in range(low, high) if i not in present]
    runs = list(zip(starts.tolist(), ends.tolist(), strict=True))
    assert [p for start, end in runs for p in points if start <= p < end] == [
        points[i] for i in missing
    ]
    assert grid.counts(starts, ends, timeframe).sum() == len(missing)


@pytest.mark.parametrize("name", ["1m", "1w", "1M"])
def test_after_the_last_bar_that_time_can_hold_nothing_is_absent(name: str) -> None:
    timeframe = timeframes.parse(name)
    last = grid.ceil(LAST - 32 * DAY, timeframe)
    while (following := grid.next_point(last, timeframe)) <= LAST:
        last = following
    starts, ends = grid.absent(np.array([last], np.int64), last, 2**63, timeframe)
    assert (len(starts), len(ends)) == (0, 0)


def test_points_are_counted_with_both_ends() -> None:
    assert grid.points_between(_ns(2023, 1, 1), _ns(2024, 1, 1), timeframes.parse("1M")) == 13
    assert grid.points_between(0, 0, timeframes.parse("1m")) == 1


@given(st.integers(-90_000, 90_000), st.sampled_from(["1d", "4h", "1w"]))
def test_grid_points_are_what_the_calendar_says(days: int, name: str) -> None:
    day = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=days)
    expected = name != "1w" or day.weekday() == 0
    assert _off(days * DAY, name) != expected
