"""Errors with codes of gRPC: what they say, and what they keep to themselves."""

from __future__ import annotations

import traceback

import pyarrow.flight as fl
import pytest

from flightstore_proto import errors
from flightstore_server.flight.answers import Call
from flightstore_server.flight.status import (
    Failed,
    InvalidArgument,
    NotFound,
    Unimplemented,
    coded,
    to_status,
    untraced,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.BadRequest("x"), InvalidArgument),
        (errors.UnknownColumn("x"), InvalidArgument),
        (errors.UnknownDataset("x"), NotFound),
        (errors.UnknownInstrument("x"), NotFound),
        (errors.UnknownAction("x"), Unimplemented),
        (errors.Overloaded("x"), fl.FlightServerError),
        (errors.DeadlineExceeded("x"), fl.FlightTimedOutError),
        (Unimplemented("x"), Unimplemented),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_error_has_the_code_that_fits_it_best(
    error: Exception, code: type[Exception]
) -> None:
    assert type(to_status(error)) is code


def test_a_defect_is_not_told_in_detail() -> None:
    told = to_status(ZeroDivisionError("secret"))
    assert "secret" not in str(told)
    assert "ZeroDivisionError" in str(told)


def test_the_sentence_comes_without_its_stop_which_arrow_adds() -> None:
    assert str(NotFound("There is no such table. Tables are: a.")) == (
        "There is no such table. Tables are: a"
    )


@coded
def _refuse() -> None:
    raise errors.BadRequest("No.")


@untraced
def _fail() -> None:
    raise errors.Overloaded("Too many.")


def test_it_cannot_be_formatted_so_that_arrow_has_nothing_to_tell() -> None:
    with pytest.raises(InvalidArgument) as raised:
        _refuse()
    with pytest.raises(AttributeError):
        traceback.format_exception(raised.value)


def test_where_arrow_tells_the_traceback_of_its_own_errors_they_are_replaced() -> None:
    with pytest.raises(Failed, match="Too many"):
        _fail()


class _Context:
    def __init__(self, cancelled: bool) -> None:
        self._cancelled = cancelled

    def is_cancelled(self) -> bool:
        return self._cancelled


@pytest.mark.parametrize("cancelled", [True, False])
def test_a_call_says_whether_it_was_cancelled(cancelled: bool) -> None:
    assert Call(_Context(cancelled)).cancelled() is cancelled


def test_a_call_that_is_over_counts_as_cancelled_and_is_not_asked() -> None:
    call = Call(_Context(False))
    call.end()
    assert call.cancelled()
