"""Windows for training: what they can be cut out of, and the windows themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.flight as fl

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto import instrument as instruments
from flightstore_proto.errors import BadRequest, FlightstoreError, shown
from flightstore_proto.schemas import BATCH_ROWS_MAX, TS
from flightstore_server.engine.queries import Query, Selection
from flightstore_server.engine.series import SeriesView
from flightstore_server.engine.training.stretches import Stretches, stretches
from flightstore_server.engine.training.windows import Wanted, window_columns, windows
from flightstore_server.flight.callers import Caller
from flightstore_server.flight.calls import table_stream
from flightstore_server.flight.errors import guarded_stream
from flightstore_server.flight.reads import stream_schema
from flightstore_server.flight.requests import range_of

_FOUR_BYTE_VARINT = 1 << 21
_STRETCHES = pa.schema([("series", pa.uint32()), ("start", TS.type), ("rows", pa.uint64())])


def stretches_stream(caller: Caller, request: pb.StretchesRequest) -> fl.FlightDataStream:
    """What windows of the series that `request` names can be cut out of."""
    low, high = range_of(request.range)
    query = Query(
        request.dataset,
        list(request.instruments),
        request.timeframe,
        low,
        high,
        snapshot=request.snapshot,
    )
    selection = caller.reader.select(query)
    parts = []
    for number, view in enumerate(selection.views):
        try:
            parts.append(_part(number, _stretches(caller, request, view)))
        except FlightstoreError as error:
            if query.is_single:
                raise
            selection.problems[str(view.series.instrument)] = error
    schema = _STRETCHES.with_metadata(stream_schema(selection).metadata)
    table = pa.Table.from_batches(parts, _STRETCHES).combine_chunks()
    batches = table.to_batches(max_chunksize=BATCH_ROWS_MAX)
    return table_stream(pa.Table.from_batches(batches, _STRETCHES).cast(schema))


def _stretches(caller: Caller, request: pb.StretchesRequest, view: SeriesView) -> Stretches:
    low, high = range_of(request.range)
    return stretches(
        view,
        caller.segments,
        -(2**63) if low is None else low,
        2**63 if high is None else high,
        length=max(1, request.length),
        contiguous=request.contiguous,
    )


def _part(number: int, found: Stretches) -> pa.RecordBatch:
    count = len(found.rows)
    columns = [
        pa.array([number] * count, pa.uint32()),
        pa.array(found.start).cast(TS.type),
        pa.array(found.rows).cast(pa.uint64()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=_STRETCHES)


def windows_stream(caller: Caller, request: pb.WindowsRequest) -> fl.FlightDataStream:
    """The rows of the windows that `request` lists."""
    wanted = Wanted(request.length, request.series, request.since, request.first)
    for name in filter(instruments.is_pattern, request.instruments):
        raise BadRequest(f"Windows are of series named exactly, and {shown(name)} is a pattern.")
    query = Query(
        request.dataset, list(request.instruments), request.timeframe, snapshot=request.snapshot
    )
    selection = caller.reader.select(query)
    for error in selection.problems.values():
        raise error
    columns = window_columns(request.dataset, request.columns, selection.schema)
    schema = pa.schema([selection.schema.field(name) for name in columns])
    return fl.GeneratorStream(
        schema, guarded_stream(_cut(caller, selection, list(request.instruments), columns, wanted))
    )


def _cut(
    caller: Caller, selection: Selection, named: list[str], columns: list[str], wanted: Wanted
) -> Iterator[tuple[pa.RecordBatch, pa.Buffer]]:
    # A generator that holds the selection holds its pin: no file goes before it is read.
    by_name = {str(view.series.instrument): view for view in selection.views}
    views = [by_name[name] for name in named]
    for cut in windows(views, caller.segments, columns, wanted):
        batch = cut.batch()
        said = pb.WindowsBatch(start=cut.starts)
        said.padding = bytes(_missing(said.ByteSize(), large=batch.nbytes >= _FOUR_BYTE_VARINT))
        yield batch, pa.py_buffer(said.SerializeToString())


def _missing(size: int, *, large: bool) -> int:
    """How many bytes of padding in metadata of `size` bytes let columns arrive at multiples of 8.

    Why, and where the numbers come from, is said in reads.py. Here the length of the metadata takes
    more than a byte.
    """
    sizes = [size + 2 + padding for padding in range(1, 9)]  # an empty one is not written
    ends = [(size + -(-size.bit_length() // 7)) % 8 for size in sizes]
    return ends.index(6 if large else 7) + 1
