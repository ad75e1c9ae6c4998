"""What counts as a fault: the fuzzer's own eyes are open."""

from __future__ import annotations

import pytest
from grpc import StatusCode
from tests.fuzz.calls import Call, Outcome
from tests.fuzz.verdict import fault

from flightstore_proto import flightstore_pb2 as pb

READ, PUT, INFO = (Call(name, (b"",)) for name in ("DoGet", "DoPut", "GetFlightInfo"))


def _detail(code: str) -> bytes:
    return pb.ErrorDetail(code=code, message="what to do").SerializeToString()


@pytest.mark.parametrize(
    ("call", "outcome"),
    [
        (INFO, Outcome(StatusCode.OK)),
        (INFO, Outcome(StatusCode.INVALID_ARGUMENT, "The ticket is no ticket.")),
        (INFO, Outcome(StatusCode.INTERNAL)),  # gRPC's own, of bytes that nobody could read
        (READ, Outcome(StatusCode.DEADLINE_EXCEEDED)),  # a live stream goes on
        (READ, Outcome(StatusCode.UNKNOWN, "no", _detail("bad_request"))),
        (PUT, Outcome(StatusCode.UNKNOWN, "Invalid flatbuffers message.")),  # before any handler
    ],
)
def test_errors_of_the_caller_are_no_fault(call: Call, outcome: Outcome) -> None:
    assert fault(call, outcome) is None


@pytest.mark.parametrize(
    ("call", "outcome"),
    [
        (INFO, Outcome(StatusCode.UNAVAILABLE, "Connection reset by peer")),
        (INFO, Outcome(StatusCode.DEADLINE_EXCEEDED)),
        (INFO, Outcome(StatusCode.INTERNAL, "something")),
        (INFO, Outcome(StatusCode.UNKNOWN, "something")),
        (READ, Outcome(StatusCode.UNKNOWN, "no", _detail("internal"))),
        (READ, Outcome(StatusCode.UNKNOWN, "no", b"\xff")),
        (READ, Outcome(StatusCode.INVALID_ARGUMENT, 'Traceback: File "service.py", line 3')),
    ],
)
def test_defects_of_the_server_are_faults(call: Call, outcome: Outcome) -> None:
    assert fault(call, outcome) is not None
