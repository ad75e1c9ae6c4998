"""Whatever goes wrong on the wire reaches the user as one of flightstore's own errors."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyarrow import flight

import flightstore as fs
from flightstore._translation import translate
from flightstore_proto.errors import BY_CODE


def raising(error: BaseException):
    def read(_ticket):
        raise error

    return read


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_every_code_of_the_server_becomes_its_class(server, db, fake, code: str) -> None:
    server.script.read = raising(fake.refusal(code, "What is wrong.", "near"))
    db._connection.retry = fs.Retry(attempts=1)
    with pytest.raises(BY_CODE[code]) as caught:
        db.candles("x:Y", "1m")
    assert type(caught.value) is BY_CODE[code]
    assert str(caught.value) == "What is wrong."
    assert caught.value.suggestions == ("near",)


def test_a_code_of_a_newer_server_is_the_base_class(server, db, fake) -> None:
    server.script.read = raising(fake.refusal("from_the_future", "New."))
    with pytest.raises(fs.FlightstoreError, match=r"^New\.$"):
        db.candles("x:Y", "1m")


def test_an_error_in_the_middle_of_a_read_is_typed_too(server, db, fake) -> None:
    def read(_ticket):
        answer = fake.stream.plain(fake.candles(3000))

        first = answer.batches[0]

        def batches():
            yield first
            raise fake.refusal("corrupt", "a.arrow is damaged at byte 12.")

        answer.batches = batches()
        return answer

    server.script.read = read
    with pytest.raises(fs.Corrupt, match="byte 12"):
        db.candles("x:Y", "1m")


def test_a_traceback_of_a_foreign_server_does_not_reach_the_user(server, db) -> None:
    server.script.read = raising(ValueError("boom in the server"))
    with pytest.raises(fs.FlightstoreError) as caught:
        db.candles("x:Y", "1m")
    text = str(caught.value)
    assert "Traceback" not in text and "gRPC" not in text and "\n" not in text


def test_a_read_past_its_deadline_names_the_remedy(server, fake) -> None:
    server.script.read = lambda _: server.release.wait()
    with (
        fs.connect(server.uri, timeout=fs.Timeout(read=0.2)) as db,
        pytest.raises(fs.DeadlineExceeded, match=r"fs\.Timeout"),
    ):
        db.candles("x:Y", "1m")


@pytest.mark.parametrize(
    ("foreign", "ours", "says"),
    [
        (flight.FlightUnavailableError("x", b""), fs.Unavailable, "flightstore serve"),
        (flight.FlightTimedOutError("x", b""), fs.DeadlineExceeded, "deadline"),
        (flight.FlightUnauthenticatedError("x", b""), fs.Unauthorized, "token"),
        (flight.FlightUnauthorizedError("x", b""), fs.Unauthorized, "token"),
        (flight.FlightCancelledError("x", b""), fs.Unavailable, "stopping"),
        (pa.ArrowNotImplementedError("x"), fs.UnknownAction, "is it flightstore"),
        (flight.FlightServerError("x", b"not protobuf \xff"), fs.InternalError, r"failed: x\.$"),
        (flight.FlightServerError("", b""), fs.InternalError, "FlightServerError"),
        (pa.ArrowInvalid("bad. Detail: Python"), fs.InternalError, r"failed: bad\.$"),
        (OSError("message too large"), fs.InternalError, "too large"),
    ],
)
def test_foreign_errors_have_a_place_in_the_tree(foreign, ours, says) -> None:
    translated = translate(foreign, "grpc://h:1")
    assert type(translated) is ours
    with pytest.raises(ours, match=says):
        raise translated
    assert "grpc://h:1" in str(translated)


def test_runs_that_do_not_add_up_are_refused(server, db, fake) -> None:
    answer = fake.stream.of_many({"x:A": fake.candles(5)})
    answer.batches = [(batch, b"") for batch, _ in answer.batches]
    server.script.read = lambda _: answer
    with pytest.raises(fs.InternalError, match="add up"):
        db.candles("*", "1m")
