"""The only module that speaks Flight: deadlines, keepalive, TLS, token, retries, translation."""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, TypeVar

import pyarrow as pa
from pyarrow import flight
from pyarrow.ipc import Alignment, IpcReadOptions

from flightstore._address import is_tls
from flightstore._config import Endpoint, Timeout
from flightstore._local.same_host import SameHost
from flightstore._translation import FOREIGN, translate
from flightstore_proto.errors import BadRequest, ConfigError, InternalError, Unavailable

# gRPC waits a second before it tries a failed address again, longer than our retries take.
_RECONNECT = [
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Otherwise all clients of a process share one connection, and its broken state.
    ("grpc.use_local_subchannel_pool", 1),
]
# A peer that vanished without a word is noticed by pings. But a Flight server cannot be told to
# tolerate them: while it sends nothing it counts every ping that comes within 300 s of the last
# and hangs up at the third ("too_many_pings"; measured: an idle stream dies after 140 s at 10 s).
# So calls that are answered promptly ping often, and streams that may rest ping as rarely as the
# server demands. Unacknowledged bytes are still noticed after the timeout: gRPC sets
# TCP_USER_TIMEOUT to it.
_BRISK = [("grpc.keepalive_time_ms", 20_000), ("grpc.keepalive_timeout_ms", 10_000)]
_PATIENT = [("grpc.keepalive_time_ms", 310_000), ("grpc.keepalive_timeout_ms", 20_000)]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Message(Protocol):
    """A protobuf message."""

    def SerializeToString(self) -> bytes: ...  # noqa: N802  (protobuf's name)


class Closing(Protocol):
    """Something that has to be closed before the connection it uses."""

    def close(self) -> None: ...


class Answer(Protocol[T_co]):
    """The class of a message that an action answers with."""

    def FromString(self, data: bytes, /) -> T_co: ...  # noqa: N802  (protobuf's name)


@dataclass(frozen=True, slots=True)
class _CallOptions:
    """One prepared set of options per deadline: building them costs as much as sending them."""

    connect: Any
    read: Any
    write: Any
    action: Any
    stream: Any
    live: Any  # streams without an end, and so without a deadline

    @classmethod
    def build(cls, timeout: Timeout, token: str | None) -> _CallOptions:
        headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
        # Buffers that arrive over Flight start at odd addresses. Aligned while reading they cost
        # one copy; left alone, polars copies them later and compute kernels may crash.
        aligned = IpcReadOptions(ensure_alignment=Alignment.DataTypeSpecific)
        common = {"headers": headers, "read_options": aligned}
        return cls(
            **{
                name: flight.FlightCallOptions(timeout=getattr(timeout, name), **common)
                for name in ("connect", "read", "write", "action", "stream")
            },
            live=flight.FlightCallOptions(**common),
        )


class Connection:
    """A server as seen by one client; safe to use from several threads."""

    def __init__(self, endpoint: Endpoint) -> None:
        if endpoint.tls is not None and not is_tls(endpoint.uri):
            raise ConfigError(f"{endpoint.uri} is not encrypted: write grpc+tls:// to use tls=.")
        self.endpoint = endpoint
        self.uri, self.timeout, self.retry = endpoint.uri, endpoint.timeout, endpoint.retry
        self.same_host = SameHost(wanted=endpoint.same_host)
        self._options = _CallOptions.build(endpoint.timeout, endpoint.token)
        certificates = endpoint.tls.options() if endpoint.tls is not None else {}
        self._closed = False
        self._to_close: weakref.WeakSet[Closing] = weakref.WeakSet()
        self._brisk = self._client(_BRISK, certificates)
        self._patient = self._client(_PATIENT, certificates)

    def _client(self, keepalive: list[tuple[str, int]], certificates: dict[str, object]) -> Any:
        options = [*keepalive, *_RECONNECT]
        return self.call(
            lambda: flight.FlightClient(self.uri, generic_options=options, **certificates)
        )

    def call(self, action: Callable[[], T]) -> T:
        """What `action` returns; whatever pyarrow raises in it is raised as our own error."""
        if self._closed:
            raise BadRequest("This client is closed; connect again.")
        if _process_of_grpc() != os.getpid():
            raise BadRequest(
                "This process was forked from one that had used flightstore, and gRPC does not "
                "survive that: start workers by 'spawn' or 'forkserver'."
            )
        try:
            return action()
        except FOREIGN as error:
            translated = translate(error, self.uri)
        # Outside of the handler: a FlightError keeps buffers alive for as long as it is referenced.
        raise translated

    def retrying(self, action: Callable[[], T]) -> T:
        """`action()`, made again after a pause while there is no server to be found."""
        for pause in self.retry.pauses():
            try:
                return action()
            except Unavailable:
                time.sleep(pause)
        return action()

    def action(
        self, kind: str, request: Message | None, answer: Answer[T], *, deadline: str = "action"
    ) -> T:
        """The one answer of the server's action `kind`; `deadline` names a field of Timeout."""
        answers = list(self.actions(kind, request, answer, deadline=deadline))
        if len(answers) != 1:
            raise InternalError(
                f"The server at {self.uri} gave {len(answers)} answers to {kind!r}, not one."
            )
        return answers[0]

    def actions(
        self, kind: str, request: Message | None, answer: Answer[T], *, deadline: str = "stream"
    ) -> Iterator[T]:
        """The answers of the server's action `kind` as they come."""
        body = b"" if request is None else request.SerializeToString()
        client = self._patient if deadline == "stream" else self._brisk
        results = self.call(
            lambda: client.do_action(flight.Action(kind, body), getattr(self._options, deadline))
        )
        while (result := self.call(lambda: next(results, None))) is not None:
            yield answer.FromString(result.body.to_pybytes())

    def open_read(self, ticket: bytes, *, deadline: str = "read") -> ReadStream:
        """The rows that `ticket` asks for, from the first one; "live" is no deadline at all."""
        client = self._patient if deadline in ("stream", "live") else self._brisk
        options = getattr(self._options, deadline)
        reader = self.call(lambda: client.do_get(flight.Ticket(ticket), options))
        return ReadStream(self, reader)

    def open_put(self, command: bytes, schema: pa.Schema, *, deadline: str) -> PutStream:
        """A stream on which rows of `schema` can be sent; `deadline` bounds its whole life."""
        client = self._patient if deadline == "stream" else self._brisk
        descriptor = flight.FlightDescriptor.for_command(command)
        options = getattr(self._options, deadline)
        writer, acks = self.call(lambda: client.do_put(descriptor, schema, options))
        return PutStream(self, writer, acks)

    def close_first(self, stream: Closing) -> None:
        """Have `stream` closed with this connection, unless it is forgotten before."""
        self._to_close.add(stream)

    def close(self) -> None:
        """Hang up. Closing twice is harmless."""
        if not self._closed:
            for stream in list(self._to_close):
                stream.close()
            self.call(self._brisk.close)
            self.call(self._patient.close)
            self._closed = True


@cache
def _process_of_grpc() -> int:
    """The process that made the first call.

    In one that is forked from it any call would wait for ever: gRPC's threads do not come along.
    """
    return os.getpid()


class ReadStream:
    """Record batches on their way here."""

    def __init__(self, connection: Connection, reader: Any) -> None:
        self._connection = connection
        self._reader = reader
        self.schema: pa.Schema = connection.call(lambda: reader.schema)

    def __iter__(self) -> Iterator[tuple[pa.RecordBatch | None, bytes]]:
        """Pairs of rows and the metadata sent with them, either of which may be missing."""
        while (chunk := self._connection.call(self._next)) is not None:
            metadata = chunk.app_metadata
            yield chunk.data, metadata.to_pybytes() if metadata is not None else b""

    def _next(self) -> Any:
        try:
            return self._reader.read_chunk()
        except StopIteration:
            return None

    def cancel(self) -> None:
        """Tell the server to stop sending. Harmless after the end."""
        self._reader.cancel()


class PutStream:
    """Record batches on their way to the server, and its acknowledgements on their way back.

    When the server ends the stream with an error, `read` answers None as at a good end, a `write`
    may say no more than that the stream is closed, and only `close` raises what really happened.
    """

    def __init__(self, connection: Connection, writer: Any, acks: Any) -> None:
        self._connection, self._writer, self._acks = connection, writer, acks

    def write(self, batch: pa.RecordBatch, metadata: bytes | None) -> None:
        """Send `batch`; blocks while the server does not keep up."""
        if metadata is None:
            self._connection.call(lambda: self._writer.write_batch(batch))
        else:
            self._connection.call(
                lambda: self._writer.write_with_metadata(batch, pa.py_buffer(metadata))
            )

    def done(self) -> None:
        """Say that nothing more comes."""
        self._connection.call(self._writer.done_writing)

    def read(self) -> bytes | None:
        """The next acknowledgement; None when the server has ended the stream."""
        buffer = self._connection.call(self._acks.read)
        return None if buffer is None else buffer.to_pybytes()

    def close(self) -> None:
        """Wait for the server's verdict on the stream and raise it if it is an error."""
        self._connection.call(self._writer.close)
