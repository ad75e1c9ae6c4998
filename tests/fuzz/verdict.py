"""Which ends of a call are right, whatever its bytes were."""

from __future__ import annotations

from google.protobuf.message import DecodeError
from grpc import StatusCode
from tests.fuzz.calls import STREAMED, Call, Outcome

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import InternalError

# A stream may have no end, and `sync` waits for what may never come.
OPEN_ENDED = ("DoGet", "DoAction")
_RIGHT = (
    StatusCode.OK,
    StatusCode.CANCELLED,
    StatusCode.INVALID_ARGUMENT,
    StatusCode.NOT_FOUND,
    StatusCode.UNIMPLEMENTED,
    StatusCode.PERMISSION_DENIED,
    StatusCode.UNAUTHENTICATED,
    StatusCode.RESOURCE_EXHAUSTED,
)
_OF_THE_INSIDE = ("Traceback", 'File "', ".py", "its log has the details", " at 0x")


def fault(call: Call, outcome: Outcome) -> str | None:
    """Why the server should not have ended `call` in this way; None if it may."""
    if any(mark in outcome.message for mark in _OF_THE_INSIDE):
        return "it tells of its inside"
    if outcome.code in _RIGHT:
        return None
    if outcome.code is StatusCode.DEADLINE_EXCEEDED:
        return None if call.method in OPEN_ENDED else "it never answers"
    if outcome.code is StatusCode.INTERNAL:
        # gRPC's own word for bytes that are no message of Flight; no handler has seen them.
        return "a defect of the server" if outcome.message else None
    if outcome.code is StatusCode.UNKNOWN:
        return _unknown(call, outcome)
    return "not an answer to what was asked"


def _unknown(call: Call, outcome: Outcome) -> str | None:
    """Errors of ours are unknown to gRPC, and so is what Arrow finds where a stream begins."""
    if not outcome.detail:
        return None if call.method in STREAMED else "an error without a code"
    try:
        code = pb.ErrorDetail.FromString(outcome.detail).code
    except DecodeError:
        return "an error whose detail cannot be read"
    return "a defect of the server" if code in ("", InternalError.code) else None
