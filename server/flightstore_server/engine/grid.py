"""The grid a candle series sits on: which timestamps are allowed, and which bars are absent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flightstore_proto.timeframe import DAY_NS, Timeframe

Int64s = NDArray[np.int64]


def off_grid(ts: Int64s, timeframe: Timeframe) -> Int64s:
    """Positions of the timestamps that are not open times of a bar."""
    if timeframe.months:
        return np.flatnonzero(~_is_month_start(ts, timeframe.months))
    if timeframe.offset_ns:
        # ts - offset could leave int64 at the far end; comparing remainders cannot.
        return np.flatnonzero(ts % timeframe.step_ns != timeframe.offset_ns)
    return np.flatnonzero(ts % timeframe.step_ns)


def _is_month_start(ts: Int64s, months: int) -> NDArray[np.bool_]:
    month = _months(ts)
    is_start: NDArray[np.bool_] = (_month_ns(month) == ts) & (month % months == 0)
    return is_start


def _months(ts: Int64s) -> Int64s:
    """The month of each timestamp, counted from January 1970; floors before it too."""
    return ts.view("datetime64[ns]").astype("datetime64[M]").astype(np.int64)


def _month_ns(month: Int64s) -> Int64s:
    return month.view("datetime64[M]").astype("datetime64[ns]").astype(np.int64)


def _month_of(ns: int) -> int:
    """_months() of one time, which may lie outside of int64."""
    day = np.array([ns // DAY_NS], np.int64).view("datetime64[D]")
    return int(day.astype("datetime64[M]").astype(np.int64)[0])


def _start_of(month: int) -> int:
    """_month_ns() of one month, which may lie outside of int64."""
    first = np.array([month], np.int64).view("datetime64[M]")
    return int(first.astype("datetime64[D]").astype(np.int64)[0]) * DAY_NS


def points_between(first: int, last: int, timeframe: Timeframe) -> int:
    """How many grid points lie in [first, last], both of which are grid points."""
    if timeframe.months:
        return (_month_of(last) - _month_of(first)) // timeframe.months + 1
    return (last - first) // timeframe.step_ns + 1


def ceil(ns: int, timeframe: Timeframe) -> int:
    """The first grid point at or after `ns`."""
    if timeframe.months:
        month = _month_of(ns)
        start = _start_of(month - month % timeframe.months)
        return start if start >= ns else next_point(start, timeframe)
    return ns + (timeframe.offset_ns - ns) % timeframe.step_ns


def next_point(point: int, timeframe: Timeframe) -> int:
    """The grid point after the grid point `point`."""
    if timeframe.months:
        return _start_of(_month_of(point) + timeframe.months)
    return point + timeframe.step_ns


def absent(ts: Int64s, start: int, end: int, timeframe: Timeframe) -> list[tuple[int, int, int]]:
    """Runs of grid points in [start, end) that have no bar, as (from, until, bars).

    `ts` are the open times of the bars in [start, end), rising. `until` is the open time after the
    last absent bar.
    """
    # A sentinel at either end turns the margins into ordinary holes.
    first, stop = ceil(start, timeframe), ceil(end, timeframe)
    if first >= stop:
        return []
    if not len(ts):
        return [(first, stop, _count(first, stop, timeframe))]
    holes = [(first, int(ts[0]))] if ts[0] > first else []
    expected = _next_points(ts, timeframe)
    at = np.flatnonzero(expected < ts[1:])
    holes += list(zip(expected[at].tolist(), ts[at + 1].tolist(), strict=True))
    after_last = next_point(int(ts[-1]), timeframe)
    if after_last < stop:
        holes.append((after_last, stop))
    return [(a, b, _count(a, b, timeframe)) for a, b in holes]


def _next_points(ts: Int64s, timeframe: Timeframe) -> Int64s:
    """The grid point after each one but the last, whose own may not fit int64 any more."""
    ts = ts[:-1]
    if timeframe.months:
        return _month_ns(_months(ts) + timeframe.months)
    return ts + timeframe.step_ns


def _count(first: int, stop: int, timeframe: Timeframe) -> int:
    """Grid points in [first, stop), both grid points."""
    return points_between(first, stop, timeframe) - 1
