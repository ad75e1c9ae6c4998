"""What replicas get over the wire, if they know the token; and the shape it has there."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.flight as fl

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import Unauthorized
from flightstore_server.engine.replication.primary import Piece, Shipment
from flightstore_server.engine.replication.source import Source
from flightstore_server.engine.store import Store
from flightstore_server.flight.errors import guarded_stream

AUTHORIZATION = "authorization"
PIECES = pa.schema([("file", pa.utf8()), ("offset", pa.int64()), ("data", pa.large_binary())])
RECORDS = pa.schema([("lsn", pa.uint64()), ("header", pa.binary()), ("body", pa.large_binary())])
Request = pb.CopyRequest | pb.ReplicateRequest | pb.SegmentRequest
Tagged = tuple[pa.RecordBatch, pa.Buffer]


class _Credentials(fl.ServerMiddleware):  # type: ignore[misc]
    """What one call says of who makes it."""

    def __init__(self, value: str) -> None:
        self.value = value


class Authorization(fl.ServerMiddlewareFactory):  # type: ignore[misc]
    """Keeps each call's authorization header, which Flight shows to nobody else."""

    def start_call(
        self, info: fl.CallInfo, headers: Mapping[str, Sequence[str]]
    ) -> _Credentials | None:
        values = headers.get(AUTHORIZATION)
        return _Credentials(values[0]) if values else None


class Replication:
    """Serves replicas of one store. Without a token nobody may be one."""

    def __init__(self, store: Store, token: str) -> None:
        self._source = Source(store)
        self._expected = f"Bearer {token}".encode() if token else b""

    def stream(self, context: fl.ServerCallContext, request: Request) -> fl.FlightDataStream:
        """What `request` asks for. Raises Unauthorized without the token."""
        self._check(context)
        if isinstance(request, pb.ReplicateRequest):
            shipments = self._source.follow(request.after_lsn, f"replica {context.peer()}")
            return fl.GeneratorStream(RECORDS, guarded_stream(_records(shipments)))
        if isinstance(request, pb.SegmentRequest):
            pieces = self._source.segment(request.file)
            return fl.GeneratorStream(PIECES, guarded_stream(map(_piece, pieces)))
        copy = self._source.copy()
        header = pb.CopyHeader(lsn=copy.lsn, files=copy.files, bytes=copy.bytes)
        return fl.GeneratorStream(PIECES, guarded_stream(_copied(header, copy.pieces)))

    def _check(self, context: fl.ServerCallContext) -> None:
        if not self._expected:
            raise Unauthorized(
                "This server has no replicas; give it and them the same token in [replication] of "
                "their configuration, or as FLIGHTSTORE_REPLICATION_TOKEN."
            )
        given = context.get_middleware(AUTHORIZATION)
        if given is None or not hmac.compare_digest(given.value.encode(), self._expected):
            raise Unauthorized(
                "The replication token is missing or not this server's; give the replica the same "
                "token in [replication] of its configuration, or as FLIGHTSTORE_REPLICATION_TOKEN."
            )


def _records(shipments: Iterator[Shipment]) -> Iterator[Tagged]:
    for shipment in shipments:
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
