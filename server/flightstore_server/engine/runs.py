"""Sorted runs of one series, and how several of them read as one.

A run is a segment or a folded memtable. Where runs do not overlap in time they are handed out as
they are, straight from the mapped file; only where they do overlap are rows merged, and the run
with the higher LSN wins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import pyarrow as pa

from flightstore_proto.schemas import BATCH_ROWS_MAX
from flightstore_server.engine.series import SeriesView
from flightstore_server.storage.rows import merge, ts_of, widen
from flightstore_server.storage.segment.segment import Segment
from flightstore_server.storage.segment.store import OpenSegment, SegmentStore


class Run(Protocol):
    """Rows with distinct, rising keys. `first` and `last` are inclusive bounds of ts.

    Where two runs hold the same key, the one of greater `age` wins: (LSN, segment id), since one
    bulk put may name a series twice.
    """

    first: int
    last: int
    age: tuple[int, int]
    rows: int

    def slices(self, start: int, end: int) -> Iterator[pa.RecordBatch]: ...
    def slices_backwards(self, start: int, end: int) -> Iterator[pa.RecordBatch]: ...


class MemoryRun:
    """A folded memtable."""

    __slots__ = ("_chunks", "age", "first", "last", "rows")

    def __init__(self, chunks: tuple[pa.RecordBatch, ...], lsn: int) -> None:
        self._chunks = chunks
        self.first = int(ts_of(chunks[0])[0])
        self.last = int(ts_of(chunks[-1])[-1])
        self.age = (lsn, 0)
        self.rows = sum(map(len, chunks))

    def slices(self, start: int, end: int) -> Iterator[pa.RecordBatch]:
        for chunk in self._chunks:
            yield from _cut(chunk, start, end)

    def slices_backwards(self, start: int, end: int) -> Iterator[pa.RecordBatch]:
        for chunk in reversed(self._chunks):
            yield from _cut(chunk, start, end)


class SegmentRun:
    """A segment; its file is opened when rows are wanted."""

    __slots__ = ("_store", "age", "first", "last", "rows", "schema", "segment")

    def __init__(self, segment: Segment, store: SegmentStore, schema: pa.Schema) -> None:
        self.segment = segment
        self._store = store
        self.schema = schema
        self.first = segment.min_ts
        self.last = segment.max_ts
        self.age = (segment.max_lsn, segment.id)
        self.rows = segment.rows

    def slices(self, start: int, end: int) -> Iterator[pa.RecordBatch]:
        return (widen(part, self.schema) for _, _, part in self.located(start, end))

    def slices_backwards(self, start: int, end: int) -> Iterator[pa.RecordBatch]:
        return (widen(part, self.schema) for _, _, part in self.located(start, end, step=-1))

    def file(self) -> OpenSegment:
        """Its file, mapped if it was not yet."""
        return self._store.open(self.segment, self.schema)

    def located(
        self, start: int, end: int, *, step: int = 1
    ) -> Iterator[tuple[OpenSegment, int, pa.RecordBatch]]:
        """Its rows as slices of the file's record batches: (file, number of the batch, slice)."""
        opened = self.file()
        visible = self.segment.visible
        for number in range(len(opened.entries))[::step]:
            entry = opened.entries[number]
            if entry.last_ts < start or entry.first_ts >= end:
                continue
            batch = opened.batch(number)
            parts = [batch] if visible is None else _seen(batch, opened.starts[number], visible)
            for part in parts[::step]:
                if start <= entry.first_ts and entry.last_ts < end:
                    yield opened, number, part
                else:
                    yield from ((opened, number, cut) for cut in _cut(part, start, end))


def _seen(
    batch: pa.RecordBatch, first_row: int, visible: Sequence[tuple[int, int]]
) -> list[pa.RecordBatch]:
    """The parts of `batch`, which begins at `first_row` of its file, that deletes have left."""
    end_row = first_row + len(batch)
    parts = []
    for low, high in visible:
        low, high = max(low, first_row), min(high, end_row)
        if low < high:
            parts.append(batch.slice(low - first_row, high - low))
    return parts


def _cut(batch: pa.RecordBatch, start: int, end: int) -> list[pa.RecordBatch]:
    """The rows of a sorted batch with start <= ts < end; no batch if there are none."""
    ts = ts_of(batch)
    if not len(ts) or ts[0] >= end or ts[-1] < start:
        return []
    low = int(ts.searchsorted(start)) if ts[0] < start else 0
    high = int(ts.searchsorted(end)) if ts[-1] >= end else len(ts)
    if low == 0 and high == len(ts):
        return [batch]
    return [batch.slice(low, high - low)] if low < high else []


def runs_of(view: SeriesView, store: SegmentStore) -> list[Run]:
    """The runs of a series, in no particular order."""
    runs: list[Run] = [SegmentRun(s, store, view.schema) for s in view.segments]
    for memory in view.memory:
        chunks = memory.sorted_chunks()
        if chunks:
            widened = tuple(widen(chunk, view.schema) for chunk in chunks)
            runs.append(MemoryRun(widened, memory.max_lsn))
    return runs


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of time [start, end) in which the same runs have rows."""

    start: int
    end: int
    runs: tuple[Run, ...]
    key_has_id: bool

    def batches(self, wanted: int = BATCH_ROWS_MAX) -> Iterator[pa.RecordBatch]:
        """Its rows in order. `wanted` says how many the caller will take, if it knows."""
        if len(self.runs) == 1:
            return self.runs[0].slices(self.start, self.end)
        return (b for low, high in self._windows(wanted) for b in self._merged(low, high))

    def batches_backwards(self, wanted: int = BATCH_ROWS_MAX) -> Iterator[pa.RecordBatch]:
        """The same batches from the last to the first."""
        if len(self.runs) == 1:
            return self.runs[0].slices_backwards(self.start, self.end)
        windows = self._windows_backwards(wanted)
        return (b for low, high in windows for b in self._merged(low, high)[::-1])

    def count(self) -> int:
        """How many rows it holds; opens no file where one run's own count answers."""
        only = self.runs[0]
        if len(self.runs) == 1 and self.start <= only.first and only.last < self.end:
            return only.rows
        return sum(batch.num_rows for batch in self.batches())

    def _windows(self, wanted: int) -> Iterator[tuple[int, int]]:
        """[start, end) in windows of about `wanted` rows: merging takes memory for one of them."""
        low = self.start
        for ts in self._borders(wanted):
            if ts > low:
                yield low, ts
                low = ts
        yield low, self.end

    def _windows_backwards(self, wanted: int) -> Iterator[tuple[int, int]]:
        high = self.end
        for ts in self._borders_backwards(wanted):
            if ts < high:
                yield ts, high
                high = ts
        if self.start < high:
            yield self.start, high

    def _borders(self, wanted: int) -> Iterator[int]:
        """Every so many rows of the largest run, the ts of the next one."""
        for batch in self._largest().slices(self.start, self.end):
            ts = ts_of(batch)
            step = _step(wanted)
            yield from (int(t) for t in ts[step::step])
            yield int(ts[-1])

    def _borders_backwards(self, wanted: int) -> Iterator[int]:
        for batch in self._largest().slices_backwards(self.start, self.end):
            ts = ts_of(batch)
            step = _step(wanted)
            yield from (int(t) for t in ts[::-1][step::step])
            yield int(ts[0])

    def _largest(self) -> Run:
        return max(self.runs, key=lambda run: run.rows)

    def _merged(self, start: int, end: int) -> list[pa.RecordBatch]:
        by_age = sorted(self.runs, key=lambda run: run.age)
        parts = [part for run in by_age for part in run.slices(start, end)]
        if not parts:
            return []
        rows = merge(parts, key_has_id=self.key_has_id)
        return [rows.slice(at, BATCH_ROWS_MAX) for at in range(0, len(rows), BATCH_ROWS_MAX)]


def _step(wanted: int) -> int:
    """Rows per window: a few times what is wanted, since runs hold the same rows."""
    return max(1_024, min(BATCH_ROWS_MAX, 2 * wanted))


def pieces(
    runs: Sequence[Run],
    start: int,
    end: int,
    *,
    key_has_id: bool,
    at_once: int = BATCH_ROWS_MAX,
) -> list[Piece]:
    """[start, end) of `runs` as pieces in time order.

    Runs that overlap and have at most `at_once` rows together are one piece: so few rows are merged
    in one go, instead of once between every two borders.
    """
    inside = [run for run in runs if run.first < end and run.last >= start]
    inside.sort(key=lambda run: run.first)
    found: list[Piece] = []
    for cluster in _clusters(inside):
        if len(cluster) == 1:
            run = cluster[0]
            found.append(Piece(max(start, run.first), min(end, run.last + 1), (run,), key_has_id))
        elif sum(run.rows for run in cluster) <= at_once:
            low, high = min(r.first for r in cluster), max(r.last for r in cluster) + 1
            found.append(Piece(max(start, low), min(end, high), tuple(cluster), key_has_id))
        else:
            found.extend(_sweep(cluster, start, end, key_has_id))
    return found


def _clusters(runs: Sequence[Run]) -> Iterator[list[Run]]:
    """Groups of runs, sorted by their start, that overlap directly or through others."""
    cluster: list[Run] = []
    reach = 0
    for run in runs:
        if cluster and run.first > reach:
            yield cluster
            cluster = []
        reach = max(reach, run.last) if cluster else run.last
        cluster.append(run)
    if cluster:
        yield cluster


def _sweep(cluster: Sequence[Run], start: int, end: int, key_has_id: bool) -> Iterator[Piece]:
    borders = {max(start, run.first) for run in cluster} | {
        min(end, run.last + 1) for run in cluster
    }
    points = sorted(borders)
    waiting: Piece | None = None
    for low, high in pairwise(points):
        active = tuple(run for run in cluster if run.first < high and run.last >= low)
        if not active:
            continue
        piece = Piece(low, high, active, key_has_id)
        if waiting is not None and waiting.end == low and waiting.runs == active:
            waiting = Piece(waiting.start, high, active, key_has_id)
            continue
        if waiting is not None:
            yield waiting
        waiting = piece
    if waiting is not None:
        yield waiting
