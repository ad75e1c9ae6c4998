"""Answers to clients on this machine: where the rows lie in files, and only the others as rows."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.flight as fl

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.schemas import LOCAL_KEY
from flightstore_server.engine.local.parts import FilePart
from flightstore_server.engine.local.reads import LocalRows, local_rows
from flightstore_server.engine.queries import Query, Selection
from flightstore_server.engine.wide_reads import batch_rows_max
from flightstore_server.flight.calls import table_stream
from flightstore_server.storage.files import Place, boot_id
from flightstore_server.storage.segment.segment import Segment


def found_locally(selection: Selection, query: Query, request: pb.ReadRequest) -> LocalRows | None:
    """The places of the rows, if who sent `request` can use them and they are worth it."""
    if not request.boot_id or request.boot_id != boot_id():
        return None
    if request.identity == pb.ReadRequest.IDENTITY_RUNS:
        return local_rows(selection, query)
    if request.identity == pb.ReadRequest.IDENTITY_COLUMNS or not query.is_single:
        return None
    found = local_rows(selection, query)
    # This form has no place for problems: the stream ends with the error.
    return None if found is None or found.problems else found


def local_stream(found: LocalRows, selection: Selection, schema: pa.Schema) -> fl.FlightDataStream:
    """The places in the metadata of `schema`, and as batches the rows that are in no file."""
    message = local_message(found, selection.dataset.schema)
    names = selection.schema.names
    rows = [part.select(names) for part in found.elsewhere()]
    table = pa.Table.from_batches(list(_joined(rows)), selection.schema)
    metadata = {**schema.metadata, LOCAL_KEY: message.SerializeToString()}
    return table_stream(table.replace_schema_metadata(metadata))


def places(selection: Selection, query: Query, request: pb.ReadRequest) -> bytes:
    """The places of the rows for who asks before reading: empty unless all of them are in files."""
    found = found_locally(selection, query, request)
    if found is None or found.problems or any(True for _ in found.elsewhere()):
        return b""
    places: bytes = local_message(found, selection.dataset.schema).SerializeToString()
    return places


def local_message(found: LocalRows, schema: pa.Schema) -> pb.LocalRows:
    """`found` as the wire has it; `schema` is the dataset's."""
    message = pb.LocalRows(schema=schema.serialize().to_pybytes())
    positions: dict[Place, int] = {}
    for series, part in found.parts:
        if not isinstance(part, FilePart):
            message.parts.add(series=series, rows=len(part))
            continue
        position = positions.setdefault(part.place, len(positions))
        if position == len(message.files):
            message.files.append(_file(part.place, part.segment))
        message.parts.add(
            series=series,
            rows=part.rows,
            file=position,
            offset=part.entry.offset,
            size=part.entry.size,
            first=part.first,
        )
    return message


def _file(place: Place, segment: Segment) -> pb.LocalFile:
    return pb.LocalFile(
        path=place.path,
        device=place.device,
        inode=place.inode,
        size=segment.size,
        columns=segment.columns,
    )


def _joined(batches: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """`batches` in as few as are worth sending."""
    gathered: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        if gathered and rows + len(batch) > batch_rows_max(batch.schema):
            yield pa.concat_batches(gathered)
            gathered, rows = [], 0
        gathered.append(batch)
        rows += len(batch)
    if gathered:
        yield pa.concat_batches(gathered)
