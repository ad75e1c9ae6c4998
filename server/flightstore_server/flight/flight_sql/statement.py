"""A statement in the hands of its client: the handle is all of it.

Nothing is kept here between two calls, so nothing can be lost, left open or counted: a handle holds
the SQL and the parameters bound to it, and is worth what a client that sends them anew is worth.
"""

from __future__ import annotations

from dataclasses import dataclass

from flightstore_proto.errors import BadRequest
from flightstore_server.flight.flight_sql.wire import Message, encoded

_QUERY, _PARAMETERS = 1, 2


@dataclass(frozen=True)
class Statement:
    """SQL, and its parameters as an Arrow IPC stream of one row; empty if there are none."""

    query: str
    parameters: bytes = b""

    def handle(self) -> bytes:
        """What a client is given to ask for it with."""
        return encoded((_QUERY, self.query), (_PARAMETERS, self.parameters))


def statement_of(handle: bytes) -> Statement:
    """The statement that `handle` was made of. Raises BadRequest if it is none."""
    fields = Message(handle)
    query = fields.text(_QUERY)
    if query is None:
        raise BadRequest("This is not the handle of a statement that this server prepared.")
    return Statement(query, fields.data(_PARAMETERS))
