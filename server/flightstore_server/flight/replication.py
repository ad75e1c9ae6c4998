"""What replicas get over the wire, if they know the token; and the shape it has there."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.flight as fl

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import Unauthorized
from flightstore_server.engine.replication.primary import Piece, Shipment
from flightstore_server.engine.replication.source import Source
from flightstore_server.engine.store import Store
from flightstore_server.flight.callers import Caller
from flightstore_server.flight.errors import guarded_stream

PIECES = pa.schema([("file", pa.utf8()), ("offset", pa.int64()), ("data", pa.large_binary())])
RECORDS = pa.schema([("lsn", pa.uint64()), ("header", pa.binary()), ("body", pa.large_binary())])
Request = pb.CopyRequest | pb.ReplicateRequest | pb.SegmentRequest
Tagged = tuple[pa.RecordBatch, pa.Buffer]


class Replication:
    """Serves replicas of one store. Without a token nobody may be one."""

    def __init__(self, store: Store) -> None:
        self._source = Source(store)

    def stream(
        self, caller: Caller, context: fl.ServerCallContext, request: Request
    ) -> fl.FlightDataStream:
        """What `request` asks for. Raises Unauthorized for who may not have all there is."""
        _check(caller)
        if isinstance(request, pb.ReplicateRequest):
            shipments = self._source.follow(request.after_lsn, f"replica {context.peer()}")
            return fl.GeneratorStream(RECORDS, guarded_stream(_records(shipments, caller)))
        if isinstance(request, pb.SegmentRequest):
            pieces = self._source.segment(request.file)
            return fl.GeneratorStream(PIECES, guarded_stream(map(_piece, pieces)))
        copy = self._source.copy()
        header = pb.CopyHeader(lsn=copy.lsn, files=copy.files, bytes=copy.bytes)
        return fl.GeneratorStream(PIECES, guarded_stream(_copied(header, copy.pieces)))


def _check(caller: Caller) -> None:
    if not caller.access.replicates:
        raise Unauthorized(
            "The replication token is missing or not this server's; give server and replica the "
            "same token in [replication] of their configuration, or as "
            "FLIGHTSTORE_REPLICATION_TOKEN, or the replica a token of the role admin."
        )


def _records(shipments: Iterator[Shipment], caller: Caller) -> Iterator[Tagged]:
    for shipment in shipments:
        caller.check()
        records = shipment.records
        columns = [
            pa.array([record.lsn for record in records], pa.uint64()),
            pa.array([record.header for record in records], pa.binary()),
            pa.array([record.body.to_pybytes() for record in records], pa.large_binary()),
        ]
        tag = pb.ReplicaBatch(last_lsn=shipment.last_lsn).SerializeToString()
        yield pa.RecordBatch.from_arrays(columns, schema=RECORDS), pa.py_buffer(tag)


def _copied(header: pb.CopyHeader, pieces: Iterator[Piece]) -> Iterator[Tagged | pa.RecordBatch]:
    for number, piece in enumerate(pieces):
        batch = _piece(piece)
        yield batch if number else (batch, pa.py_buffer(header.SerializeToString()))


def _piece(piece: Piece) -> pa.RecordBatch:
    ends = pa.array([0, piece.data.size], pa.int64()).buffers()[1]
    columns = [
        pa.array([piece.file], pa.utf8()),
        pa.array([piece.offset], pa.int64()),
        pa.LargeBinaryArray.from_buffers(pa.large_binary(), 1, [None, ends, piece.data]),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=PIECES)
