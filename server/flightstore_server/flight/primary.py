"""A primary as its replica reaches it: three streams over Flight."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.flight as fl
from google.protobuf.message import DecodeError

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import (
    BY_CODE,
    ConfigError,
    FlightstoreError,
    InternalError,
    Unavailable,
)
from flightstore_server.engine.replication.primary import Copy, Piece, Shipment
from flightstore_server.flight.authentication import AUTHORIZATION
from flightstore_server.storage.log.group import StoredRecord

T = TypeVar("T")
# A primary that vanished without a word is noticed by pings. It allows them this often because it
# sends something every second. An address that failed is tried again as soon as the replica wants.
_CHANNEL = [
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.use_local_subchannel_pool", 1),
]


class FlightPrimary:
    """The server at `uri`, asked with `token`. Used by one thread, but for cancel()."""

    def __init__(self, uri: str, token: str, tls: Mapping[str, bytes] | None = None) -> None:
        """`tls` has the certificates for grpc+tls://, in Flight's words."""
        self.uri = uri
        headers = [(AUTHORIZATION.encode(), f"Bearer {token}".encode())] if token else []
        self._options = fl.FlightCallOptions(headers=headers)
        self._following: Any = None
        self._cancelled = False
        try:
            self._client = fl.FlightClient(uri, generic_options=_CHANNEL, **(tls or {}))
        except pa.ArrowException as error:
            raise ConfigError(
                f"{uri} is no address to follow ({error}); write it like grpc://10.0.0.1:8815."
            ) from None

    def copy(self) -> Copy:
        """See Primary."""
        reader = self._open(pb.Ticket(copy=pb.CopyRequest()))
        first = self._read(reader)
        if first is None or first.app_metadata is None:
            raise InternalError(f"{self.uri} sent a copy without its header.")
        header = pb.CopyHeader.FromString(first.app_metadata.to_pybytes())
        return Copy(header.lsn, header.files, header.bytes, self._pieces(reader, first))

    def segment(self, file: str) -> Iterator[Piece]:
        """See Primary."""
        reader = self._open(pb.Ticket(segment=pb.SegmentRequest(file=file)))
        return self._pieces(reader, self._read(reader))

    def follow(self, after_lsn: int) -> Iterator[Shipment]:
        """See Primary."""
        ticket = pb.Ticket(replicate=pb.ReplicateRequest(after_lsn=after_lsn))
        reader = self._following = self._open(ticket)
        if self._cancelled:  # before there was anything to cancel
            reader.cancel()
        try:
            while (chunk := self._read(reader)) is not None:
                yield _shipment(chunk)
        finally:
            reader.cancel()

    def cancel(self) -> None:
        """See Primary."""
        self._cancelled = True
        if self._following is not None:
            self._following.cancel()

    def _open(self, ticket: pb.Ticket) -> Any:
        request = fl.Ticket(ticket.SerializeToString())
        return self._call(lambda: self._client.do_get(request, self._options))

    def _read(self, reader: Any) -> Any:
        """The next chunk; None at the end."""
        try:
            return self._call(reader.read_chunk)
        except StopIteration:
            return None

    def _pieces(self, reader: Any, chunk: Any) -> Iterator[Piece]:
        while chunk is not None:
            file, offset, data = chunk.data.columns
            for row in range(chunk.data.num_rows):
                yield Piece(file[row].as_py(), offset[row].as_py(), data[row].as_buffer())
            chunk = self._read(reader)

    def _call(self, action: Callable[[], T]) -> T:
        """`action()`, with the primary's own errors, and Unavailable for a broken connection."""
        try:
            return action()
        except (fl.FlightError, pa.ArrowException, OSError) as error:
            raise self._translated(error) from None

    def _translated(self, error: Exception) -> FlightstoreError:
        said = pb.ErrorDetail()
        with suppress(DecodeError):  # the details may be another server's, in words of its own
            said = pb.ErrorDetail.FromString(getattr(error, "extra_info", None) or b"")
        known = BY_CODE.get(said.code)
        if known is not None:
            return known(said.message, suggestions=said.suggestions)
        first_line = str(error).partition("\n")[0]
        return Unavailable(f"{self.uri} cannot be followed now: {first_line[:300]}")


def _shipment(chunk: Any) -> Shipment:
    # A message of zeros has no bytes, and Flight tells no metadata from empty ones.
    tag = pb.ReplicaBatch.FromString(chunk.app_metadata.to_pybytes() if chunk.app_metadata else b"")
    columns = (column.to_pylist() for column in chunk.data.columns)
    records = [
        # Bytes of their own are aligned for the arrays that are made of them, and hold on to no
        # more of the message than what is kept.
        StoredRecord(lsn, header, pa.py_buffer(body), 0, len(body))
        for lsn, header, body in zip(*columns, strict=True)
    ]
    return Shipment(tag.last_lsn, records)
