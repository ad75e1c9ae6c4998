"""Flight's calls as bytes: no client stands between a test and what it sends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import grpc

SERVICE = "/arrow.flight.protocol.FlightService/"
# Every call that Flight's service has, whether pyarrow's client offers it or not.
METHODS = (
    "Handshake",
    "ListFlights",
    "GetFlightInfo",
    "PollFlightInfo",
    "GetSchema",
    "DoGet",
    "DoPut",
    "DoExchange",
    "DoAction",
    "ListActions",
)
# Those to which the client may send more than one message.
STREAMED = ("Handshake", "DoPut", "DoExchange")
_DETAIL = "grpc-status-details-bin"
_ANSWERS_MAX = 50
_MESSAGE_BYTES_MAX = 1 << 30


@dataclass(frozen=True, slots=True)
class Call:
    """What a client sends: a method, messages, and headers."""

    method: str
    messages: tuple[bytes, ...]
    headers: tuple[tuple[str, str | bytes], ...] = ()

    def __str__(self) -> str:
        shown = ", ".join(m.hex() if len(m) < 2_000 else f"{len(m)} bytes" for m in self.messages)
        return f"{self.method} {self.headers} [{shown}]"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended: gRPC's code, its message, and what the server added as our ErrorDetail."""

    code: grpc.StatusCode
    message: str = ""
    detail: bytes = b""


class Caller:
    """One connection, on which calls are made one after the other."""

    def __init__(self, uri: str) -> None:
        # Channels of one process would share a connection otherwise.
        options = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", _MESSAGE_BYTES_MAX),
        ]
        self._channel = grpc.insecure_channel(uri.removeprefix("grpc://"), options)
        self._streams = {
            name: self._channel.stream_stream(SERVICE + name)
            if name in STREAMED
            else self._channel.unary_stream(SERVICE + name)
            for name in METHODS
        }

    def make(self, call: Call, seconds: float) -> Outcome:
        """Send `call`, read some of the answers, and hang up; `seconds` is its deadline."""
        sent = iter(call.messages) if call.method in STREAMED else b"".join(call.messages[:1])
        answers = self._streams[call.method](sent, timeout=seconds, metadata=call.headers)
        try:
            for _, _answer in zip(range(_ANSWERS_MAX), answers, strict=False):
                pass
            answers.cancel()
        except grpc.RpcError:
            pass
        return _outcome(answers)

    def close(self) -> None:
        self._channel.close()


def _outcome(answers: grpc.Call) -> Outcome:
    trailers = dict(_pairs(answers.trailing_metadata()))
    detail = trailers.get(_DETAIL, b"")
    assert isinstance(detail, bytes)
    return Outcome(answers.code(), answers.details() or "", detail)


def _pairs(trailers: object) -> Iterator[tuple[str, str | bytes]]:
    yield from trailers or ()  # type: ignore[misc]
