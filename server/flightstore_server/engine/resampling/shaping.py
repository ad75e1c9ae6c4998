"""Rows on their way from a view to a reader: made, filled, cut to so many, labelled.

Only reads that ask for one of these come through here; others hand out what is stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import pyarrow as pa

from flightstore_proto.schemas import BATCH_ROWS_MAX
from flightstore_proto.timerange import TS_MIN
from flightstore_server.engine.aggregates.windows import END, Windows
from flightstore_server.engine.columns import projected
from flightstore_server.engine.reads import first_rows, read
from flightstore_server.engine.resampling.asked import Fill
from flightstore_server.engine.resampling.filling import Filler
from flightstore_server.engine.resampling.grids import labelled_by_close, require_grid
from flightstore_server.engine.resampling.made import Made, MadeView
from flightstore_server.engine.series import SeriesView
from flightstore_server.storage.rows import ts_of
from flightstore_server.storage.segment.store import SegmentStore

FILL = "which rows are to be filled in"
LABEL = "when its rows close"


class Rows(Protocol):
    """Where rows come from: what is stored, or what is made of it. From `end` on there are none."""

    end: int

    def read(
        self, start: int, end: int, *, limit: int = 0, tail: int = 0
    ) -> Iterator[pa.RecordBatch]: ...


class Stored:
    """The rows of a view as they are."""

    def __init__(self, view: SeriesView, store: SegmentStore) -> None:
        self._view = view
        self._store = store
        self.end = END

    def read(
        self, start: int, end: int, *, limit: int = 0, tail: int = 0
    ) -> Iterator[pa.RecordBatch]:
        return read(self._view, self._store, start, end, limit=limit, tail=tail)


class Shaping:
    """What becomes of the rows of one series. Columns besides `names`, if any, may be left out."""

    def __init__(
        self,
        view: SeriesView,
        store: SegmentStore,
        closed_until: int | None,
        names: Sequence[str] | None = None,
    ) -> None:
        self._view = view
        self._names = names
        self._rows: Rows = Stored(view, store)
        if isinstance(view, MadeView):
            self._rows = Made(view, store, closed_until)

    def rows(
        self, start: int, end: int, limit: int, tail: int, fill: Fill | None, *, label_close: bool
    ) -> Iterator[pa.RecordBatch]:
        """The rows of [start, end)."""
        if fill is None:
            batches = self._rows.read(start, end, limit=limit, tail=tail)
        else:
            batches = self._filled(start, end, limit, tail, fill)
        if limit:
            batches = first_rows(batches, limit)
        if not label_close:
            return batches
        return labelled_by_close(batches, require_grid(self._view, LABEL), self._view)

    def _filled(
        self, start: int, end: int, limit: int, tail: int, fill: Fill
    ) -> Iterator[pa.RecordBatch]:
        windows = require_grid(self._view, FILL)
        first, until = self._life(windows)
        start, end = max(start, first), min(end, until, self._rows.end)
        if tail:
            start = start_of_last(windows, start, end, tail)
        if start >= end:
            return iter(())
        names = self._view.schema.names
        if self._names is not None:
            # Absent bars stay at the close.
            names = [name for name in names if name in self._names or name == "close"]
        rows = (batch.select(names) for batch in self._rows.read(start, end, limit=limit))
        schema = projected(filled_schema(self._view.schema, fill), names)
        filler = Filler(self._view, windows, fill, schema)
        if fill is Fill.FORWARD:
            for before in self._rows.read(TS_MIN, start, tail=1):
                filler.before = before.select(names)
        return filler.filled(rows, start, end)

    def _life(self, windows: Windows) -> tuple[int, int]:
        """From the first row to the end of the last one's window, or of what is covered."""
        first = next(self._rows.read(TS_MIN, END, limit=1), None)
        last = next(self._rows.read(TS_MIN, END, tail=1), None)
        if first is None or last is None:
            return 0, 0
        covered = self._view.coverage[-1][1] if self._view.coverage else TS_MIN
        end = windows.after(windows.floor(int(ts_of(last)[-1])))
        return int(ts_of(first)[0]), max(end, covered)


def filled_schema(schema: pa.Schema, fill: Fill | None) -> pa.Schema:
    """`schema` for rows that are filled: with nulls in all columns but `ts`, where there may be."""
    if fill is not Fill.NULL:
        return schema
    return pa.schema([schema.field(0), *(field.with_nullable(True) for field in list(schema)[1:])])


def start_of_last(windows: Windows, start: int, end: int, count: int) -> int:
    """Where the last `count` windows begin of those that begin in [start, end)."""
    low = windows.ceil(start)
    while low < end:
        wanted = min(count, BATCH_ROWS_MAX)
        begin = max(low, windows.floor(max(end - wanted * windows.typical_ns, TS_MIN)))
        starts = windows.starts(begin, end)
        if len(starts) >= count:
            return int(starts[-count])
        count, end = count - len(starts), begin
    return low
