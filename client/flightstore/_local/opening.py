"""Rows from where they are had soonest: from mapped files, or from the stream."""

from __future__ import annotations

from flightstore._connection import Connection, ReadStream
from flightstore._local.mapping import NotMapped
from flightstore._local.stream import LocalStream
from flightstore_proto.schemas import LOCAL_KEY


def open_rows(
    connection: Connection, ticket: bytes, *, deadline: str = "read"
) -> ReadStream | LocalStream:
    """What `ticket` asks for, from the first row."""
    same_host = connection.same_host
    asked = same_host.asked(ticket)
    stream = connection.open_read(asked, deadline=deadline)
    places = (stream.schema.metadata or {}).get(LOCAL_KEY)
    if places is None:
        return stream
    try:
        local = LocalStream(stream, places)
    except NotMapped as reason:
        stream.cancel()
        same_host.failed(str(reason))
        return connection.open_read(ticket, deadline=deadline)
    same_host.worked()
    return local
