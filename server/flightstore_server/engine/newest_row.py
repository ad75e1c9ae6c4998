"""The newest row of one series."""

from __future__ import annotations

import pyarrow as pa

from flightstore_proto.timerange import TS_MAX, TS_MIN
from flightstore_server.engine.memtable import MemtableView
from flightstore_server.engine.reads import read
from flightstore_server.engine.series import SeriesView
from flightstore_server.storage.rows import ts_of, widen
from flightstore_server.storage.segment.store import SegmentStore


def newest_row(view: SeriesView, store: SegmentStore) -> pa.RecordBatch | None:
    """The last row of `view` with every column of the dataset; None while it holds nothing."""
    quick = None if view.series.dataset.key_has_id else _in_memory(view.memory)
    if quick is not None and int(ts_of(quick)[0]) > _newest_stored(view):
        return widen(quick, view.schema)
    # Where several rows may have the last time, or a file must be opened.
    rows = list(read(view, store, TS_MIN, TS_MAX + 1, tail=1))
    return rows[0] if rows else None


def _newest_stored(view: SeriesView) -> int:
    """The time of the last row in segments; TS_MIN if there are none."""
    return max((segment.max_ts for segment in view.segments), default=TS_MIN)


def _in_memory(memory: tuple[MemtableView, ...]) -> pa.RecordBatch | None:
    """The last row of what is in memory; of two with one key the one that was written later.

    Looks at the end of each append, where folding them would sort and copy every row.
    """
    best, last = None, TS_MIN
    for part in memory:
        for batch in (*part.chunks[-1:], *part.pending[: part.pending_count]):
            times = batch.column(0)
            # One value at a time: a scalar takes half as long as an array.
            if len(times) and (ts := times[len(times) - 1].value) >= last:
                best, last = batch, ts
    return None if best is None else best.slice(best.num_rows - 1)
