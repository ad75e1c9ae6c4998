"""What is taken for Flight SQL, and what a handle holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.flight_sql.messages import message_class

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import BadRequest
from flightstore_server.flight.flight_sql.commands import command, command_of, is_command
from flightstore_server.flight.flight_sql.statement import Statement, statement_of

PREFIX = "type.googleapis.com/arrow.flight.protocol.sql."
GENUINE = command("CommandStatementQuery", (1, "select 1"))


def test_a_command_in_an_any_is_recognised_and_read() -> None:
    data = message_class("Any")(type_url=PREFIX + "CommandGetTables", value=b"\x28\x01")
    asked = command_of(data.SerializeToString())
    assert is_command(data.SerializeToString())
    assert asked.name == "CommandGetTables"
    assert asked.body.flag(5)


def test_a_command_is_written_as_protobuf_writes_it() -> None:
    data = message_class("Any")(type_url=PREFIX + "CommandStatementQuery", value=b"\n\x08select 1")
    assert data.SerializeToString() == GENUINE


@pytest.mark.parametrize(
    "message",
    [
        pb.Ticket(read=pb.ReadRequest(dataset="candles")),
        pb.Ticket(sql=pb.SqlRequest(query=PREFIX)),
        pb.ReadRequest(dataset="candles", instruments=[PREFIX + "CommandStatementQuery"]),
        pb.WriteRequest(dataset="trades", protocol=1),
        message_class("Any")(type_url="type.googleapis.com/google.protobuf.Empty"),
        pb.Ticket(),
    ],
)
def test_other_requests_are_not_taken_for_flight_sql(message: object) -> None:
    assert not is_command(message.SerializeToString())  # type: ignore[attr-defined]


def test_an_any_of_something_else_is_refused() -> None:
    other = message_class("Any")(type_url="type.googleapis.com/google.protobuf.Empty")
    with pytest.raises(BadRequest, match="none of Flight SQL's"):
        command_of(other.SerializeToString())


@given(cut=st.integers(0, len(GENUINE)), place=st.integers(0), tail=st.binary(max_size=8))
def test_a_damaged_command_is_refused_or_another_command(cut: int, place: int, tail: bytes) -> None:
    data = bytearray(GENUINE[:cut] + tail)
    if data:
        data[place % len(data)] ^= 1 << place % 8
    try:
        command_of(bytes(data))
    except BadRequest as error:
        assert error.message.startswith("The Flight SQL message") or "none of" in error.message


@given(st.text(st.characters(codec="utf-8")), st.binary(max_size=500))
def test_a_handle_is_the_statement(query: str, parameters: bytes) -> None:
    statement = Statement(query, parameters)
    assert statement_of(statement.handle()) == statement


@given(st.binary(max_size=60))
def test_a_handle_of_random_bytes_is_refused_or_some_statement(data: bytes) -> None:
    try:
        assert isinstance(statement_of(data).query, str)
    except BadRequest as error:
        assert "handle" in error.message or "not readable" in error.message
