"""The rows of series of which all lie in files, and only once: found without planning a read."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from flightstore_server.engine.series import SeriesView
from flightstore_server.engine.training.row_index import RowIndex
from flightstore_server.storage.rows import Int64s
from flightstore_server.storage.segment.segment import Segment
from flightstore_server.storage.segment.store import SegmentStore

_BY_FIRST, _BY_LAST = attrgetter("min_ts"), attrgetter("max_ts")


class _Block(NamedTuple):
    """Rows `start` to `end` of a series, with some of their columns, and their `ts`."""

    start: int
    end: int
    batch: pa.RecordBatch
    times: Int64s


class FileRows:
    """The rows of segments that follow each other in time, numbered from 0 in key order.

    It answers as a RowIndex of them does. Files are not opened before rows in them are wanted.
    """

    __slots__ = ("_columns", "_kept", "_schema", "_segments", "_starts", "_store", "rows")

    def __init__(
        self,
        segments: Sequence[Segment],
        store: SegmentStore,
        schema: pa.Schema,
        columns: tuple[str, ...],
    ) -> None:
        self._segments, self._store = segments, store
        self._schema, self._columns = schema, columns
        self._starts = [0]
        for segment in segments:
            self._starts.append(self._starts[-1] + segment.rows)
        self.rows = self._starts.pop()
        self._kept: list[_Block] = []

    def before(self, ts: int) -> int:
        """How many rows come before the time `ts`."""
        which = bisect_left(self._segments, ts, key=_BY_LAST)
        if which == len(self._segments):
            return self.rows
        start, segment = self._starts[which], self._segments[which]
        if ts <= segment.min_ts:
            return start
        opened = self._store.open(segment, self._schema)
        number = bisect_left(opened.entries, ts, key=attrgetter("last_ts"))
        block = self._block(start + opened.starts[number])
        return block.start + int(np.searchsorted(block.times, ts))

    def window(self, first: int, length: int) -> tuple[int, list[pa.RecordBatch]]:
        """The `ts` of row `first`, and `length` rows from it on, which all exist, in parts."""
        if len(self._kept) > 1:  # windows that come in order do not return to passed ones
            self._kept = [block for block in self._kept if block.end > first]
        block = self._block(first)
        offset = first - block.start
        parts = [block.batch.slice(offset, length)]
        reached = block.end
        while reached < first + length:
            following = self._block(reached)
            parts.append(following.batch.slice(0, first + length - reached))
            reached = following.end
        return int(block.times[offset]), parts

    def _block(self, row: int) -> _Block:
        """The record batch that holds row `row`."""
        for block in self._kept:
            if block.start <= row < block.end:
                return block
        which = bisect_right(self._starts, row) - 1
        start = self._starts[which]
        opened = self._store.open(self._segments[which], self._schema)
        number = bisect_right(opened.starts, row - start) - 1
        _, batch, times = opened.picked(number, self._columns, self._schema)
        begins, ends = opened.starts[number : number + 2]
        block = _Block(start + begins, start + ends, batch, times)
        self._kept.append(block)
        return block


def rows_of(view: SeriesView, store: SegmentStore, columns: tuple[str, ...]) -> FileRows | RowIndex:
    """The rows of `view`, with `columns` of them, found in the fastest way there is."""
    segments: Sequence[Segment] = view.segments
    if len(segments) > 1:
        segments = sorted(segments, key=_BY_FIRST)
    if view.memory or not _follow_each_other(segments):
        return RowIndex(view, store, columns)
    return FileRows(segments, store, view.schema, columns)


def _follow_each_other(segments: Sequence[Segment]) -> bool:
    """Whether they do, and nothing in them was deleted."""
    reached = None
    for segment in segments:
        if segment.visible is not None or (reached is not None and segment.min_ts <= reached):
            return False
        reached = segment.max_ts
    return True
