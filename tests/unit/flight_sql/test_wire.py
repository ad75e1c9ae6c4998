"""Protobuf's wire format, against protobuf."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.flight_sql.messages import message_class

from flightstore_proto.errors import BadRequest
from flightstore_server.flight.flight_sql.wire import BYTES_MAX, Message, encoded

TABLES = message_class("CommandGetTables")
INFO = message_class("CommandGetSqlInfo")
TYPE_INFO = message_class("CommandGetXdbcTypeInfo")
PREPARED = message_class("ActionCreatePreparedStatementResult")
ANY = message_class("Any")

texts = st.text(st.characters(codec="utf-8"), max_size=300)
uint32s = st.integers(0, 2**32 - 1)


@given(
    catalog=st.none() | texts,
    pattern=st.none() | texts,
    types=st.lists(texts, max_size=4),
    flag=st.none() | st.booleans(),
)
def test_what_protobuf_writes_is_read(
    catalog: str | None, pattern: str | None, types: list[str], flag: bool | None
) -> None:
    said = TABLES(
        catalog=catalog, table_name_filter_pattern=pattern, table_types=types, include_schema=flag
    )
    read = Message(said.SerializeToString())
    assert (read.text(1), read.text(2), read.text(3)) == (catalog, None, pattern)
    assert read.texts(4) == types
    assert read.flag(5) is bool(flag)


@given(st.lists(uint32s))
def test_numbers_are_read_packed_and_one_by_one(numbers: list[int]) -> None:
    one_by_one = INFO(info=numbers).SerializeToString()
    packed = encoded((1, b"".join(encoded((0, n))[1:] for n in numbers)))
    assert Message(one_by_one).uint32s(1) == Message(packed).uint32s(1) == numbers


@given(st.integers(-(2**31), 2**31 - 1))
def test_a_signed_number_is_read(number: int) -> None:
    assert Message(TYPE_INFO(data_type=number).SerializeToString()).int32(1) == number


@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(min_size=1, max_size=20_000))
def test_what_is_written_is_what_protobuf_writes(one: bytes, two: bytes, three: bytes) -> None:
    theirs = PREPARED(prepared_statement_handle=one, dataset_schema=two, parameter_schema=three)
    assert encoded((1, one), (2, two), (3, three)) == theirs.SerializeToString()


@given(texts, st.integers(0, 2**63))
def test_what_is_written_is_read(text: str, number: int) -> None:
    read = Message(encoded((7, text), (2**20, number)))
    assert read.text(7) == text
    assert read.int32(2**20) == ((number & 0xFFFFFFFF) ^ 2**31) - 2**31


def test_of_a_field_that_comes_twice_the_last_one_counts() -> None:
    assert Message(encoded((1, "a"), (1, "b"))).text(1) == "b"


def test_a_field_of_another_type_does_not_count() -> None:
    read = Message(encoded((1, 5), (5, "text")))
    assert read.text(1) is None
    assert not read.flag(5)
    assert read.int32(5) is None


def test_unknown_fields_of_every_size_are_passed_over() -> None:
    fixed = b"\x39" + bytes(8) + b"\x3d" + bytes(4)  # field 7 as fixed64, then as fixed32
    assert Message(fixed + encoded((99, 1), (98, b"x"), (1, "kept"))).text(1) == "kept"


@given(
    said=st.builds(TABLES, catalog=texts, table_types=st.lists(texts, max_size=3)),
    place=st.floats(0, 1, exclude_max=True),
    byte=st.integers(0, 255),
)
def test_changed_bytes_are_refused_or_read_as_protobuf_reads_them(
    said: object, place: float, byte: int
) -> None:
    data = bytearray(said.SerializeToString())  # type: ignore[attr-defined]
    data[int(place * len(data))] = byte
    try:
        read = Message(bytes(data))
        found = read.text(1), read.text(3), read.texts(4), read.flag(5)
    except BadRequest:
        return
    theirs = TABLES.FromString(bytes(data))
    pattern = "table_name_filter_pattern"
    assert found == (
        theirs.catalog if theirs.HasField("catalog") else None,
        theirs.table_name_filter_pattern if theirs.HasField(pattern) else None,
        list(theirs.table_types),
        theirs.include_schema,
    )


@given(st.binary(max_size=80))
@example(b"\x08" + b"\xff" * 10)
@example(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
def test_random_bytes_are_refused_or_read_as_protobuf_reads_them(data: bytes) -> None:
    try:
        read = Message(data)
        found = read.data(2)
    except BadRequest:
        return
    try:
        theirs = ANY.FromString(data)
    except DecodeError:
        return  # a string of it that is not UTF-8, which is seen when it is asked for
    assert found == theirs.value


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x08", "no end"),
        (b"\x08\x80\x80", "no end"),
        (b"\x08" + b"\x80" * 11 + b"\x01", "no end"),
        (b"\x0a\x05abc", "cut short"),
        (b"\x0a", "no end"),
        (b"\x39\x00", "cut short"),
        (b"\x00\x01", "number 0"),
        (b"\x80\x80\x80\x80\x80\x80\x01\x01", "number"),
        (b"\x0b", "wire type 3"),
        (b"\x0f", "wire type 7"),
    ],
)
def test_bytes_that_are_no_message_are_refused(data: bytes, why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        Message(data)


def test_a_message_that_would_take_long_to_read_is_refused() -> None:
    with pytest.raises(BadRequest, match=str(BYTES_MAX)):
        Message(encoded((1, 1)) * BYTES_MAX)


def test_a_text_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(BadRequest, match="UTF-8"):
        Message(encoded((1, b"\xff"))).text(1)


def test_packed_numbers_that_are_cut_short_are_refused() -> None:
    with pytest.raises(BadRequest, match="no end"):
        Message(encoded((1, b"\x80"))).uint32s(1)
