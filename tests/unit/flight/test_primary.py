"""A primary that is none of ours, or says what it should not: the replica says so in a sentence."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import ConfigError, InternalError, Lagged, Unavailable
from flightstore_server.flight.primary import FlightPrimary


class _Foreign(fl.FlightServerBase):
    """Some other Flight server, which fails with `error` or answers without a header."""

    error: Exception | None = None

    def do_get(self, context: object, ticket: object) -> fl.RecordBatchStream:
        if self.error is not None:
            raise self.error
        return fl.RecordBatchStream(pa.table({"a": [1]}))


@pytest.fixture
def server() -> Iterator[_Foreign]:
    with _Foreign("grpc://127.0.0.1:0") as found:
        yield found


@pytest.fixture
def primary(server: _Foreign) -> FlightPrimary:
    return FlightPrimary(f"grpc://127.0.0.1:{server.port}", "")


def test_what_is_no_address_is_named() -> None:
    with pytest.raises(ConfigError, match="nonsense://x is no address to follow"):
        FlightPrimary("nonsense://x", "")


def test_a_copy_without_a_header_is_none(primary: FlightPrimary) -> None:
    with pytest.raises(InternalError, match="sent a copy without its header"):
        primary.copy()


def test_an_error_of_our_own_is_the_same_here(server: _Foreign, primary: FlightPrimary) -> None:
    said = pb.ErrorDetail(code="lagged", message="Gone.").SerializeToString()
    server.error = fl.FlightServerError("Gone.", extra_info=said)
    with pytest.raises(Lagged, match="Gone"):
        primary.copy()


@pytest.mark.parametrize("detail", [b"", b"\xff\xff\xff", b"plain words of somebody else"])
def test_an_error_of_somebody_else_is_a_primary_that_cannot_be_followed(
    server: _Foreign, primary: FlightPrimary, detail: bytes
) -> None:
    """Details that are no message of ours ended the start of a replica with a traceback."""
    server.error = fl.FlightServerError("I do not know you.", extra_info=detail)
    with pytest.raises(Unavailable, match=r"cannot be followed now: .*I do not know you"):
        primary.copy()
