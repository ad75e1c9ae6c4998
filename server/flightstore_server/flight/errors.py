"""Errors at the edge: each that leaves a handler is a FlightError with a code and one sentence.

Anything else would send a Python traceback with file paths to the client (apache/arrow#34251).
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

import pyarrow.flight as fl

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import (
    DeadlineExceeded,
    FlightstoreError,
    InternalError,
    Overloaded,
    Unauthorized,
    Unavailable,
)
from flightstore_server.flight import calls

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

# gRPC sends messages as headers; beyond about 8 KB a client sees a broken connection instead.
_MESSAGE_CHARACTERS_MAX = 1_500
_KINDS: dict[type[FlightstoreError], type[fl.FlightError]] = {
    Unauthorized: fl.FlightUnauthorizedError,
    Unavailable: fl.FlightUnavailableError,
    DeadlineExceeded: fl.FlightTimedOutError,
}


class Status(Exception):
    """An error that leaves a handler as it is; see status.py, which has one per code."""


def detail_of(error: FlightstoreError) -> pb.ErrorDetail:
    """What the wire says of `error`."""
    message = error.message
    if len(message) > _MESSAGE_CHARACTERS_MAX:
        message = message[:_MESSAGE_CHARACTERS_MAX] + "…"
    return pb.ErrorDetail(code=error.code, message=message, suggestions=error.suggestions[:3])


def to_flight(error: Exception) -> fl.FlightError | Status:
    """`error` as a FlightError. A defect is logged with its traceback and told without it."""
    if isinstance(error, fl.FlightError | Status):
        return error
    if isinstance(error, MemoryError):
        error = Overloaded(
            "The server has no memory left for this; ask for less at a time, send smaller batches, "
            "or try again later."
        )
    if not isinstance(error, FlightstoreError):
        log.error("a handler failed", exc_info=error)
        error = InternalError(
            f"The server met an unexpected {type(error).__name__}; its log has the details."
        )
    detail = detail_of(error)
    kind = _KINDS.get(type(error), fl.FlightServerError)
    return kind(detail.message, extra_info=detail.SerializeToString())


def guarded(handler: Callable[P, T]) -> Callable[P, T]:
    """`handler`, of which only FlightErrors leave."""
    return translating(handler, to_flight)


def translating(
    handler: Callable[P, T], translate: Callable[[Exception], Exception]
) -> Callable[P, T]:
    """`handler`, whose errors leave as `translate` has them."""

    @functools.wraps(handler)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return handler(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  (whatever it is, it must not leave as it is)
            if not isinstance(error, fl.FlightError | Status):  # or it was counted before
                calls.failed(error)
            raise translate(error) from None

    return call


def guarded_stream(items: Iterator[T]) -> Iterator[T]:
    """`items`, of which only FlightErrors leave."""
    return translated_stream(items, to_flight)


def translated_stream(
    items: Iterator[T], translate: Callable[[Exception], Exception]
) -> Iterator[T]:
    """`items` of the call that is handled now, whose errors leave as `translate` has them."""
    return _translated(calls.observed(items), translate)


def _translated(items: Iterator[T], translate: Callable[[Exception], Exception]) -> Iterator[T]:
    try:
        yield from items
    except Exception as error:  # noqa: BLE001  (as above)
        raise translate(error) from None
