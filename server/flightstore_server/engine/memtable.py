"""Rows of one series that are in the log and not yet in a segment.

Appending is a list append. Sorting and merging happen when somebody reads or flushes, and their
result replaces what it was made from, so a series written row by row costs each reader only what
came since the last one. A view is a few references, and what it made of them; its rows never
change.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from threading import RLock

import pyarrow as pa

from flightstore_proto.schemas import BATCH_ROWS_MAX
from flightstore_server.storage.rows import merge, ts_of, widen

# A tail chunk below this size takes the next rows in, which copies it; above, they start a new one.
_TAIL_ROWS_MAX = 4096
# So many appends are folded by the writer itself, so that no reader finds thousands. Small ones
# sooner, since unfolded each takes a kilobyte: a day of single bars for 1,000 series, which is
# 69 MB, would be flushed 23 times.
PENDING_MAX = 512
_SMALL_PENDING_MAX = 32
_SMALL_BYTES = 4096

Chunks = tuple[pa.RecordBatch, ...]


@dataclass(slots=True)
class MemtableView:
    """A memtable as it stood: sorted chunks and the appends that were not folded in yet.

    They are folded once, however often the view is read: a derived series reads its base for each
    stretch of windows that a put has touched.
    """

    table: Memtable
    chunks: Chunks
    pending: list[pa.RecordBatch]
    pending_count: int
    max_lsn: int
    _folded: Chunks | None = field(default=None, compare=False, repr=False)

    def sorted_chunks(self) -> Chunks:
        """The rows in key order, one per key, as batches of which each follows the one before."""
        if not self.pending_count:
            return self.chunks
        if self._folded is None:
            pending = self.pending[: self.pending_count]
            self._folded = fold(self.chunks, pending, self.table.key_has_id)
            self.table.replace(self, self._folded)  # unless somebody else has folded it since
        return self._folded


class Memtable:
    """Owned by one series; appended to by the committer under the state lock."""

    __slots__ = ("_lock", "bytes", "chunks", "key_has_id", "max_lsn", "min_lsn", "pending", "rows")

    def __init__(self, key_has_id: bool, lock: RLock) -> None:
        self.key_has_id = key_has_id
        self.chunks: Chunks = ()
        self.pending: list[pa.RecordBatch] = []
        self.min_lsn = 0
        self.max_lsn = 0
        self.rows = 0
        self.bytes = 0
        self._lock = lock

    def append(self, batch: pa.RecordBatch, lsn: int, size: int) -> None:
        """Add rows with distinct, rising keys. The caller holds the state lock."""
        self.pending.append(batch)
        self.min_lsn = self.min_lsn or lsn
        self.max_lsn = lsn
        self.rows += batch.num_rows
        self.bytes += size
        if len(self.pending) >= (_SMALL_PENDING_MAX if size < _SMALL_BYTES else PENDING_MAX):
            self.chunks = fold(self.chunks, self.pending, self.key_has_id)
            self.pending = []
            self.bytes = self.rows * 8 * batch.num_columns

    def view(self) -> MemtableView:
        """The rows as of now. The caller holds the state lock."""
        return MemtableView(self, self.chunks, self.pending, len(self.pending), self.max_lsn)

    def replace(self, view: MemtableView, folded: Chunks) -> None:
        """Put the folded form of `view` in its place, unless another thread was faster."""
        with self._lock:
            if self.pending is view.pending:
                self.chunks = folded
                self.pending = self.pending[view.pending_count :]

    def without(self, start: int, end: int) -> Memtable:
        """A memtable with the rows outside [start, end). The caller holds the state lock."""
        kept = Memtable(self.key_has_id, self._lock)
        chunks = fold(self.chunks, self.pending, self.key_has_id)
        kept.chunks = tuple(part for chunk in chunks for part in _outside(chunk, start, end))
        kept.min_lsn, kept.max_lsn = self.min_lsn, self.max_lsn
        kept.rows = sum(map(len, kept.chunks))
        kept.bytes = self.bytes * kept.rows // max(1, self.rows)
        return kept


def _outside(chunk: pa.RecordBatch, start: int, end: int) -> list[pa.RecordBatch]:
    ts = ts_of(chunk)
    low, high = ts.searchsorted(start), ts.searchsorted(end) if end < 2**63 else len(ts)
    parts = [chunk.slice(0, low), chunk.slice(high)] if low < high else [chunk]
    return [part for part in parts if part.num_rows]


def fold(chunks: Chunks, runs: list[pa.RecordBatch], key_has_id: bool) -> Chunks:
    """`chunks` with the rows of `runs`, which are newer and in log order."""
    runs = [run for run in runs if run.num_rows]
    if not runs:
        return chunks
    if _follow_each_other(chunks, runs):
        return (*chunks, *(piece for run in runs for piece in _pieces(run)))
    runs = _same_width(runs, chunks)
    fresh = runs[0] if len(runs) == 1 else merge(runs, key_has_id=key_has_id)
    first, last = _span(fresh)
    if not chunks or _span(chunks[-1])[1] < first:
        return _extend(chunks, fresh)
    low = next(i for i, c in enumerate(chunks) if _span(c)[1] >= first)
    high = next((i for i, c in enumerate(chunks) if _span(c)[0] > last), len(chunks))
    touched = _same_width(list(chunks[low:high]), [fresh])
    merged = merge([*touched, _same_width([fresh], touched)[0]], key_has_id=key_has_id)
    return (*chunks[:low], *_pieces(merged), *chunks[high:])


def _follow_each_other(chunks: Chunks, runs: list[pa.RecordBatch]) -> bool:
    """Whether `runs` can be chunks as they are: large, and in order of time already.

    To merge them would copy them, and in a replay that is most of what large puts cost.
    """
    if any(len(run) < _TAIL_ROWS_MAX for run in runs):
        return False
    spans = [_span(chunk) for chunk in (*chunks[-1:], *runs)]
    return all(before[1] < after[0] for before, after in pairwise(spans))


def _extend(chunks: Chunks, fresh: pa.RecordBatch) -> Chunks:
    if chunks and len(chunks[-1]) + len(fresh) <= _TAIL_ROWS_MAX:
        both = _same_width([chunks[-1], fresh], [])
        return (*chunks[:-1], pa.concat_batches(both))
    return (*chunks, *_pieces(fresh))


def _pieces(batch: pa.RecordBatch) -> Chunks:
    return tuple(
        batch.slice(start, BATCH_ROWS_MAX) for start in range(0, len(batch), BATCH_ROWS_MAX)
    )


def _span(batch: pa.RecordBatch) -> tuple[int, int]:
    ts = ts_of(batch)
    return int(ts[0]), int(ts[-1])


def _same_width(
    batches: list[pa.RecordBatch], others: Chunks | list[pa.RecordBatch]
) -> list[pa.RecordBatch]:
    """`batches` under the longest schema of all, where a dataset gained columns in between."""
    widest = max((*batches, *others), key=lambda b: b.num_columns).schema
    return [widen(b, widest) for b in batches]
