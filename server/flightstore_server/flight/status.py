"""Errors with a code of gRPC, for clients that do not know ErrorDetail.

pyarrow has no FlightError for INVALID_ARGUMENT, NOT_FOUND and UNIMPLEMENTED. It makes them of
ValueError, KeyError and NotImplementedError, but tells the client the traceback too, with all file
paths (apache/arrow#34251). Of an exception that Python's `traceback` fails to format, it tells the
name of the class only; so these fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

from flightstore_proto.errors import (
    BadRequest,
    FlightstoreError,
    UnknownAction,
    UnknownDataset,
    UnknownInstrument,
    UnknownSnapshot,
)
from flightstore_server.flight.errors import (
    Status,
    detail_of,
    to_flight,
    translated_stream,
    translating,
)

P = ParamSpec("P")
T = TypeVar("T")


class Untraceable(Status):
    """Says what it was made with, and nothing of where."""

    def __str__(self) -> str:  # pyarrow adds a full stop; KeyError would put it all in quotes
        return str(self.args[0]).removesuffix(".")

    @property
    def __cause__(self) -> None:  # type: ignore[override]
        raise AttributeError("This error has no traceback to show.")


class InvalidArgument(Untraceable, ValueError):
    """INVALID_ARGUMENT: ProgrammingError in Python's database interface."""


class NotFound(Untraceable, KeyError):
    """NOT_FOUND: ProgrammingError as well."""


class Unimplemented(Untraceable, NotImplementedError):
    """UNIMPLEMENTED: NotSupportedError."""


class Failed(Untraceable):
    """UNKNOWN: OperationalError."""


_CODES: list[tuple[type[FlightstoreError], type[Untraceable]]] = [
    (UnknownAction, Unimplemented),
    (UnknownDataset, NotFound),
    (UnknownInstrument, NotFound),
    (UnknownSnapshot, NotFound),
    (BadRequest, InvalidArgument),
]


def to_status(error: Exception) -> Exception:
    """`error` with the code that fits it best, as an exception that may leave a handler."""
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code(detail_of(error).message)
    return to_flight(error)


def coded(handler: Callable[P, T]) -> Callable[P, T]:
    """`handler`, whose errors have codes."""
    return translating(handler, to_status)


def untraced(handler: Callable[P, T]) -> Callable[P, T]:
    """As `coded`, for GetSchema: there pyarrow tells the traceback of a FlightError as well."""
    return translating(handler, _without_traceback)


def _without_traceback(error: Exception) -> Exception:
    status = to_status(error)
    return status if isinstance(status, Status) else Failed(str(status))


def coded_stream(items: Iterator[T]) -> Iterator[T]:
    """`items`, whose errors have codes."""
    return translated_stream(items, to_status)
