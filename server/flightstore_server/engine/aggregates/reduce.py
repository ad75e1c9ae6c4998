"""Bars from rows: open, high, low, close and volume of each window that has rows.

The rows are trades or shorter candles, sorted by key, and come in batches that may end anywhere: a
window that is cut by the end of a batch is put together again, as if it had never been cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flightstore_proto.schemas import BATCH_ROWS_MAX, CANDLES
from flightstore_server.engine.aggregates.exact_sums import ExactSum, ends_of, window_sums
from flightstore_server.engine.aggregates.windows import Windows
from flightstore_server.storage.rows import ts_of

Int64s = NDArray[np.int64]
Float64s = NDArray[np.float64]
# Finding a window among the rows costs as much as finding the windows of so many rows.
_ROWS_PER_SEARCH = 16
_INT64S_PER_CACHE_LINE = 8


class Columns(NamedTuple):
    """Columns of bars: those of a CANDLES batch, or the same of each trade by itself."""

    ts: Int64s
    open: Float64s
    high: Float64s
    low: Float64s
    close: Float64s
    volume: Float64s

    def part(self, first: int, end: int) -> Columns:
        """Rows `first` to before `end`."""
        rows = slice(first, end)
        prices = (self.open[rows], self.high[rows], self.low[rows], self.close[rows])
        return Columns(self.ts[rows], *prices, self.volume[rows])


def bars(
    batches: Iterable[pa.RecordBatch],
    windows: Windows,
    *,
    spacing: int = 0,
    enough: int = BATCH_ROWS_MAX,
) -> Iterator[pa.RecordBatch]:
    """CANDLES rows, one for each window with rows in `batches`; `ts` is the window's start.

    The batches have the TRADES or CANDLES columns and rise by key, from one to the next too. Open
    and close are of the first and last row, and the volume is rounded once, from its exact sum.
    Rows that are bars on a grid are a multiple of `spacing` ns apart. Bars are handed out once
    there are `enough` of them.
    """
    made = Bars()
    at = None
    for batch in batches:
        if not batch.num_rows:
            continue
        rows = columns_of(batch)
        starts, firsts = cut(rows.ts, windows, spacing)
        made.add(rows, starts, firsts, continues=starts[0] == at)
        at = starts[-1]
        if made.finished >= enough:
            yield from made.take()
    made.end()
    yield from made.take()


def columns_of(batch: pa.RecordBatch) -> Columns:
    """The columns of a batch of trades or candles that make bars, without a copy."""
    if "price" in batch.schema.names:
        price, amount = floats_of(batch, "price"), floats_of(batch, "amount")
        return Columns(ts_of(batch), price, price, price, price, amount)
    return Columns(ts_of(batch), *(floats_of(batch, name) for name in CANDLES.names[1:]))


def floats_of(batch: pa.RecordBatch, name: str) -> Float64s:
    """A float64 column without nulls as an array on the same memory."""
    column = batch.column(name)
    if not len(column):
        return np.empty(0, np.float64)
    return np.frombuffer(column.buffers()[1], np.float64, len(column), column.offset * 8)


def cut(ts: Int64s, windows: Windows, spacing: int = 0) -> tuple[Int64s, Int64s]:
    """The starts of the windows that hold the sorted times `ts`, and where each one's rows begin.

    There is at least one time; with `spacing` they differ, by multiples of so many ns.
    """
    low, high = int(ts[0]), int(ts[-1])
    none_absent = spacing > 0 and high - low == (len(ts) - 1) * spacing
    if none_absent or _few(high - low, len(ts), windows):
        starts = windows.starts(low, high + 1)
        if none_absent:
            firsts = np.maximum((starts - (low - spacing + 1)) // spacing, 0)
        else:
            # The search jumps about. Once the rows have been walked through in order, they are in
            # the processor's cache, and it takes half the time.
            ts[::_INT64S_PER_CACHE_LINE].max()
            firsts = np.searchsorted(ts, starts)
        if (firsts[1:] > firsts[:-1]).all():
            return starts, firsts
        held = ends_of(firsts, len(ts)) > firsts
        return starts[held], firsts[held]
    floors = windows.floors(ts)
    firsts = np.flatnonzero(floors[1:] != floors[:-1])
    firsts += 1
    firsts = np.concatenate((np.zeros(1, np.int64), firsts))
    return floors[firsts], firsts


def _few(span: int, rows: int, windows: Windows) -> bool:
    """Whether so short a time has few enough windows that each is searched for."""
    timeframe = windows.timeframe
    return timeframe.months > 0 or span // timeframe.step_ns <= rows // _ROWS_PER_SEARCH


class Bars:
    """Bars in the making: those that are finished, and one that more rows may belong to."""

    def __init__(self) -> None:
        self._finished: list[Columns] = []
        self._open: _OpenBar | None = None
        self.finished = 0

    def add(self, rows: Columns, starts: Int64s, firsts: Int64s, *, continues: bool) -> None:
        """Add rows: a bar begins at each of the positions `firsts`, and its ts is in `starts`.

        With `continues` the first of them is a part of the open bar, which keeps its ts.
        """
        begun = 0
        if continues and self._open is not None:
            begun = 1
            self._open.add(rows.part(0, int(firsts[1]) if len(firsts) > 1 else len(rows.ts)))
        if begun == len(firsts):
            return
        self.end()
        first, last = int(firsts[begun]), int(firsts[-1])
        if first < last:
            whole = firsts[begun:-1] - first
            self._finish(_reduced(rows.part(first, last), starts[begun:-1], whole))
        self._open = _OpenBar(int(starts[-1]), rows.part(last, len(rows.ts)))

    def end(self) -> None:
        """The open bar is finished: no more rows belong to it."""
        if self._open is not None:
            self._finish(self._open.row())
            self._open = None

    def take(self) -> Iterator[pa.RecordBatch]:
        """Hand out the finished bars."""
        if not self.finished:
            return
        columns = [np.concatenate(pieces) for pieces in zip(*self._finished, strict=True)]
        self._finished, self.finished = [], 0
        for at in range(0, len(columns[0]), BATCH_ROWS_MAX):
            yield _batch([column[at : at + BATCH_ROWS_MAX] for column in columns])

    def _finish(self, rows: Columns) -> None:
        self._finished.append(rows)
        self.finished += len(rows.ts)


def _reduced(rows: Columns, starts: Int64s, firsts: Int64s) -> Columns:
    """The bars of `rows`, which are whole ones."""
    # The two that read every row go first: what they leave in the cache, the others pick from.
    high = np.maximum.reduceat(rows.high, firsts)
    low = np.minimum.reduceat(rows.low, firsts)
    lasts = ends_of(firsts, len(rows.ts)) - 1
    opened, close = rows.open[firsts], rows.close[lasts]
    return Columns(starts, opened, high, low, close, window_sums(rows.volume, firsts))


class _OpenBar:
    """A bar of which only some rows are known."""

    def __init__(self, ts: int, rows: Columns) -> None:
        self._ts = ts
        self._first = float(rows.open[0])
        self._high = float(rows.high.max())
        self._low = float(rows.low.min())
        self._close = float(rows.close[-1])
        self._volume = ExactSum()
        self._volume.add(rows.volume)

    def add(self, rows: Columns) -> None:
        self._high = max(self._high, float(rows.high.max()))
        self._low = min(self._low, float(rows.low.min()))
        self._close = float(rows.close[-1])
        self._volume.add(rows.volume)

    def row(self) -> Columns:
        volume = self._volume.nearest()
        values = np.array([[self._first], [self._high], [self._low], [self._close], [volume]])
        return Columns(np.array([self._ts], np.int64), *values)


def _batch(columns: list[NDArray[np.int64] | Float64s]) -> pa.RecordBatch:
    # pa.array() would import pandas to ask whether it is given one of its own.
    arrays = [
        pa.Array.from_buffers(field.type, len(column), [None, pa.py_buffer(column)])
        for field, column in zip(CANDLES, columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=CANDLES)
