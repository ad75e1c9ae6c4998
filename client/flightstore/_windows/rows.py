"""Rows in memory or in mapped files, of which windows are copied as arrays of float64."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import pyarrow as pa

from flightstore._windows.places import Int64s
from flightstore._windows.values import Floats, floats


class Block:
    """The rows of one record batch, whose first column is `ts`."""

    __slots__ = ("_batch", "_columns", "columns", "matrix", "rows", "times")

    def __init__(self, batch: pa.RecordBatch) -> None:
        ts, *columns = batch.columns
        self._batch = batch  # whose memory `matrix` shows
        self._columns = [_ready(column) for column in columns]
        self.columns = len(columns)
        self.matrix = _matrix(self._columns)
        self.rows: int = batch.num_rows
        self.times: Int64s = np.frombuffer(ts.buffers()[1], np.int64, self.rows, ts.offset * 8)

    def copy(self, first: int, end: int, into: Floats) -> None:
        """Copy the rows in [first, end) into an array of (columns, rows)."""
        for number, column in enumerate(self._columns):
            if isinstance(column, np.ndarray):
                into[number] = column[first:end]
            else:
                into[number] = floats(column.slice(first, end - first))


def _ready(column: pa.Array) -> Floats | pa.Array:
    """A column of float64 as it lies in memory; another one is converted where it is copied."""
    if pa.types.is_float64(column.type) and not column.null_count:
        return np.frombuffer(column.buffers()[1], np.float64, len(column), column.offset * 8)
    return column


def _matrix(columns: Sequence[Floats | pa.Array]) -> Floats | None:
    """The columns as one array of (columns, rows), if they lie at equal distances.

    The columns of a record batch in a file do, and one copy is faster than one per column.
    """
    places = [c.ctypes.data if isinstance(c, np.ndarray) else None for c in columns]
    known = [place for place in places if place is not None]
    steps = set(np.diff(known).tolist())
    if len(known) < len(columns) or len(steps) > 1:
        return None
    first = columns[0]
    strides = (steps.pop() if steps else first.nbytes, first.itemsize)
    shape = (len(columns), len(first))
    return np.lib.stride_tricks.as_strided(first, shape, strides, writeable=False)


class Rows:
    """The rows of one series, numbered from 0 in key order."""

    __slots__ = ("_begins", "_blocks", "_lasts", "_matrices", "rows")

    def __init__(self, batches: Sequence[pa.RecordBatch]) -> None:
        self._blocks = [Block(batch) for batch in batches if batch.num_rows]
        self._begins = [0, *accumulate(block.rows for block in self._blocks)]
        self.rows = self._begins.pop()
        self._matrices = [block.matrix for block in self._blocks]
        self._lasts = [int(block.times[-1]) for block in self._blocks]

    def before(self, ts: int) -> int:
        """How many rows come before the time `ts`."""
        number = bisect_left(self._lasts, ts)
        if number == len(self._blocks):
            return self.rows
        return self._begins[number] + int(np.searchsorted(self._blocks[number].times, ts))

    def time_of(self, row: int) -> int:
        """The `ts` of row `row`."""
        number = bisect_right(self._begins, row) - 1
        return int(self._blocks[number].times[row - self._begins[number]])

    def window(self, row: int, length: int) -> Floats:
        """The rows from `row` on, `length` of them, which exist, as an array of (columns, rows).

        Nearly always without a copy: a view of the file.
        """
        number = bisect_right(self._begins, row) - 1
        first, matrix = row - self._begins[number], self._matrices[number]
        if matrix is not None:
            part = matrix[:, first : first + length]
            if part.shape[1] == length:
                return part
        into = np.empty((self._blocks[number].columns, length))
        self._copy_pieces(number, first, into)
        return into

    def _copy_pieces(self, number: int, first: int, into: Floats) -> None:
        done, wanted = 0, into.shape[1]
        while done < wanted:
            block = self._blocks[number]
            end = min(block.rows, first + wanted - done)
            block.copy(first, end, into[:, done : done + end - first])
            done += end - first
            number, first = number + 1, 0
