"""Foreign errors become flightstore's own. Used by the connection only, so nothing else leaks."""

from __future__ import annotations

from google.protobuf.message import DecodeError
from pyarrow import ArrowException, flight

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import (
    BY_CODE,
    DeadlineExceeded,
    FlightstoreError,
    InternalError,
    Unauthorized,
    Unavailable,
    UnknownAction,
)

# All that a Flight call can raise; OSError is what pyarrow calls ArrowIOError. Not in the list:
# ValueError and KeyError, since pyarrow's own derive from ArrowException and others are defects.
FOREIGN = (ArrowException, flight.FlightError, OSError)


def from_detail(detail: pb.ErrorDetail) -> FlightstoreError:
    """The error that the server described; an unknown code of a newer server is the base class."""
    kind = BY_CODE.get(detail.code, FlightstoreError)
    return kind(detail.message, suggestions=tuple(detail.suggestions))


def translate(error: BaseException, uri: str) -> FlightstoreError:
    """`error` of a call to `uri` as one of ours, in a sentence that says what to do."""
    detail = _detail(error)
    if detail is not None:
        return from_detail(detail)
    if isinstance(error, flight.FlightUnavailableError):
        return Unavailable(
            f"No flightstore server answers at {uri}: start one with 'flightstore serve', "
            "or correct the address."
        )
    if isinstance(error, flight.FlightTimedOutError):
        return DeadlineExceeded(
            f"The call to {uri} took longer than its deadline: ask for less, "
            "or give connect(timeout=fs.Timeout(...)) more seconds."
        )
    return _rarer(error, uri)


def _rarer(error: BaseException, uri: str) -> FlightstoreError:
    if isinstance(error, (flight.FlightUnauthenticatedError, flight.FlightUnauthorizedError)):
        return Unauthorized(
            f"The server at {uri} refuses this client: give connect(token=...) a valid token."
        )
    if isinstance(error, flight.FlightCancelledError):
        return Unavailable(f"The server at {uri} broke the call off; it may be stopping.")
    if isinstance(error, NotImplementedError):
        return UnknownAction(f"The server at {uri} does not offer this call: is it flightstore?")
    return InternalError(f"The call to {uri} failed: {_first_sentence(error)}")


def _detail(error: BaseException) -> pb.ErrorDetail | None:
    """What the server put into the error, if a flightstore server made it."""
    extra = getattr(error, "extra_info", None)
    if not extra:
        return None
    try:
        detail = pb.ErrorDetail.FromString(extra)
    except DecodeError:
        return None
    return detail if detail.code else None


def _first_sentence(error: BaseException) -> str:
    """The start of a foreign message: the rest of it is debug context or a traceback."""
    text = str(error).split(". Detail:")[0].split("gRPC client debug context")[0]
    line = text.strip().splitlines()[0] if text.strip() else type(error).__name__
    return line[:200].rstrip(". ") + "."
