"""Windows of zones, against clocks that are walked minute by minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightstore_proto.timeframe import parse
from flightstore_proto.timerange import to_ns
from flightstore_server.engine import grid
from flightstore_server.engine.aggregates.windows import END, Windows

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
FIRST, LAST = -(2**63), 2**63 - 1
# Zones and days on which their clocks were changed.
CHANGES = [
    ("America/New_York", "2019-03-10"),
    ("America/New_York", "2019-11-03"),
    ("America/Sao_Paulo", "2017-10-15"),  # there is no midnight
    ("America/Sao_Paulo", "2018-02-18"),  # 23:00 to 24:00 comes twice
    ("America/Havana", "2019-03-10"),
    ("America/Havana", "2019-11-03"),  # midnight comes twice
    ("America/St_Johns", "2010-11-07"),  # one minute after midnight back to 23:01
    ("Asia/Beirut", "2019-03-31"),
    ("Asia/Beirut", "2019-10-27"),
    ("Asia/Kolkata", "2019-11-03"),
    ("Australia/Lord_Howe", "2019-10-06"),  # half an hour
    ("Australia/Lord_Howe", "2019-04-07"),
    ("Pacific/Apia", "2011-12-30"),  # the day was left out
    ("Pacific/Kwajalein", "1969-10-01"),  # back across the date line
]
ZONES = st.sampled_from(sorted({zone for zone, _ in CHANGES} | {"UTC", "Africa/Casablanca"}))
NAMES = st.sampled_from(["1s", "7m", "1h", "4h", "1d", "1w", "2w", "1M", "3M", "1y", "99999w"])
OFFSETS = st.sampled_from([0, 17 * HOUR, -7 * HOUR, 90 * MINUTE])
TIMES = st.integers(FIRST, LAST) | st.integers(0, 2 * 10**18)
WINDOWS = st.builds(Windows, NAMES.map(parse), ZONES, OFFSETS)


def utc(text: str) -> int:
    return to_ns(text)


@lru_cache
def walk(zone: str, day: str, days: int, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Times `step` minutes apart around `day`, and what a clock in the zone shows, both in ns."""
    clock = ZoneInfo(zone)
    first = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(days=days)
    minutes = [first + timedelta(minutes=n) for n in range(0, 2 * days * 1440, step)]
    shown = [minute.astimezone(clock).replace(tzinfo=None) for minute in minutes]
    ts = np.array([minute.replace(tzinfo=None) for minute in minutes], "datetime64[ns]")
    return ts.view(np.int64), np.array(shown, "datetime64[ns]").view(np.int64)


def walked(ts: np.ndarray, local: np.ndarray, name: str, offset: int) -> list[int]:
    """Where windows start, by the words of their definition; the first one is not known."""
    timeframe = parse(name)
    length = timeframe.step_ns or 27 * DAY
    grain = DAY if length >= DAY else MINUTE
    moments, turn = np.unique((local - offset) // grain * grain, return_inverse=True)
    floors = np.array([grid.floor(moment, timeframe) for moment in moments.tolist()])
    keys = floors[turn]
    jumps = np.diff(local) - np.diff(ts)
    starts, latest = [], keys[0]
    for at in np.flatnonzero((np.diff(keys) != 0) | (jumps != 0)):
        if keys[at + 1] > latest or -jumps[at] >= length:
            starts.append(int(ts[at + 1]))
            latest = keys[at + 1]
    return starts


@pytest.mark.parametrize("offset", [0, 17 * HOUR, 90 * MINUTE])
@pytest.mark.parametrize(("zone", "day"), CHANGES)
def test_windows_start_where_the_walked_clock_says(zone: str, day: str, offset: int) -> None:
    for name in ("5m", "30m", "1h", "4h", "1d", "1w", "1M"):
        ts, local = walk(zone, day, *((36, 15) if name in ("1w", "1M") else (3, 1)))
        starts = walked(ts, local, name, offset)
        windows = Windows(parse(name), zone, offset)
        assert windows.starts(starts[0], int(ts[-1]) + 1).tolist() == starts, name
        assert [windows.after(start) for start in starts[:-1]] == starts[1:], name
        known = ts[ts >= starts[0]]
        expected = np.array(starts)[np.searchsorted(starts, known, "right") - 1]
        assert (windows.floors(known) == expected).all(), name
        assert [windows.floor(at) for at in known[::97].tolist()] == expected[::97].tolist(), name


@given(TIMES, WINDOWS)
def test_a_time_lies_in_its_window(ts: int, windows: Windows) -> None:
    start = windows.floor(ts)
    assert FIRST <= start <= ts < windows.after(start) <= END
    assert windows.floor(start) == start
    assert windows.ceil(start) == start


@given(TIMES, WINDOWS)
def test_the_ceiling_is_the_start_or_the_end_of_the_window(ts: int, windows: Windows) -> None:
    start = windows.floor(ts)
    assert windows.ceil(ts) == (ts if ts == start else windows.after(start))


@given(TIMES, NAMES, st.sampled_from(["UTC", "Etc/UTC"]))
def test_in_utc_windows_are_the_grid_of_bars(ts: int, name: str, zone: str) -> None:
    timeframe = parse(name)
    windows = Windows(timeframe, zone)
    assert windows.floor(ts) == max(FIRST, grid.floor(ts, timeframe))
    start = grid.floor(ts, timeframe)
    assert windows.after(windows.floor(ts)) == min(END, grid.next_point(start, timeframe))


@given(st.lists(TIMES, max_size=20), WINDOWS)
def test_many_floors_are_the_floors_of_each(times: list[int], windows: Windows) -> None:
    times.sort()
    floors = windows.floors(np.array(times, np.int64))
    assert floors.tolist() == [windows.floor(ts) for ts in times]


@given(TIMES, st.integers(1, 200), WINDOWS)
def test_starts_are_each_the_one_after_the_last(low: int, count: int, windows: Windows) -> None:
    expected = [windows.floor(low)]
    while len(expected) < count and windows.after(expected[-1]) < END:
        expected.append(windows.after(expected[-1]))
    assert windows.starts(low, windows.after(expected[-1])).tolist() == expected
    assert windows.starts(low, expected[-1] + 1)[-1] == max(expected[-1], expected[0])


def test_no_window_starts_in_an_empty_range() -> None:
    windows = Windows(parse("1h"))
    assert not len(windows.starts(HOUR, HOUR))
    assert not len(windows.starts(5 * HOUR, HOUR))


def test_all_of_time_has_its_years() -> None:
    windows = Windows(parse("1y"), "America/New_York")
    starts = windows.starts(FIRST, END).tolist()
    assert (starts[0], len(starts)) == (FIRST, 2262 - 1677 + 1)
    assert windows.after(starts[-1]) == END
    assert all(windows.after(a) == b for a, b in pairwise(starts))


def test_sessions_of_new_york_begin_at_five_in_the_afternoon() -> None:
    sessions = Windows(parse("1d"), "America/New_York", 17 * HOUR)
    assert sessions.floor(utc("2024-01-10T12:00")) == utc("2024-01-09T22:00")
    assert sessions.floor(utc("2024-07-10T12:00")) == utc("2024-07-09T21:00")


def test_a_month_of_sessions_begins_with_the_session_of_its_first_day() -> None:
    months = Windows(parse("1M"), "America/New_York", 17 * HOUR)
    assert months.starts(utc("2024-02-15"), utc("2024-05-01")).tolist() == [
        utc("2024-02-01T22:00"),
        utc("2024-03-01T22:00"),
        utc("2024-04-01T21:00"),
    ]


def test_days_last_as_long_as_they_do_on_the_wall() -> None:
    days = Windows(parse("1d"), "America/New_York")
    lengths = {day: days.after(utc(day)) - utc(day) for day in ("2019-03-10T05", "2019-11-03T04")}
    assert lengths == {"2019-03-10T05": 23 * HOUR, "2019-11-03T04": 25 * HOUR}


def test_an_hour_that_comes_twice_is_two_windows_and_its_four_hours_are_one() -> None:
    low, high = utc("2019-11-03T04:00"), utc("2019-11-03T09:00")
    hours = Windows(parse("1h"), "America/New_York").starts(low, high)
    assert np.diff(hours).tolist() == [HOUR] * 4
    assert Windows(parse("4h"), "America/New_York").starts(low, high).tolist() == [low]


def test_windows_are_equal_by_what_they_are() -> None:
    one, other = (Windows(parse("1d"), "Asia/Tokyo", HOUR) for _ in range(2))
    assert one == other
    assert len({one, other, Windows(parse("1d"), "Asia/Tokyo")}) == 2


@given(WINDOWS, TIMES, st.integers(0, 40), st.integers(0, 2**58))
def test_ends_are_those_of_one_window_after_the_other(
    windows: Windows, low: int, count: int, skip: int
) -> None:
    starts = [windows.floor(low)]
    while len(starts) < count and (after := windows.after(starts[-1])) < END:
        # Now and then a stretch without any, in which clocks may be changed.
        starts.append(windows.floor(min(after + skip, LAST)) if len(starts) % 7 == 0 else after)
    ends = windows.ends(np.array(starts, np.int64))
    assert ends.tolist() == [min(windows.after(start), LAST) for start in starts]


def test_ends_of_nothing_are_none() -> None:
    assert not len(Windows(parse("1d")).ends(np.empty(0, np.int64)))
