"""Bars that are not stored: made of shorter bars or of trades while they are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from flightstore_proto.schemas import BATCH_ROWS_MAX
from flightstore_proto.timerange import TS_MAX, TS_MIN
from flightstore_server.engine.aggregates.counting import CountBars
from flightstore_server.engine.aggregates.reduce import bars
from flightstore_server.engine.aggregates.windows import END, Windows
from flightstore_server.engine.reads import bounds, read
from flightstore_server.engine.series import Series, SeriesView
from flightstore_server.storage.rows import ts_of, widen
from flightstore_server.storage.segment.store import SegmentStore


@dataclass(frozen=True, slots=True)
class MadeView(SeriesView):
    """Bars that are to be made of the rows of `base`, one for each of the windows that has some.

    It holds no rows of its own. Of bars by count the windows are the days that they begin anew in.
    """

    base: SeriesView
    target: Target

    @property
    def windows(self) -> Windows:
        return self.target.windows


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be made of a series: `series` is what it is called, and holds nothing."""

    series: Series
    windows: Windows

    def over(self, base: SeriesView) -> MadeView:
        """The bars that the rows of `base` make."""
        schema = self.series.dataset.schema
        return MadeView(self.series, schema, (), (), base.coverage, base, self)

    def base_range(self, start: int, end: int) -> tuple[int, int]:
        """From where to where rows of the base are needed for bars that begin in [start, end)."""
        frame = self.series.timeframe
        # Any of a day's bars by count may begin at any of its times.
        by_count = frame is not None and frame.count
        low = self.windows.floor(start) if by_count else self.windows.ceil(start)
        return low, self.windows.ceil(end)


class Made:
    """The bars of a MadeView, each of all base rows of its window, however short the range is.

    What is known of the base up to `closed_until` is final; None: bars that are not over count too.
    """

    def __init__(self, view: MadeView, store: SegmentStore, closed_until: int | None) -> None:
        self._view = view
        self._store = store
        self._closed = None if closed_until is None else view.windows.floor(closed_until)
        self._count = None if view.series.timeframe is None else view.series.timeframe.count
        # Of a day's bars by count all but the last one are over.
        self.end = END if self._closed is None or self._count else self._closed

    def read(
        self, start: int, end: int, *, limit: int = 0, tail: int = 0
    ) -> Iterator[pa.RecordBatch]:
        """The bars that begin in [start, end): the first `limit`, the last `tail`, or all."""
        if tail:
            return iter(self._last(start, end, tail))
        return self._first(start, end, limit or BATCH_ROWS_MAX)

    def held(self) -> tuple[int, int] | None:
        """Where the first and the last window with rows begin; None if there are no rows."""
        held = bounds(self._view.base, self._store)
        return None if held is None else (self._floor(held[0]), self._floor(held[1]))

    def _floor(self, ts: int) -> int:
        return self._view.windows.floor(ts)

    def _first(self, start: int, end: int, enough: int) -> Iterator[pa.RecordBatch]:
        made = self._counted if self._count else self._windowed
        for batch in made(start, end, enough):
            yield widen(batch, self._view.schema)

    def _windowed(self, start: int, end: int, enough: int) -> Iterator[pa.RecordBatch]:
        windows = self._view.windows
        low, high = windows.ceil(start), windows.ceil(min(end, self.end))
        if low < high:
            base = self._view.base
            rows, frame = read(base, self._store, low, high), base.series.timeframe
            spacing = 0 if frame is None else frame.step_ns
            yield from bars(rows, windows, spacing=spacing, enough=enough)

    def _counted(self, start: int, end: int, enough: int) -> Iterator[pa.RecordBatch]:
        view, frame = self._view, self._view.series.timeframe
        assert frame is not None
        low, high = view.windows.floor(start), view.windows.ceil(end)
        rows = read(view.base, self._store, low, high)
        made = CountBars(rows, frame.count, frame.size, view.windows, enough=enough)
        last: pa.RecordBatch | None = None
        for batch in made:
            if last is not None:
                yield from _within(last, start, end)
            last = batch
        if last is not None:
            over = self._closed is None or made.last_is_full or ts_of(last)[-1] < self._closed
            yield from _within(last if over else last.slice(0, len(last) - 1), start, end)

    def _last(self, start: int, end: int, count: int) -> list[pa.RecordBatch]:
        """The last bars, from stretches of the base that reach back further and further."""
        held = self.held()
        if held is None:
            return []
        windows, found = self._view.windows, list[pa.RecordBatch]()
        low, high = max(windows.floor(start), held[0]), min(end, windows.after(held[1]))
        length = count * windows.typical_ns
        while count > 0 and low < high:
            begin = max(low, windows.floor(max(high - length, TS_MIN)))
            batches = list(self._first(max(begin, start), high, BATCH_ROWS_MAX))
            for batch in reversed(batches):
                found.append(batch.slice(max(0, len(batch) - max(count, 0))))
                count -= len(batch)
            high, length = begin, 2 * length
        return [batch for batch in reversed(found) if len(batch)]


def _within(batch: pa.RecordBatch, start: int, end: int) -> Iterator[pa.RecordBatch]:
    """The rows of `batch` in [start, end), if there are any."""
    ts = ts_of(batch)
    low = int(ts.searchsorted(start))
    high = len(ts) if end > TS_MAX else int(ts.searchsorted(end))
    if low < high:
        yield batch.slice(low, high - low)
