"""Rows for the times of the grid that have none."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from flightstore_server.engine.aggregates.windows import END, Windows
from flightstore_server.engine.resampling.asked import Fill
from flightstore_server.engine.resampling.grids import at_times, check_on_grid
from flightstore_server.engine.series import SeriesView
from flightstore_server.engine.wide_reads import batch_rows_max, empty
from flightstore_server.storage.rows import Int64s, ts_of

Bools = NDArray[np.bool_]


class Filler:
    """Adds rows to those of `view`, which begin windows of `windows`.

    Added rows are null beside their `ts`, or say what the row before says: of bars only its close,
    as all four prices, and no volume. `before` is the row before the first one, if there is one.
    """

    def __init__(
        self,
        view: SeriesView,
        windows: Windows,
        fill: Fill,
        schema: pa.Schema,
    ) -> None:
        self._view = view
        self._windows = windows
        self._add = self._nulls if fill is Fill.NULL else self._forward
        self._schema = schema
        self.before: pa.RecordBatch | None = None
        self._are_bars = view.series.dataset.name == "candles" or view.series.derived is not None
        self._rows_max = batch_rows_max(schema)

    def filled(
        self, batches: Iterator[pa.RecordBatch], start: int, end: int
    ) -> Iterator[pa.RecordBatch]:
        """The rows of `batches`, which lie in [start, end), and one for each other window there."""
        at = self._windows.ceil(start)
        for batch in batches:
            first, last = ts_of(batch)[:1], int(ts_of(batch)[-1])
            check_on_grid(first, self._windows.floors(first), self._view)
            yield from self._stretch(batch, at, last + 1)
            at = self._windows.ceil(last + 1)
        yield from self._stretch(empty(self._schema), at, end)

    def _stretch(self, rows: pa.RecordBatch, low: int, high: int) -> Iterator[pa.RecordBatch]:
        """The windows from the one that begins at `low` to before `high`; `rows` lie in there."""
        ts, done = ts_of(rows), 0
        while low < high:
            some = low + self._rows_max * self._windows.typical_ns
            end = min(high, self._windows.ceil(min(some, END)))
            until = len(ts) if end == high else int(ts.searchsorted(end))
            yield self._piece(rows.slice(done, until - done), self._windows.starts(low, end))
            done, low = until, end

    def _piece(self, rows: pa.RecordBatch, points: Int64s) -> pa.RecordBatch:
        """One row for each of `points`; `rows` are at some of them."""
        ts = ts_of(rows)
        at = np.arange(len(ts)) if len(ts) == len(points) else points.searchsorted(ts)
        check_on_grid(ts, points[np.minimum(at, len(points) - 1)], self._view)
        if len(ts) < len(points):
            held = np.full(len(points), -1, np.int64)
            held[at] = np.arange(len(ts))
            rows = at_times(self._add(rows, held), points)
        self.before = rows.slice(len(rows) - 1)
        return pa.RecordBatch.from_arrays(rows.columns, schema=self._schema)

    def _nulls(self, rows: pa.RecordBatch, held: Int64s) -> pa.RecordBatch:
        return rows.take(_int64s(held, held >= 0))

    def _forward(self, rows: pa.RecordBatch, held: Int64s) -> pa.RecordBatch:
        absent, first = held < 0, 0
        if self.before is not None:
            rows, first = pa.concat_batches([self.before, rows]), 1
        # Where there is no row yet there is one before: the first window of a life has rows.
        made = rows.take(_int64s(np.maximum.accumulate(held) + first))
        return _flat_where(made, absent) if self._are_bars else made


def _flat_where(bars: pa.RecordBatch, absent: Bools) -> pa.RecordBatch:
    """`bars`, with those that are absent staying at their close, without volume."""
    mask, close = _bools(absent), bars.column("close")
    said = {"open": close, "high": close, "low": close, "volume": pa.scalar(0.0)}
    columns = [
        pc.if_else(mask, said[name], column) if name in said else column
        for name, column in zip(bars.schema.names, bars.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=bars.schema)


def _bools(values: Bools) -> pa.Array:
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, _bits(values)])


def _int64s(values: Int64s, valid: Bools | None = None) -> pa.Array:
    # pa.array() would import pandas to ask whether it is given one of its own.
    validity = None if valid is None else _bits(valid)
    return pa.Array.from_buffers(pa.int64(), len(values), [validity, pa.py_buffer(values)])


def _bits(values: Bools) -> pa.Buffer:
    return pa.py_buffer(np.packbits(values, bitorder="little"))
