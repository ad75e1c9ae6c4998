"""Cutting a range out of a series' segments, without touching their files.

A segment wholly inside the range is dropped; one that straddles it keeps the rest of its rows
visible. The compactor rewrites such files later.
"""

from __future__ import annotations

import pyarrow as pa

from flightstore_server.engine.series import Segments
from flightstore_server.storage.rows import ts_of
from flightstore_server.storage.segment.segment import RowRanges, Segment
from flightstore_server.storage.segment.store import OpenSegment, SegmentStore


def trim_segments(
    segments: Segments, start: int, end: int, store: SegmentStore, schema: pa.Schema
) -> Segments:
    """`segments` without the rows whose ts lies in [start, end).

    Raises Corrupt if a segment that straddles a border cannot be read.
    """
    kept: list[Segment] = []
    for segment in segments:
        if segment.max_ts < start or segment.min_ts >= end:
            kept.append(segment)
        elif segment.min_ts < start or segment.max_ts >= end:
            trimmed = _trim(segment, start, end, store.open(segment, schema))
            kept.extend([trimmed] if trimmed.rows else [])
    return tuple(kept)


def _trim(segment: Segment, start: int, end: int, opened: OpenSegment) -> Segment:
    cut = (_row_at(opened, start), _row_at(opened, end))
    visible = _without(segment.row_ranges(), *cut)
    if not visible:
        return segment.trimmed((), 0, 0)
    first, last = visible[0][0], visible[-1][1] - 1
    return segment.trimmed(visible, _ts_at(opened, first), _ts_at(opened, last))


def _without(ranges: RowRanges, start: int, end: int) -> RowRanges:
    kept = []
    for low, high in ranges:
        kept += [(low, min(high, start)), (max(low, end), high)]
    return tuple((low, high) for low, high in kept if low < high)


def _row_at(opened: OpenSegment, ts: int) -> int:
    """The first row of the file whose ts is at or after `ts`."""
    for number, entry in enumerate(opened.entries):
        if ts <= entry.first_ts:
            return opened.starts[number]
        if ts <= entry.last_ts:
            return opened.starts[number] + int(ts_of(opened.batch(number)).searchsorted(ts))
    return opened.starts[-1]


def _ts_at(opened: OpenSegment, row: int) -> int:
    for number in range(len(opened.entries)):
        if row < opened.starts[number + 1]:
            return int(ts_of(opened.batch(number))[row - opened.starts[number]])
    return opened.entries[-1].last_ts
