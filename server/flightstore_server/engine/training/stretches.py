"""Stretches of rows that follow each other: what windows of a fixed length can be cut out of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from flightstore_proto.errors import BadRequest
from flightstore_proto.timeframe import Timeframe
from flightstore_server.engine import grid
from flightstore_server.engine.gaps import grid_of
from flightstore_server.engine.series import SeriesView
from flightstore_server.engine.training.row_index import RowIndex
from flightstore_server.storage.rows import Int64s
from flightstore_server.storage.segment.store import SegmentStore


@dataclass(frozen=True, slots=True)
class Stretches:
    """The `ts` of the first row of each stretch, rising, and how many rows it has."""

    start: Int64s
    rows: Int64s


def stretches(
    view: SeriesView,
    store: SegmentStore,
    start: int,
    end: int,
    *,
    length: int,
    contiguous: bool,
) -> Stretches:
    """The stretches of at least `length` rows of `view` in [start, end).

    All of its rows are one; with `contiguous` a new one begins after every absent bar. Raises
    BadRequest for a series that has no grid, and so no absent bars.
    """
    timeframe = _grid(view) if contiguous else None
    index = RowIndex(view, store)
    first, stop = index.before(start), index.before(end)
    if first >= stop:
        return Stretches(np.empty(0, np.int64), np.empty(0, np.int64))
    begun = [(np.array([first]), np.array([index.time_of(first)]))]
    if timeframe is not None:
        begun += _after_holes(index, timeframe)
    at = np.concatenate([rows for rows, _ in begun])
    times = np.concatenate([ts for _, ts in begun])
    inside = (at >= first) & (at < stop)
    at, which = np.unique(at[inside], return_index=True)
    rows = np.diff(at, append=stop)
    long = rows >= length
    return Stretches(times[inside][which][long], rows[long])


def _grid(view: SeriesView) -> Timeframe:
    timeframe = grid_of(view)
    if timeframe is None:
        raise BadRequest(
            f"contiguous=True is for candles on a grid, where an absent bar shows; {view.series} "
            "has none: leave it out."
        )
    return timeframe


def _after_holes(index: RowIndex, timeframe: Timeframe) -> Iterator[tuple[Int64s, Int64s]]:
    """The numbers of rows before which a bar is absent, and their times."""
    expected = None
    for number, block in enumerate(index.blocks):
        index.forget_before(number)
        if expected is not None and expected < block.first:
            yield np.array([index.starts[number]]), np.array([block.first])
        if grid.points_between(block.first, block.last, timeframe) > block.rows:
            ts = index.times(number)
            _, after = grid.absent(ts, block.first, block.last + 1, timeframe)
            yield index.starts[number] + np.searchsorted(ts, after), after
        expected = grid.next_point(block.last, timeframe)
