"""Messages of protobuf as lists of fields, to be taken apart and put together in other ways."""

from __future__ import annotations

from dataclasses import dataclass

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {FIXED64: 8, FIXED32: 4}
_VARINT_BYTES_MAX = 10


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its number, its wire type, and its bytes without a length."""

    number: int
    kind: int
    data: bytes


def parsed(data: bytes) -> list[Field] | None:
    """The fields of a message; None if the bytes are not one."""
    fields, at = [], 0
    while at < len(data):
        tag, at = _varint_at(data, at)
        number, kind = tag >> 3, tag & 7
        end = _end_of(kind, data, at)
        if not number or end is None or end[1] > len(data):
            return None
        fields.append(Field(number, kind, data[end[0] : end[1]]))
        at = end[1]
    return fields


def joined(fields: list[Field]) -> bytes:
    """The bytes of a message of these fields, whatever they are."""
    out = bytearray()
    for field in fields:
        out += varint(field.number << 3 | field.kind)
        if field.kind == BYTES:
            out += varint(len(field.data))
        out += field.data
    return bytes(out)


def varint(value: int) -> bytes:
    """`value` as protobuf writes whole numbers."""
    out = bytearray()
    value &= 2**64 - 1
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _end_of(kind: int, data: bytes, at: int) -> tuple[int, int] | None:
    """Where a value of that wire type begins and ends."""
    if kind == VARINT:
        return at, _varint_at(data, at)[1]
    if kind == BYTES:
        size, at = _varint_at(data, at)
        return at, at + size
    return (at, at + _FIXED_SIZES[kind]) if kind in _FIXED_SIZES else None


def _varint_at(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at` and where it ends; a number without an end ends behind the data."""
    value = 0
    for position, byte in enumerate(data[at : at + _VARINT_BYTES_MAX]):
        value |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            return value, at + position + 1
    return 0, len(data) + 1
