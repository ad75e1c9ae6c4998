"""DoGet: a ticket into a stream, straight from mapped segments."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.flight as fl

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.schemas import BATCH_ROWS_MAX, IDENTITY_FIELDS, SERIES_KEY
from flightstore_server.engine.queries import Query
from flightstore_server.engine.wide_reads import Selected, Shared, shared_batches
from flightstore_server.flight.callers import Caller
from flightstore_server.flight.calls import table_stream
from flightstore_server.flight.errors import detail_of, guarded_stream
from flightstore_server.flight.local import found_locally, local_stream
from flightstore_server.flight.requests import query_of

_FOUR_BYTE_VARINT = 1 << 21
_PADDING_LARGE = pa.py_buffer(bytes(5))
_PADDING_SMALL = pa.py_buffer(bytes(6))


def read_stream(caller: Caller, request: pb.ReadRequest) -> fl.FlightDataStream:
    """The rows that `request` asks for."""
    query = query_of(request)
    selection = caller.reader.select(query)
    found = found_locally(selection, query, request)
    if found is not None:
        selection.problems.update(found.problems)
        return local_stream(found, selection, stream_schema(selection))
    return stream_of(selection, query, request.identity)


def stream_of(
    selection: Selected, query: Query, identity: pb.ReadRequest.Identity
) -> fl.FlightDataStream:
    """The rows of `selection`, which `query` asked for, with the identity in that form."""
    if query.is_single and identity == pb.ReadRequest.IDENTITY_AUTO:
        return _single(selection, few=0 < (query.limit or query.tail) <= BATCH_ROWS_MAX)
    if identity == pb.ReadRequest.IDENTITY_RUNS:
        schema = stream_schema(selection)
        return fl.GeneratorStream(schema, guarded_stream(_with_runs(selection, schema)))
    return _with_columns(selection)


def stream_schema(selection: Selected) -> pa.Schema:
    """The columns of a selection, with what its series are in the metadata."""
    series = pb.StreamSeries(dataset=selection.dataset.name)
    if selection.views:
        series.timeframe = selection.views[0].series.timeframe_text
    for view in selection.views:
        entry = series.series.add(instrument=str(view.series.instrument))
        if view.series.metadata:
            entry.metadata.update(view.series.metadata)
    for name, error in selection.problems.items():
        series.problems.add(instrument=name, error=detail_of(error))
    return selection.schema.with_metadata({SERIES_KEY: series.SerializeToString()})


def identity_schema(schema: pa.Schema) -> pa.Schema:
    """`schema` with the columns `exchange` and `symbol` in front."""
    return pa.schema([*IDENTITY_FIELDS, *schema], metadata=schema.metadata)


def _single(selection: Selected, *, few: bool) -> fl.FlightDataStream:
    schema = stream_schema(selection)
    if few:  # without a generator Arrow need not come back to Python for each batch
        batches = list(selection.rows(selection.views[0]))
        rows = pa.Table.from_batches(batches, selection.schema)
        return table_stream(rows.replace_schema_metadata(schema.metadata))
    # Not a RecordBatchStream over these rows: an error in the middle would reach the client as a
    # Python traceback. Per batch of 64 Ki rows the difference in speed cannot be measured.
    return fl.GeneratorStream(schema, guarded_stream(_aligned(selection.rows(selection.views[0]))))


def _aligned(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[pa.RecordBatch, pa.Buffer]]:
    """`batches` with so many bytes of metadata that their columns arrive at multiples of 8.

    The body comes last in Flight's message, behind its own length as a varint of 3 or 4 bytes and
    gRPC's prefix of 5, and otherwise lies at an odd address (apache/arrow#32276), which costs the
    client a copy. Should the framing change, the client copies again: nothing else depends on it.
    """
    for batch in batches:
        yield batch, _PADDING_LARGE if batch.nbytes >= _FOUR_BYTE_VARINT else _PADDING_SMALL


def _with_runs(
    selection: Selected, schema: pa.Schema
) -> Iterator[tuple[pa.RecordBatch, pa.Buffer]]:
    for shared in shared_batches(selection):
        runs = pb.BatchRuns(series=shared.series, rows=shared.counts)
        for name, error in shared.problems.items():
            runs.problems.add(instrument=name, error=detail_of(error))
        yield shared.batch(schema), pa.py_buffer(runs.SerializeToString())


def _with_columns(selection: Selected) -> fl.FlightDataStream:
    schema = identity_schema(stream_schema(selection))
    batches = (_identified(selection, shared, schema) for shared in _whole(selection))
    return fl.GeneratorStream(schema, guarded_stream(batches))


def _whole(selection: Selected) -> Iterator[Shared]:
    """Batches without problems: this form has no place to tell them, so the first one ends it."""
    for shared in shared_batches(selection):
        for error in shared.problems.values():
            raise error
        yield shared


def _identified(selection: Selected, shared: Shared, schema: pa.Schema) -> pa.RecordBatch:
    rows = shared.batch(selection.schema)
    instruments = [selection.views[position].series.instrument for position in shared.series]
    columns = []
    for name in ("exchange", "symbol"):
        parts = [
            pa.repeat(getattr(i, name), count)
            for i, count in zip(instruments, shared.counts, strict=True)
        ]
        columns.append(pa.concat_arrays(parts) if parts else pa.array([], pa.utf8()))
    return pa.RecordBatch.from_arrays([*columns, *rows.columns], schema=schema)
