"""The times at which a series should have rows, where those are known."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from flightstore_proto.errors import BadRequest
from flightstore_proto.timerange import format_ns
from flightstore_server.engine.aggregates.windows import Windows
from flightstore_server.engine.resampling.made import MadeView
from flightstore_server.engine.series import SeriesView
from flightstore_server.storage.rows import Int64s, ts_of


def require_grid(view: SeriesView, purpose: str) -> Windows:
    """The windows that the rows of `view` begin. Raises BadRequest if there are none."""
    series = view.series
    if series.timeframe is None:
        reason = "has no timeframe"
    elif series.timeframe.count:
        reason = "has bars by count, which begin whenever they do"
    elif isinstance(view, MadeView):
        return view.windows
    elif series.derived is not None:
        return series.derived.windows
    elif series.free_grid:
        reason = "was created with a free grid"
    else:
        return Windows(series.timeframe)
    raise BadRequest(f"{series} {reason}, so nothing says {purpose}; read it without.")


def check_on_grid(ts: Int64s, starts: Int64s, view: SeriesView) -> None:
    """Raise BadRequest if one of `ts` is not the start in `starts`, which are as many."""
    off = np.flatnonzero(ts != starts)
    if len(off):
        raise BadRequest(
            f"{view.series} has a row at {format_ns(int(ts[off[0]]))}, which is not the beginning "
            f"of a {view.series.timeframe_text} window; read it without fill and label."
        )


def labelled_by_close(
    batches: Iterator[pa.RecordBatch], windows: Windows, view: SeriesView
) -> Iterator[pa.RecordBatch]:
    """`batches`, whose rows begin windows, with the ends of the windows as `ts`."""
    for batch in batches:
        ts = ts_of(batch)
        check_on_grid(ts, windows.floors(ts), view)
        yield at_times(batch, windows.ends(ts))


def at_times(batch: pa.RecordBatch, ts: Int64s) -> pa.RecordBatch:
    """`batch` with another `ts`."""
    kind = batch.schema.field(0).type
    times = pa.Array.from_buffers(kind, len(ts), [None, pa.py_buffer(ts)])
    return pa.RecordBatch.from_arrays([times, *batch.columns[1:]], schema=batch.schema)
