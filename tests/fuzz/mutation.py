"""Genuine calls made wrong: bytes, fields, Arrow's own headers, and the order of messages."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.fuzz.calls import METHODS, Call
from tests.fuzz.protobuf import BYTES, FIXED32, VARINT, Field, joined, parsed, varint

_HEADER, _METADATA, _BODY = 2, 3, 1000  # of the FlightData message
_NUMBERS = (0, 1, 2, 3, 7, 8, 63, 64, 127, 255, 65_535, 2**31 - 1, 2**31, 2**32 - 1)
_WIDE = (*_NUMBERS, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
_TEXTS = (
    b"",
    b"*",
    b"../../../escaped",
    b"/tmp/escaped",
    b"binance:../../escaped",
    b"binance:%2e%2e%2fescaped",
    b"binance:A\x00B",
    b"binance:*",
    b"\xff\xfe",
    "binance:€\u202e\U0001f4a3".encode(),
    b"binance:" + b"x" * 65_536,
    b"candles",
    b"trades",
    b"1m",
    b"1d",
    b"9999999999s",
    b"-1m",
    b"select 1",
    b"select * from read_csv('/etc/passwd')",
    b"copy candles to '../escaped.csv'",
)
_HEADERS: tuple[tuple[str, str | bytes], ...] = (
    ("authorization", "Basic dXNlcjpwYXNz"),
    ("authorization", "Basic !!!"),
    ("authorization", "Bearer "),
    ("authorization", "Bearer fs_aaaa_" + "b" * 43),
    ("auth-token-bin", b"\x00\xff"),
    ("x-flightstore-\x2e", "~" * 4_000),
    ("cookie", "a=b; session=../../escaped"),
)
_DEPTH_MAX = 5


class Mutator:
    """Draws calls that are almost those of `genuine`."""

    def __init__(self, genuine: Sequence[Call], rng: random.Random) -> None:
        self._calls = {name: [c for c in genuine if c.method == name] for name in METHODS}
        self._messages = [message for call in genuine for message in call.messages]
        self._flights = [
            m for c in genuine if c.method in ("DoPut", "DoExchange") for m in c.messages
        ]
        self._rng = rng

    def call(self) -> Call:
        """The next one."""
        rng = self._rng
        # Puts twice as often: theirs are the messages that Arrow takes apart.
        call = rng.choice(self._calls[rng.choice((*METHODS, "DoPut", "DoPut", "DoGet"))])
        for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
            call = rng.choice(_CHANGES)(self, call)
        if rng.random() < 0.03:
            call = replace(call, headers=(rng.choice(_HEADERS),))
        return call

    def one_message(self, call: Call) -> Call:
        """One of its messages is changed."""
        if not call.messages:
            return replace(call, messages=(self._rng.randbytes(self._rng.randrange(40)),))
        at = self._rng.randrange(len(call.messages))
        changed = self._flight if call.method in ("DoPut", "DoExchange") else self._message
        messages = list(call.messages)
        messages[at] = changed(messages[at])
        return replace(call, messages=tuple(messages))

    def order(self, call: Call) -> Call:
        """A message is left out, said twice, moved, or one of another call comes in between."""
        messages, rng = list(call.messages), self._rng
        at = rng.randrange(len(messages) + 1)
        kind = rng.randrange(5)
        if kind == 0:
            del messages[at : at + rng.randrange(1, 3)]
        elif kind == 1:
            messages[at:at] = messages[at : at + 1] * rng.randrange(1, 4)
        elif kind == 2:
            rng.shuffle(messages)
        elif kind == 3:
            messages.insert(at, rng.choice(self._flights))
        else:
            messages[at:at] = [b""]
        return replace(call, messages=tuple(messages))

    def method(self, call: Call) -> Call:
        """What is meant for one method comes to another."""
        return replace(call, method=self._rng.choice(METHODS))

    def _flight(self, data: bytes) -> bytes:
        """A FlightData message with a header, metadata or body that is not its own, or is wrong."""
        rng = self._rng
        fields = parsed(data)
        if fields is None or rng.random() < 0.15:
            return self._message(data)
        if rng.random() < 0.2:
            return self._spliced(fields)
        at = rng.randrange(len(fields)) if fields else 0
        if fields:
            fields[at] = self._flight_field(fields[at])
        return joined(fields)

    def _flight_field(self, field: Field) -> Field:
        if field.number == _HEADER:
            return replace(field, data=_flatbuffer(field.data, self._rng))
        if field.number == _BODY:
            return replace(field, data=_body(field.data, self._rng))
        return replace(field, data=self._message(field.data))

    def _spliced(self, fields: list[Field]) -> bytes:
        others = parsed(self._rng.choice(self._flights)) or []
        taken = self._rng.choice((_HEADER, _METADATA, _BODY))
        kept = [f for f in fields if f.number != taken]
        return joined(kept + [f for f in others if f.number == taken])

    def _message(self, data: bytes, depth: int = 0) -> bytes:
        """A protobuf message with one thing changed, at any depth."""
        rng = self._rng
        fields = parsed(data)
        if not fields or rng.random() < 0.2:
            return _bytes(data, rng)
        at = rng.randrange(len(fields))
        kind = rng.randrange(8)
        if kind == 0:
            del fields[at]
        elif kind == 1:
            fields[at:at] = [fields[at]] * rng.choice((1, 2, 50))
        elif kind == 2:
            fields[at] = replace(fields[at], number=rng.choice((1, 2, 3, 16, 25, 999, 2**29 - 1)))
        elif kind == 3:
            fields += parsed(rng.choice(self._messages)) or []
        else:
            fields[at] = self._field(fields[at], depth)
        return joined(fields)

    def _field(self, field: Field, depth: int) -> Field:
        rng = self._rng
        if field.kind == VARINT:
            return replace(field, data=varint(rng.choice(_WIDE)))
        if field.kind != BYTES:
            size = 4 if field.kind == FIXED32 else 8
            number = rng.choice(_WIDE) if rng.random() < 0.7 else rng.getrandbits(64)
            return replace(field, data=struct.pack("<Q", number)[:size])
        if depth < _DEPTH_MAX and rng.random() < 0.6 and parsed(field.data):
            return replace(field, data=self._message(field.data, depth + 1))
        if rng.random() < 0.5:
            return replace(field, data=rng.choice(_TEXTS))
        return replace(field, data=_bytes(field.data, rng))


_CHANGES: tuple[Callable[[Mutator, Call], Call], ...] = (
    *[Mutator.one_message] * 8,
    *[Mutator.order] * 2,
    Mutator.method,
)


def _bytes(data: bytes, rng: random.Random) -> bytes:
    """A few bytes changed, added or taken away, anywhere."""
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        kind, at = rng.randrange(5), rng.randrange(len(changed) + 1)
        if kind == 0:
            changed[at:at] = rng.randbytes(rng.randrange(1, 9))
        elif kind == 1:
            del changed[at : at + rng.randrange(1, 9)]
        elif kind == 2 and rng.random() < 0.3:
            del changed[at:]
        elif at < len(changed):
            changed[at] = rng.choice((rng.randrange(256), changed[at] ^ 1 << rng.randrange(8)))
    return bytes(changed)


def _flatbuffer(data: bytes, rng: random.Random) -> bytes:
    """Arrow's header of a message, with numbers in it that lie."""
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        size = rng.choice((1, 2, 4, 8))
        if len(changed) < size:
            break
        at = rng.randrange(0, len(changed) - size + 1, size)
        number = rng.choice(_WIDE) if rng.random() < 0.6 else rng.randrange(1 << 16)
        changed[at : at + size] = struct.pack("<Q", number)[:size]
    return _bytes(bytes(changed), rng) if rng.random() < 0.1 else bytes(changed)


def _body(data: bytes, rng: random.Random) -> bytes:
    """The buffers of a batch: cut short, grown, or with other values in them."""
    kind = rng.randrange(4)
    if kind == 0:
        return data[: rng.randrange(len(data) + 1)]
    if kind == 1:
        return data + rng.randbytes(rng.choice((1, 8, 4_096)))
    return _flatbuffer(data, rng) if kind == 2 else _bytes(data, rng)
