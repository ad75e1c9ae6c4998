"""What is known complete, and what is missing: answered from coverage and from the grid.

A bar is known if it is there, or if it lies in a covered range: then its source has confirmed that
it does not exist. Everything else is a gap. Datasets without a grid have gaps only where coverage
has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from flightstore_proto.errors import MissingCoverage
from flightstore_proto.timeframe import Timeframe
from flightstore_proto.timerange import TS_MAX, format_ns
from flightstore_server.engine import grid, intervals
from flightstore_server.engine.reads import bounds, read
from flightstore_server.engine.series import SeriesView
from flightstore_server.storage.rows import Int64s, ts_of
from flightstore_server.storage.segment.store import SegmentStore


@dataclass(frozen=True, slots=True)
class Gap:
    """[start, end) is not known complete; `bars` grid points in it are absent (0: no grid)."""

    start: int
    end: int
    bars: int


def gaps(
    view: SeriesView,
    store: SegmentStore,
    start: int | None,
    end: int | None,
    *,
    now_ns: int,
) -> list[Gap]:
    """The gaps of `view` in [start, end).

    An absent start is the first row or covered time, an absent end the last. What lies after
    `now_ns` is not missing yet.
    """
    low, high = _window(view, store, start, end, now_ns)
    if low >= high:
        return []
    timeframe = grid_of(view)
    if timeframe is None:
        return [Gap(a, b, 0) for a, b in intervals.missing(view.coverage, low, high)]
    times = times_of(view, store, low, high)
    return list(_uncovered(view, grid.absent(times, low, high, timeframe), timeframe))


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
    if not found:
        return
    shown = ", ".join(f"{format_ns(g.start)} to {format_ns(g.end)}" for g in found[:3])
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    raise MissingCoverage(
        f"{view.series} is not known complete: {shown}{more}. Fetch what is missing, or read "
        "without strict."
    )


def grid_of(view: SeriesView) -> Timeframe | None:
    """The grid whose every point should hold a bar, or None if there is none."""
    series = view.series
    if series.dataset.name != "candles" or series.free_grid:
        return None
    return series.timeframe


def times_of(view: SeriesView, store: SegmentStore, start: int, end: int) -> Int64s:
    """The ts of every row in [start, end)."""
    parts = [ts_of(batch) for batch in read(view, store, start, end)]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


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


def _uncovered(
    view: SeriesView, holes: list[tuple[int, int, int]], timeframe: Timeframe
) -> Iterator[Gap]:
    for start, end, bars in holes:
        if not view.coverage:
            yield Gap(start, end, bars)
            continue
        for low, high in intervals.missing(view.coverage, start, end):
            first, stop = grid.ceil(low, timeframe), grid.ceil(high, timeframe)
            if first < stop:
                yield Gap(first, stop, grid.points_between(first, stop, timeframe) - 1)
