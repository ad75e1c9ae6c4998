"""Reading one series: a view, a range, and how many rows from which end."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from flightstore_proto.schemas import BATCH_ROWS_MAX
from flightstore_server.engine.runs import Piece, pieces, runs_of
from flightstore_server.engine.series import SeriesView
from flightstore_server.storage.segment.store import SegmentStore


def read(
    view: SeriesView, store: SegmentStore, start: int, end: int, *, limit: int = 0, tail: int = 0
) -> Iterator[pa.RecordBatch]:
    """The rows of `view` in [start, end), in key order: the first `limit` or last `tail`, or all.

    Batches are never empty and have every column of the dataset. Raises Corrupt where they come
    from a damaged file.
    """
    if not (limit or tail or view.memory) and len(view.segments) == 1:
        only = view.segments[0]
        if only.visible is None and start <= only.min_ts and only.max_ts < end:
            # Most series of a wide read are one small file: nothing to plan.
            return store.open(only, view.schema).batches(view.schema)
    parts = pieces_of(view, store, start, end)
    if tail:
        return iter(_last_rows(parts, tail))
    wanted = limit or BATCH_ROWS_MAX
    batches = (batch for piece in parts for batch in piece.batches(wanted) if batch.num_rows)
    return first_rows(batches, limit) if limit else batches


def pieces_of(view: SeriesView, store: SegmentStore, start: int, end: int) -> list[Piece]:
    """[start, end) of `view` in time order, in pieces that no other runs have rows of."""
    runs = runs_of(view, store)
    return pieces(runs, start, end, key_has_id=view.series.dataset.key_has_id)


def first_rows(batches: Iterator[pa.RecordBatch], count: int) -> Iterator[pa.RecordBatch]:
    """The first `count` rows of `batches`; no more of them are asked for than it takes."""
    for batch in batches:
        yield batch.slice(0, min(count, batch.num_rows))
        count -= batch.num_rows
        if count <= 0:
            return


def _last_rows(parts: list[Piece], count: int) -> list[pa.RecordBatch]:
    found: list[pa.RecordBatch] = []
    for piece in reversed(parts):
        for batch in piece.batches_backwards(count):
            found.append(batch.slice(max(0, batch.num_rows - count)))
            count -= batch.num_rows
            if count <= 0:
                return found[::-1]
    return found[::-1]


def count_rows(view: SeriesView, store: SegmentStore, start: int, end: int) -> int:
    """How many rows `view` has in [start, end)."""
    return sum(piece.count() for piece in pieces_of(view, store, start, end))


def bounds(view: SeriesView, store: SegmentStore) -> tuple[int, int] | None:
    """The first and last ts of `view`, or None while it holds nothing."""
    runs = runs_of(view, store)
    if not runs:
        return None
    return min(run.first for run in runs), max(run.last for run in runs)
