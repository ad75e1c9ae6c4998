"""Bars by count: so many trades, so much volume, or so much money, however long that takes.

The count begins anew with each day of a zone (or whatever windows are given), so that a trade that
is corrected changes the bars of its own day and no others. The last bar of a day may be smaller.

A bar of volume ends with the trade at which its volume, as the bar will show it, is the size or
more; a bar of dollars with the one at which the sum of |price * amount| of its trades is. That
trade belongs to it as a whole. Both sums are exact and rounded once (`exact_sums`), the products
rounded each, so bars do not depend on how the trades are cut into batches.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flightstore_proto.schemas import BATCH_ROWS_MAX
from flightstore_server.engine.aggregates.exact_sums import ExactSum, ends_of
from flightstore_server.engine.aggregates.reduce import Bars, columns_of, cut, floats_of
from flightstore_server.engine.aggregates.windows import Windows

Int64s = NDArray[np.int64]
Float64s = NDArray[np.float64]
_LARGEST = np.finfo(np.float64).max


class CountBars:
    """An iterator over CANDLES batches: the bars that `batches` of sorted TRADES make.

    A bar's `ts` is the time of its first trade; of bars of a day that begin at the same time, or
    would have to go back, each is one nanosecond after the one before it.

    After the last batch, `last_is_full` says whether the last bar of all has reached its size. Of
    the other bars, all are full but the last ones of their days, which are over. Bars are handed
    out once there are `enough` of them.
    """

    def __init__(
        self,
        batches: Iterable[pa.RecordBatch],
        kind: str,
        size: float,
        day_windows: Windows,
        *,
        enough: int = BATCH_ROWS_MAX,
    ) -> None:
        self._batches = batches
        self._enough = enough
        self._kind = kind
        self._days = day_windows
        self._counter: _Trades | _Sums = _Trades(int(size)) if kind == "tick" else _Sums(size)
        self._day: int | None = None
        self._last_ts = 0
        self._iterator = self._made()

    @property
    def last_is_full(self) -> bool:
        """Whether the newest bar is as large as it gets; True before there is one."""
        return self._counter.full

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self._iterator

    def __next__(self) -> pa.RecordBatch:
        return next(self._iterator)

    def _made(self) -> Iterator[pa.RecordBatch]:
        made = Bars()
        for batch in self._batches:
            if batch.num_rows:
                self._add(batch, made)
            if made.finished >= self._enough:
                yield from made.take()
        made.end()
        yield from made.take()

    def _add(self, batch: pa.RecordBatch, made: Bars) -> None:
        rows, sizes = columns_of(batch), self._sizes(batch)
        days, firsts = cut(rows.ts, self._days)
        ends = ends_of(firsts, len(rows.ts))
        for day, first, end in zip(days.tolist(), firsts.tolist(), ends.tolist(), strict=True):
            if day != self._day:
                self._counter.begin_anew()
            continues = not self._counter.full
            begun = self._counter.begun(sizes[first:end])
            ts = self._rising(rows.ts[first:end][begun], same_day=day == self._day)
            if continues:
                begun, ts = np.insert(begun, 0, 0), np.insert(ts, 0, 0)
            made.add(rows.part(first, end), ts, begun, continues=continues)
            self._day = day

    def _sizes(self, batch: pa.RecordBatch) -> Float64s:
        amount = floats_of(batch, "amount")
        if self._kind != "dollar":
            return amount
        with np.errstate(over="ignore"):  # money beyond the largest float is as much as that
            return np.minimum(np.abs(floats_of(batch, "price") * amount), _LARGEST)

    def _rising(self, ts: Int64s, *, same_day: bool) -> Int64s:
        """The times of bars whose first trades are at `ts`."""
        if not len(ts):
            return ts
        turn = np.arange(len(ts))
        earliest = ts - turn
        if same_day:
            earliest[0] = max(int(ts[0]), self._last_ts + 1)
        rising = np.maximum.accumulate(earliest) + turn
        self._last_ts = int(rising[-1])
        return rising


class _Trades:
    """Where bars of `size` trades begin."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._count = size

    @property
    def full(self) -> bool:
        return self._count == self._size

    def begin_anew(self) -> None:
        self._count = self._size

    def begun(self, sizes: Float64s) -> Int64s:
        """At which of the next rows, one for each of `sizes`, a bar begins."""
        first = self._size - self._count
        at = np.arange(first, len(sizes), self._size, dtype=np.int64)
        self._count = len(sizes) - int(at[-1]) if len(at) else self._count + len(sizes)
        return at


class _Sums:
    """Where bars begin that end when the sum of their rows' sizes is `size` or more."""

    def __init__(self, size: float) -> None:
        self._size = size
        self._sum = ExactSum()
        self.full = True

    def begin_anew(self) -> None:
        self._sum, self.full = ExactSum(), True

    def begun(self, sizes: Float64s) -> Int64s:
        """At which of the next rows, one for each of `sizes`, a bar begins."""
        at: list[int] = []
        first = 0
        with np.errstate(over="ignore"):
            total = np.add.accumulate(sizes)
        while first < len(sizes):
            if self.full:
                at.append(first)
                self.begin_anew()
            end = self._end(sizes, total, first)
            self.full = end <= len(sizes)
            if not self.full:
                self._sum.add(sizes[first:])
            first = end
        return np.array(at, np.int64)

    def _end(self, sizes: Float64s, total: Float64s, first: int) -> int:
        """After which row a bar that has its next row at `first` is full; len + 1 if after none."""
        before = float(total[first - 1]) if first else 0.0
        needed = self._size - self._sum.nearest()
        # More than all roundings in `total` and here can be wrong together.
        doubt = (len(sizes) + 8) * 2.0**-52 * (float(total[-1]) + self._size)
        least, enough = first, len(sizes)
        if math.isfinite(doubt):
            least = max(first, int(total.searchsorted(before + needed - doubt)))
            enough = int(total.searchsorted(before + needed + doubt))
        if least == enough:
            return enough + 1
        so_far = self._sum.plus(sizes[first:least])
        return least + so_far.reaches_after(sizes[least : enough + 1], self._size)
