"""Where the rows of a view lie: found by their number or by their time, and read when wanted."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate

import numpy as np
import pyarrow as pa

from flightstore_proto.timerange import TS_MAX, TS_MIN
from flightstore_server.engine.runs import Piece, SegmentRun, pieces, runs_of
from flightstore_server.engine.series import SeriesView
from flightstore_server.storage.rows import Int64s, ts_of, widen
from flightstore_server.storage.segment.store import OpenSegment, SegmentStore


@dataclass(frozen=True, slots=True)
class Block:
    """Rows that follow each other, at least one: the ts of the first and the last, how many, and
    a way to read them."""

    first: int
    last: int
    rows: int
    load: Callable[[], pa.RecordBatch]

    @classmethod
    def of(cls, batch: pa.RecordBatch) -> Block:
        """A block of rows that are at hand."""
        ts = ts_of(batch)
        return cls(int(ts[0]), int(ts[-1]), len(ts), lambda: batch)


class RowIndex:
    """The rows of one view, numbered from 0 in key order, with some of its columns.

    What segments hold is read block by block as it is asked for, and kept until a later block is.
    Where runs overlap, the merged rows are held for as long as this is.
    """

    __slots__ = ("_columns", "_kept", "_lasts", "blocks", "rows", "starts")

    def __init__(
        self, view: SeriesView, store: SegmentStore, columns: Sequence[str] = ("ts",)
    ) -> None:
        runs = runs_of(view, store)
        key_has_id = view.series.dataset.key_has_id
        parts = pieces(runs, TS_MIN, TS_MAX + 1, key_has_id=key_has_id)
        self.blocks: Sequence[Block] = [block for part in parts for block in _blocks(part)]
        self.starts = [0, *accumulate(block.rows for block in self.blocks)]
        self.rows = self.starts.pop()
        self._lasts = [block.last for block in self.blocks]
        self._columns = list(columns)
        self._kept: dict[int, tuple[pa.RecordBatch, Int64s]] = {}

    def before(self, ts: int) -> int:
        """How many rows come before the time `ts`."""
        number = bisect_left(self._lasts, ts)
        if number == len(self.blocks):
            return self.rows
        if ts <= self.blocks[number].first:
            return self.starts[number]
        return self.starts[number] + int(np.searchsorted(self.times(number), ts))

    def time_of(self, row: int) -> int:
        """The `ts` of row `row`."""
        number = bisect_right(self.starts, row) - 1
        offset = row - self.starts[number]
        return int(self.times(number)[offset]) if offset else self.blocks[number].first

    def times(self, number: int) -> Int64s:
        """The `ts` of the rows of block `number`."""
        return self._loaded(number)[1]

    def window(self, first: int, length: int) -> tuple[int, list[pa.RecordBatch]]:
        """The `ts` of row `first`, and `length` rows from it on, which all exist, in parts."""
        number = bisect_right(self.starts, first) - 1
        if len(self._kept) > 1:
            self.forget_before(number)  # windows that come in order do not return to them
        offset = first - self.starts[number]
        batch, times = self._loaded(number)
        parts = [batch.slice(offset, length)]
        missing = length - parts[0].num_rows
        while missing:
            number += 1
            parts.append(self._loaded(number)[0].slice(0, missing))
            missing -= parts[-1].num_rows
        return int(times[offset]), parts

    def forget_before(self, number: int) -> None:
        """Let go of the rows of the blocks before block `number`."""
        for passed in [kept for kept in self._kept if kept < number]:
            del self._kept[passed]

    def _loaded(self, number: int) -> tuple[pa.RecordBatch, Int64s]:
        known = self._kept.get(number)
        if known is None:
            batch = self.blocks[number].load()
            known = self._kept[number] = batch.select(self._columns), ts_of(batch)
        return known


def _blocks(piece: Piece) -> Iterator[Block]:
    only = piece.runs[0]
    if len(piece.runs) == 1 and isinstance(only, SegmentRun):
        return _of_segment(only, piece.start, piece.end)
    return (Block.of(batch) for batch in piece.batches() if batch.num_rows)


def _of_segment(run: SegmentRun, start: int, end: int) -> Iterator[Block]:
    """The rows of a segment in [start, end); batches that are whole are not read before they are
    wanted, which may be never."""
    opened = run.file()
    for number, entry in enumerate(opened.entries):
        if entry.last_ts < start or entry.first_ts >= end:
            continue
        if run.segment.visible is None and start <= entry.first_ts and entry.last_ts < end:
            load = partial(_whole, run, opened, number)
            yield Block(entry.first_ts, entry.last_ts, entry.rows, load)
        else:
            low, high = max(start, entry.first_ts), min(end, entry.last_ts + 1)
            found = run.located(low, high)  # also of a neighbour, if they share a ts
            parts = [part for _, which, part in found if which == number]
            yield from (Block.of(widen(part, run.schema)) for part in parts)


def _whole(run: SegmentRun, opened: OpenSegment, number: int) -> pa.RecordBatch:
    return widen(opened.batch(number), run.schema)
