"""Whether every series of a put can take its rows: what a writer is told before anything is logged.

Names come first, for each series by itself. Values are looked at for all rows together, since the
newest bars of thousands of series are thousands of runs of one row; only if something is wrong are
they looked at again, series by series, to say what and where.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from flightstore_proto import instrument as instruments
from flightstore_proto.errors import BadRequest, BadTimeframe, CommitMismatch, InvalidRows
from flightstore_proto.timeframe import Timeframe
from flightstore_server.engine.received import SeriesRows
from flightstore_server.engine.series import Dataset, parse_timeframe
from flightstore_server.engine.state import State
from flightstore_server.engine.values import check_candles, check_not_null, check_trades

Grids = list[Timeframe | None]


class Checks:
    """Knows the names there are, and the rules that keep some of them."""

    def __init__(self, state: State) -> None:
        self._state = state

    def check(self, series: Sequence[SeriesRows], dataset: Dataset, whole: pa.RecordBatch) -> None:
        """Raise a BadRequest unless every one of `series` can take its rows of `whole`.

        `whole` holds the rows of all series, one after another, with the columns of `dataset`.
        """
        grids = [self._grid(said, dataset) for said in series]
        if len(series) > 1:
            _check_distinct(series)
            if _all_right(whole, dataset, grids):
                return
        start = 0
        for said, grid in zip(series, grids, strict=True):
            rows = whole.slice(start, said.rows) if len(series) > 1 else whole
            _check_values(rows, dataset, grid, _described(said, dataset))
            start += said.rows

    def _grid(self, said: SeriesRows, dataset: Dataset) -> Timeframe | None:
        """What the open times of its bars lie on, if they do; checks all but the rows."""
        known = self._state.names.get(dataset.name, said.instrument, said.timeframe)
        if known is None or known.derived is not None:
            self._state.rulebook.check_write(dataset.name, said.instrument, said.timeframe)
        if known is None:
            instruments.parse(said.instrument)
            timeframe, free_grid = _timeframe_of(said, dataset.name), said.free_grid
        else:
            timeframe, free_grid = known.timeframe, known.free_grid
        for low, high in said.covers:
            if high < low:
                raise CommitMismatch(
                    f"A covered range of {_described(said, dataset)} ends before it starts; swap "
                    "its bounds."
                )
        return None if free_grid or timeframe is None or timeframe.count else timeframe


def _described(said: SeriesRows, dataset: Dataset) -> str:
    return " ".join(filter(None, [dataset.name, said.instrument, said.timeframe]))


def _timeframe_of(said: SeriesRows, dataset: str) -> Timeframe | None:
    """The timeframe of a new series. Raises BadTimeframe if its dataset cannot have it."""
    timeframe = parse_timeframe(said.timeframe)
    if dataset == "candles" and timeframe is None:
        raise BadTimeframe(f"Candles of {said.instrument} need a timeframe, such as 1m.")
    if dataset == "trades" and timeframe is not None:
        raise BadTimeframe(
            f"Trades have no timeframe; got {said.timeframe!r} for {said.instrument}."
        )
    return timeframe


def _all_right(whole: pa.RecordBatch, dataset: Dataset, grids: Grids) -> bool:
    """Whether nothing is wrong with any row. Series of several grids are not looked at."""
    first = grids[0]
    if any(grid is not first and grid != first for grid in grids):
        return False
    try:
        _check_values(whole, dataset, first, "the put")
    except InvalidRows:
        return False
    return True


def _check_values(
    rows: pa.RecordBatch, dataset: Dataset, grid: Timeframe | None, what: str
) -> None:
    check_not_null(rows, dataset.schema, what)
    if dataset.name == "candles":
        check_candles(rows, grid, what)
    elif dataset.name == "trades":
        check_trades(rows, what)


def _check_distinct(series: Sequence[SeriesRows]) -> None:
    """Rows of one series in two places have no order that could tell which of them wins."""
    names = [(said.instrument, said.timeframe) for said in series]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadRequest(
            f"The put names {twice[0]!r} twice; send all its rows together, or as two puts."
        )
