"""What is missing, and why: answered from the grid, the coverage, and the series' metadata.

A grid point without a bar is a gap unless it lies in a covered range, where the source has
confirmed that there is no bar; with `confirmed` it is listed all the same. Datasets without a grid
have gaps only where coverage has.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from flightstore_proto import intervals
from flightstore_proto.errors import MissingCoverage
from flightstore_proto.intervals import IntervalSet
from flightstore_proto.timeframe import Timeframe
from flightstore_proto.timerange import TS_MAX, TS_MIN, format_ns
from flightstore_server.engine import grid
from flightstore_server.engine.reads import bounds, read
from flightstore_server.engine.reasons import Bools, Codes, Market, reasons
from flightstore_server.engine.series import SeriesView
from flightstore_server.storage.rows import Int64s, ts_of
from flightstore_server.storage.segment.store import SegmentStore


@dataclass(frozen=True, slots=True)
class Gaps:
    """Ranges [start, end), rising, as columns of equal length. An end at TS_MAX is unbounded.

    `missing` counts the grid points in each (0: no grid), `reason` is a position in REASONS.
    """

    start: Int64s
    end: Int64s
    missing: Int64s
    reason: Codes

    def __len__(self) -> int:
        return len(self.start)


def gaps(
    view: SeriesView,
    store: SegmentStore,
    start: int | None,
    end: int | None,
    *,
    now_ns: int,
    confirmed: bool = False,
) -> Gaps:
    """The gaps of `view` in [start, end); with `confirmed` also where it is known complete.

    An absent start is the first row or covered time, an absent end the last. What lies after
    `now_ns` is not missing yet.
    """
    low, high = _window(view, store, start, end, now_ns)
    timeframe = grid_of(view)
    market = Market.of(view.series.metadata, timeframe)
    coverage = intervals.clip(view.coverage, low, high)
    times = _times(view, store, low, high)
    starts, ends = _without_bars(times, low, high, timeframe)
    starts, ends = _split(starts, ends, _cuts(coverage, market, timeframe))
    covered = _inside(starts, coverage)
    if not confirmed or timeframe is None:
        starts, ends, covered = starts[~covered], ends[~covered], covered[~covered]
    missing = np.zeros_like(starts) if timeframe is None else grid.counts(starts, ends, timeframe)
    before = np.searchsorted(times, starts)
    reason = reasons(starts, missing, covered, before, len(times), market)
    return Gaps(starts, ends, missing, reason)


def require_complete(
    view: SeriesView,
    store: SegmentStore,
    start: int | None,
    end: int | None,
    *,
    now_ns: int,
) -> None:
    """Raise MissingCoverage, naming the first gaps, unless [start, end) is known complete."""
    found = gaps(view, store, start, end, now_ns=now_ns)
    if not len(found):
        return
    first = zip(found.start[:3].tolist(), found.end[:3].tolist(), strict=True)
    shown = ", ".join(f"{format_ns(low)} to {format_ns(high)}" for low, high in first)
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    raise MissingCoverage(
        f"{view.series} is not known complete: {shown}{more}. Fetch what is missing, or read "
        "without strict."
    )


def grid_of(view: SeriesView) -> Timeframe | None:
    """The grid whose every point should hold a bar, or None if there is none."""
    series = view.series
    if series.dataset.name != "candles" or series.free_grid or series.timeframe is None:
        return None
    return series.timeframe if series.timeframe.has_grid else None


def absent_bars(view: SeriesView, rows: int, first: int, last: int) -> int | None:
    """Grid points from `first` to `last` without a bar, given `rows` bars; None without a grid."""
    timeframe = grid_of(view)
    return None if timeframe is None else grid.points_between(first, last, timeframe) - rows


def _window(
    view: SeriesView, store: SegmentStore, start: int | None, end: int | None, now_ns: int
) -> tuple[int, int]:
    held = bounds(view, store)
    lows = [held[0]] if held else []
    highs = [min(held[1] + _step(view), TS_MAX + 1)] if held else []
    if view.coverage:
        lows.append(view.coverage[0][0])
        highs.append(view.coverage[-1][1])
    low = start if start is not None else min(lows, default=0)
    # A bar is missing only once it is over: what opened less than a bar ago may still be coming.
    high = max(highs, default=0) if end is None else min(end, now_ns - _step(view) + 1)
    if end is not None and highs:
        high = max(high, min(end, max(highs)))
    return low, high


def _step(view: SeriesView) -> int:
    timeframe = grid_of(view)
    if timeframe is None:
        return 1
    return timeframe.step_ns or timeframe.months * 28 * 86_400 * 10**9


def _times(view: SeriesView, store: SegmentStore, low: int, high: int) -> Int64s:
    """The open times of the bars in [low, high); without a grid rows say nothing of each other."""
    if grid_of(view) is None or low >= high:
        return np.empty(0, np.int64)
    parts = [ts_of(batch) for batch in read(view, store, low, high)]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _without_bars(
    times: Int64s, low: int, high: int, timeframe: Timeframe | None
) -> tuple[Int64s, Int64s]:
    """Starts and ends of the ranges in [low, high) without a bar; without a grid all of it."""
    if timeframe is not None:
        return grid.absent(times, low, high, timeframe)
    return (_clamped([low]), _clamped([high])) if low < high else (times, times)


def _cuts(coverage: IntervalSet, market: Market, timeframe: Timeframe | None) -> Int64s:
    """Where the reason for an absence may change, rising."""
    borders = [bound for interval in coverage for bound in interval]
    if timeframe is not None:
        borders = [grid.ceil(border, timeframe) for border in borders]
    borders += [border for border in (market.first, market.end) if border is not None]
    return np.unique(_clamped(borders))


def _split(starts: Int64s, ends: Int64s, cuts: Int64s) -> tuple[Int64s, Int64s]:
    """The ranges from `starts` to `ends`, cut in two wherever one of `cuts` lies inside."""
    if not len(starts):
        return starts, ends
    at = np.searchsorted(starts, cuts) - 1
    inside = cuts[(at >= 0) & (cuts < ends[at])]
    return np.sort(np.append(starts, inside)), np.sort(np.append(ends, inside))


def _inside(points: Int64s, ranges: IntervalSet) -> Bools:
    """Which of `points` lie in one of `ranges`."""
    if not ranges:
        return np.zeros(len(points), np.bool_)
    at = np.searchsorted(_clamped(low for low, _ in ranges), points, side="right") - 1
    inside: Bools = (at >= 0) & (points < _clamped(high for _, high in ranges)[at])
    return inside


def _clamped(bounds: Iterable[int]) -> Int64s:
    """`bounds` as int64; one past the last nanosecond becomes the last."""
    return np.array([min(max(bound, TS_MIN), TS_MAX) for bound in bounds], np.int64)
