"""What is missing of a series, as an Arrow table."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.flight as fl

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.reasons import REASONS
from flightstore_proto.schemas import BATCH_ROWS_MAX, GAPS
from flightstore_proto.timerange import TS_MAX
from flightstore_server.engine.gaps import Gaps, gaps
from flightstore_server.flight.callers import Caller
from flightstore_server.flight.calls import table_stream
from flightstore_server.flight.requests import range_of


def gaps_stream(caller: Caller, request: pb.GapsRequest) -> fl.FlightDataStream:
    """One row per gap of the series that `request` names."""
    series = request.series
    start, end = range_of(request.range)
    pin = caller.pin()
    view = caller.reader.view(series.dataset, series.instrument, series.timeframe, request.snapshot)
    found = gaps(
        view, caller.segments, start, end, now_ns=caller.clock(), confirmed=request.confirmed
    )
    del pin  # only now may retired files go
    batches = _table(found).to_batches(max_chunksize=BATCH_ROWS_MAX)
    return table_stream(pa.Table.from_batches(batches, GAPS))


def _table(found: Gaps) -> pa.Table:
    # One past the last nanosecond does not fit a time, and bounds nothing.
    unbounded = found.end == TS_MAX
    reason = pa.DictionaryArray.from_arrays(found.reason, list(REASONS))
    return pa.table(
        [
            pa.array(found.start).cast(GAPS.field("start").type),
            pa.array(found.end, mask=unbounded).cast(GAPS.field("end").type),
            pa.array(found.missing),
            reason.cast(pa.utf8()),
        ],
        schema=GAPS,
    )
