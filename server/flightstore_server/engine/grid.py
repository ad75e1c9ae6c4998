"""The grid a candle series sits on: which timestamps are allowed, and which bars are absent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flightstore_proto.timeframe import DAY_NS, Timeframe
from flightstore_proto.timerange import TS_MAX

Int64s = NDArray[np.int64]
_NONE = np.empty(0, np.int64)


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


def floor(ns: int, timeframe: Timeframe) -> int:
    """The last grid point at or before `ns`."""
    if timeframe.months:
        month = _month_of(ns)
        return _start_of(month - month % timeframe.months)
    return ns - (ns - timeframe.offset_ns) % timeframe.step_ns


def ceil(ns: int, timeframe: Timeframe) -> int:
    """The first grid point at or after `ns`."""
    point = floor(ns, timeframe)
    return point if point == ns else next_point(point, timeframe)


def next_point(point: int, timeframe: Timeframe) -> int:
    """The grid point after the grid point `point`."""
    if timeframe.months:
        return _start_of(_month_of(point) + timeframe.months)
    return point + timeframe.step_ns


def absent(ts: Int64s, start: int, end: int, timeframe: Timeframe) -> tuple[Int64s, Int64s]:
    """Runs of grid points in [start, end) that have no bar, as their starts and their ends.

    `ts` are the open times of the bars in [start, end), rising. A run ends at the open time after
    its last absent bar, or at TS_MAX, after which no grid point comes.
    """
    first, stop = ceil(start, timeframe), min(ceil(end, timeframe), TS_MAX)
    if first >= stop:
        return _NONE, _NONE
    if not len(ts):
        return np.array([first]), np.array([stop])
    expected = _next_points(ts, timeframe)
    at = np.flatnonzero(expected < ts[1:])
    starts, ends = expected[at], ts[at + 1]
    if ts[0] > first:
        starts, ends = np.append(first, starts), np.append(ts[0], ends)
    after_last = next_point(int(ts[-1]), timeframe)
    if after_last < stop:
        starts, ends = np.append(starts, after_last), np.append(ends, stop)
    return starts, ends


def _next_points(ts: Int64s, timeframe: Timeframe) -> Int64s:
    """The grid point after each one but the last, whose own may not fit int64 any more."""
    ts = ts[:-1]
    if timeframe.months:
        return _month_ns(_months(ts) + timeframe.months)
    return ts + timeframe.step_ns


def counts(starts: Int64s, ends: Int64s, timeframe: Timeframe) -> Int64s:
    """How many grid points lie in each [start, end), whose start is one of them."""
    if timeframe.months:
        return (_months(ends - 1) - _months(starts)) // timeframe.months + 1
    # Unsigned, as all of time is longer than int64 can say.
    spans = ends.view(np.uint64) - starts.view(np.uint64)
    return ((spans - 1) // np.uint64(timeframe.step_ns) + 1).astype(np.int64)
