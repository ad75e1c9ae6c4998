"""Protobuf's wire format, as far as Flight SQL needs it.

Written by hand because generated code would register the names of Arrow's messages, and any other
copy of them in the process then fails to load. What is read follows protobuf: of a field that comes
twice the last one counts, and unknown fields, or those of another type, do not count at all.
"""

from __future__ import annotations

from collections.abc import Iterator

from flightstore_proto.errors import BadRequest

# More than the longest query with the longest parameters; reading more would keep others waiting.
BYTES_MAX = 512 * 1024
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}
_VARINT_BYTES_MAX = 10
_FIELD_MAX = 2**29 - 1
_UINT64, _UINT32, _INT32_SIGN = 2**64 - 1, 2**32 - 1, 2**31


class Message:
    """One message's fields by number. Raises BadRequest if the bytes are no protobuf message."""

    def __init__(self, data: bytes) -> None:
        if len(data) > BYTES_MAX:
            raise BadRequest(
                f"The Flight SQL message has {len(data)} bytes and may have {BYTES_MAX}."
            )
        self._fields: dict[int, list[int | bytes]] = {}
        for number, value in _parsed(data):
            self._fields.setdefault(number, []).append(value)

    def __contains__(self, number: int) -> bool:
        return number in self._fields

    def data(self, number: int) -> bytes:
        """A bytes field; empty if it is absent."""
        return next((v for v in reversed(self._all(number)) if isinstance(v, bytes)), b"")

    def text(self, number: int) -> str | None:
        """A string field, or None if it is absent: an empty one may mean something else."""
        return _utf8(self.data(number)) if self._has_bytes(number) else None

    def texts(self, number: int) -> list[str]:
        """A repeated string field."""
        return [_utf8(value) for value in self._all(number) if isinstance(value, bytes)]

    def flag(self, number: int) -> bool:
        """A bool field; false if it is absent."""
        values = [v for v in self._all(number) if isinstance(v, int)]
        return bool(values and values[-1])

    def int32(self, number: int) -> int | None:
        """An int32 field, or None if it is absent."""
        values = [v for v in self._all(number) if isinstance(v, int)]
        if not values:
            return None
        return ((values[-1] & _UINT32) ^ _INT32_SIGN) - _INT32_SIGN

    def uint32s(self, number: int) -> list[int]:
        """A repeated uint32 field, whether it came packed or one by one."""
        found: list[int] = []
        for value in self._all(number):
            found += [value] if isinstance(value, int) else _packed(value)
        return [value & _UINT32 for value in found]

    def _all(self, number: int) -> list[int | bytes]:
        return self._fields.get(number, [])

    def _has_bytes(self, number: int) -> bool:
        return any(isinstance(value, bytes) for value in self._all(number))


def encoded(*fields: tuple[int, int | bytes | str]) -> bytes:
    """A message of these (number, value); integers are not negative."""
    out = bytearray()
    for number, value in fields:
        if isinstance(value, int):
            out += _varint(number << 3 | _VARINT) + _varint(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            out += _varint(number << 3 | _BYTES) + _varint(len(data)) + data
    return bytes(out)


def _parsed(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        number, kind = tag >> 3, tag & 7
        if not 1 <= number <= _FIELD_MAX:
            raise _malformed(f"a field has the number {number}")
        if kind == _VARINT:
            value, at = _read_varint(data, at)
            yield number, value
        elif kind == _BYTES:
            size, at = _read_varint(data, at)
            at = _end(data, at, size)
            yield number, data[at - size : at]
        elif kind in _FIXED_SIZES:
            at = _end(data, at, _FIXED_SIZES[kind])  # no message of Flight SQL has such a field
        else:
            raise _malformed(f"a field has the wire type {kind}")


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, and where it ends."""
    value = 0
    for position, byte in enumerate(data[at : at + _VARINT_BYTES_MAX]):
        value |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            return value & _UINT64, at + position + 1
    raise _malformed("a number has no end")


def _end(data: bytes, at: int, size: int) -> int:
    if size > len(data) - at:
        raise _malformed("it is cut short")
    return at + size


def _packed(data: bytes) -> list[int]:
    found, at = [], 0
    while at < len(data):
        value, at = _read_varint(data, at)
        found.append(value)
    return found


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _utf8(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise _malformed("a text is not UTF-8") from None


def _malformed(why: str) -> BadRequest:
    return BadRequest(f"The Flight SQL message is not readable: {why}.")
