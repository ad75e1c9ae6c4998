"""Which bytes are Flight SQL's: a google.protobuf.Any that names one of its messages.

Tickets of flightstore begin with a field of number 16 or more, and its other requests with the name
of a dataset; neither can be taken for one of these.
"""

from __future__ import annotations

from dataclasses import dataclass

from flightstore_proto.errors import BadRequest
from flightstore_server.flight.flight_sql.wire import Message, encoded

_PREFIX = "type.googleapis.com/arrow.flight.protocol.sql."
_PREFIX_BYTES = _PREFIX.encode()
# Any begins with its type's name, whose length takes one byte.
_NAME_TAG, _NAME_AT = b"\x0a", 2


@dataclass(frozen=True)
class Command:
    """A message of Flight SQL: its name, such as CommandStatementQuery, and its fields."""

    name: str
    body: Message


def is_command(data: bytes) -> bool:
    """Whether `data` is meant for Flight SQL. Costs nothing to ask of every ticket."""
    return data[:1] == _NAME_TAG and data.startswith(_PREFIX_BYTES, _NAME_AT)


def command_of(data: bytes) -> Command:
    """The command in `data`. Raises BadRequest if there is none that can be read."""
    wrapped = Message(data)
    name = wrapped.text(1) or ""
    if not name.startswith(_PREFIX):
        raise BadRequest("The message is none of Flight SQL's: its type does not say so.")
    return Command(name.removeprefix(_PREFIX), Message(wrapped.data(2)))


def command(name: str, *fields: tuple[int, int | bytes | str]) -> bytes:
    """The bytes of the message called `name`."""
    return encoded((1, _PREFIX + name), (2, encoded(*fields)))
