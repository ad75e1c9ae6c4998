"""Flight SQL's actions: statements are prepared, sessions hold nothing, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from flightstore_proto.errors import BadRequest
from flightstore_server.flight.flight_sql.commands import command, command_of
from flightstore_server.flight.flight_sql.objects import CATALOG, SCHEMA
from flightstore_server.flight.flight_sql.statement import Statement
from flightstore_server.flight.flight_sql.wire import Message, encoded
from flightstore_server.flight.status import Unimplemented
from flightstore_server.sql.engine import SqlEngine

_Action = Callable[[SqlEngine, bytes], Iterator[bytes]]
_SESSION_CLOSED = 1


def _create(engine: SqlEngine, body: bytes) -> Iterator[bytes]:
    prepared = engine.prepare(query_of(_request(body, "ActionCreatePreparedStatementRequest")))
    yield command(
        "ActionCreatePreparedStatementResult",
        (1, Statement(prepared.query).handle()),
        (2, prepared.schema.serialize().to_pybytes()),
        (3, prepared.parameters.serialize().to_pybytes()),
    )


def _close(_: SqlEngine, body: bytes) -> Iterator[bytes]:
    _request(body, "ActionClosePreparedStatementRequest")
    yield from ()


def _close_session(*_: object) -> Iterator[bytes]:
    yield encoded((1, _SESSION_CLOSED))


def _session_options(*_: object) -> Iterator[bytes]:
    options = {"catalog": CATALOG, "schema": SCHEMA}
    entries = [encoded((1, name), (2, encoded((1, value)))) for name, value in options.items()]
    yield encoded(*((1, entry) for entry in entries))


ACTIONS: dict[str, tuple[_Action, str]] = {
    "CreatePreparedStatement": (_create, "Flight SQL: check a SELECT, and learn its columns"),
    "ClosePreparedStatement": (_close, "Flight SQL: forget a SELECT; nothing is held for it"),
    "CloseSession": (_close_session, "Flight SQL: end a session; nothing is held for it"),
    "GetSessionOptions": (_session_options, "Flight SQL: the schema there is"),
}
_REFUSED = {
    "BeginTransaction": "transactions",
    "EndTransaction": "transactions",
    "BeginSavepoint": "transactions",
    "EndSavepoint": "transactions",
    "CreatePreparedSubstraitPlan": "Substrait plans",
    "SetSessionOptions": "session options to set",
    "CancelQuery": "queries to cancel by name; cancel the call itself",
    "CancelFlightInfo": "queries to cancel by name; cancel the call itself",
    "RenewFlightEndpoint": "endpoints that expire",
}


def is_action(name: str) -> bool:
    """Whether the action called `name` is Flight SQL's, answered here or not."""
    return name in ACTIONS or name in _REFUSED


def run(engine: SqlEngine, name: str, body: bytes) -> Iterator[bytes]:
    """The results of the action called `name`, as bytes."""
    if name in _REFUSED:
        raise Unimplemented(f"{name} is not for this server: it has no {_REFUSED[name]}.")
    return ACTIONS[name][0](engine, body)


def query_of(body: Message) -> str:
    """The SQL of a request, which is always its first field."""
    query = body.text(1)
    if not query:
        raise BadRequest("The request holds no SQL.")
    return query


def _request(body: bytes, name: str) -> Message:
    request = command_of(body)
    if request.name != name:
        raise BadRequest(f"The action takes a message called {name}.")
    return request.body
