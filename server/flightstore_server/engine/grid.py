"""The grid a candle series sits on: which timestamps are allowed, and which bars are absent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flightstore_proto.timeframe import Timeframe

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
    return (_month_ns(month) == ts) & (month % months == 0)


def _months(ts: Int64s) -> Int64s:
    """The month of each timestamp, counted from January 1970; floors before it too."""
    return ts.view("datetime64[ns]").astype("datetime64[M]").astype(np.int64)


def _month_ns(month: Int64s) -> Int64s:
    return month.view("datetime64[M]").astype("datetime64[ns]").astype(np.int64)


def points_between(first: int, last: int, timeframe: Timeframe) -> int:
    """How many grid points lie in [first, last], both of which are grid points."""
    if timeframe.months:
        low, high = _months(np.array([first, last], np.int64))
        return int(high - low) // timeframe.months + 1
    return (last - first) // timeframe.step_ns + 1


def ceil(ns: int, timeframe: Timeframe) -> int:
    """The first grid point at or after `ns`."""
    if timeframe.months:
        month = int(_months(np.array([max(ns, -(2**63))], np.int64))[0])
        month -= month % timeframe.months
        start = int(_month_ns(np.array([month], np.int64))[0])
        return start if start >= ns else next_point(start, timeframe)
    return ns + (timeframe.offset_ns - ns) % timeframe.step_ns


def next_point(point: int, timeframe: Timeframe) -> int:
    """The grid point after the grid point `point`."""
    if timeframe.months:
        month = _months(np.array([point], np.int64)) + timeframe.months
        return int(_month_ns(month)[0])
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
    at = np.flatnonzero(expected[:-1] < ts[1:])
    holes += list(zip(expected[at].tolist(), ts[at + 1].tolist(), strict=True))
    if expected[-1] < stop:
        holes.append((int(expected[-1]), stop))
    return [(a, b, _count(a, b, timeframe)) for a, b in holes]


def _next_points(ts: Int64s, timeframe: Timeframe) -> Int64s:
    if timeframe.months:
        return _month_ns(_months(ts) + timeframe.months)
    # The last representable bar has no successor; saturate instead of wrapping around.
    limit = np.int64(2**63 - 1) - timeframe.step_ns
    return np.where(ts > limit, np.int64(2**63 - 1), ts + timeframe.step_ns)


def _count(first: int, stop: int, timeframe: Timeframe) -> int:
    """Grid points in [first, stop), both grid points."""
    return points_between(first, stop, timeframe) - 1
