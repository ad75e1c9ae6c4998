"""One of every call that a server offers, found in the server itself, as bare Flight calls.

What is found there and not known here is an error: a new RPC, ticket, action or command of Flight
SQL has to be given a call, and with it the role that it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa
from google.protobuf.message import Message
from pyarrow import flight

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.schemas import CANDLES
from flightstore_server.access.grants import Role
from flightstore_server.flight import actions
from flightstore_server.flight.flight_sql import actions as sql_actions
from flightstore_server.flight.flight_sql.commands import command
from flightstore_server.flight.flight_sql.metadata import METADATA
from flightstore_server.flight.flight_sql.statement import Statement

Options = flight.FlightCallOptions
Send = Callable[[flight.FlightClient, Options], Iterator[bytes]]
# Streams without an end: one chunk of them is enough.
_UNENDING = {"subscribe", "replicate"}


@dataclass(frozen=True)
class Call:
    """One call: its name, how to make it, and who may.

    `role` None is for replicas. `whole` calls concern all series: not for tokens with limits.
    """

    name: str
    send: Send
    role: Role | None
    whole: bool = False

    def __str__(self) -> str:
        return self.name


def rpcs() -> set[str]:
    """The calls that Flight knows, by the names of their handlers."""
    prefixes = ("do_", "get_", "list_")
    return {name for name in dir(flight.FlightServerBase) if name.startswith(prefixes)}


def calls(instrument: str, dataset: str = "candles", timeframe: str = "1m") -> list[Call]:
    """All of them, about `instrument`: a name, or a pattern where a call takes one."""
    series = pb.Series(dataset=dataset, instrument=instrument, timeframe=timeframe)
    read = pb.ReadRequest(dataset=dataset, instruments=[instrument], timeframe=timeframe)
    sql = f"select count(*) from {dataset}"
    return [
        *_tickets(series, read, sql),
        *_actions(series),
        *_flight_sql(sql),
        *_others(read),
    ]


def _tickets(series: pb.Series, read: pb.ReadRequest, sql: str) -> Iterator[Call]:
    words = {"dataset": series.dataset, "timeframe": series.timeframe}
    named = {**words, "instruments": [series.instrument]}
    requests: dict[str, Message] = {
        "read": read,
        "catalog": pb.CatalogRequest(instruments=[series.instrument]),
        "gaps": pb.GapsRequest(series=series),
        "subscribe": pb.SubscribeRequest(**named, start=0),
        "latest": pb.LatestRequest(**named),
        "asof": pb.AsOfRequest(left=read, right=read),
        "sql": pb.SqlRequest(query=sql),
        "windows": pb.WindowsRequest(**named, length=1, series=[0], since=[0], first=[0]),
        "stretches": pb.StretchesRequest(**named, length=1),
        "replicate": pb.ReplicateRequest(),
        "copy": pb.CopyRequest(),
        "segment": pb.SegmentRequest(file="segments/no.arrow"),
    }
    known = {field.name for field in pb.Ticket.DESCRIPTOR.oneofs_by_name["request"].fields}
    assert known == requests.keys(), "every ticket is given a call here"
    for name, request in requests.items():
        ticket = pb.Ticket(**{name: request}).SerializeToString()
        role = None if name in ("replicate", "copy", "segment") else Role.READ
        yield Call(f"ticket {name}", _get(ticket, first_only=name in _UNENDING), role)


def _actions(series: pb.Series) -> Iterator[Call]:
    requests: dict[str, tuple[Message | None, Role, bool]] = {
        "health": (None, Role.READ, False),
        "status": (None, Role.READ, False),
        "coverage": (pb.RangeRequest(series=series), Role.READ, False),
        "sync": (pb.SyncRequest(timeout_seconds=0.01), Role.READ, False),
        "snapshot-list": (None, Role.READ, False),
        "rule-list": (None, Role.READ, True),
        "delete": (pb.DeleteRequest(series=series, range=_NOWHEN), Role.WRITE, False),
        "describe": (pb.DescribeRequest(series=series), Role.WRITE, False),
        "snapshot-create": (pb.SnapshotRequest(), Role.ADMIN, True),
        "snapshot-drop": (pb.SnapshotRequest(), Role.ADMIN, True),
        "flush": (None, Role.ADMIN, True),
        "compact": (pb.CompactRequest(), Role.ADMIN, True),
        "verify": (None, Role.ADMIN, True),
        "backup": (pb.BackupRequest(destination="nowhere"), Role.ADMIN, True),
        "promote": (None, Role.ADMIN, True),
        "rule-add": (pb.Rule(), Role.ADMIN, True),
        "rule-remove": (pb.RuleRequest(name="none"), Role.ADMIN, True),
    }
    assert actions.ACTIONS.keys() == requests.keys(), "every action is given a call here"
    for name, (request, role, whole) in requests.items():
        body = b"" if request is None else request.SerializeToString()
        yield Call(f"action {name}", _act(name, body), role, whole)
    for name in (*sql_actions.ACTIONS, *sql_actions._REFUSED, "unheard-of"):
        yield Call(f"action {name}", _act(name, b""), Role.READ)


def _flight_sql(sql: str) -> Iterator[Call]:
    handle = Statement(sql).handle()
    statements = {
        "CommandStatementQuery": command("CommandStatementQuery", (1, sql)),
        "CommandPreparedStatementQuery": command("CommandPreparedStatementQuery", (1, handle)),
    }
    for name in METADATA:
        yield Call(f"get {name}", _get(command(name)), Role.READ)
    for name, data in {**{name: command(name) for name in METADATA}, **statements}.items():
        yield Call(f"info {name}", _info(data), Role.READ)
        yield Call(f"schema {name}", _schema(data), Role.READ)
    ticket = command("TicketStatementQuery", (1, handle))
    yield Call("get TicketStatementQuery", _get(ticket), Role.READ)
    row = pa.record_batch({"0": [1]})
    prepared = statements["CommandPreparedStatementQuery"]
    yield Call("put CommandPreparedStatementQuery", _put(prepared, row.schema), Role.READ)


def _others(read: pb.ReadRequest) -> Iterator[Call]:
    wanted = read.SerializeToString()
    put = pb.WriteRequest(dataset=read.dataset, protocol=1).SerializeToString()
    yield Call("get_flight_info", _info(wanted), Role.READ)
    yield Call("get_schema", _schema(wanted), Role.READ)
    yield Call("do_put", _put(put, CANDLES), Role.WRITE)
    yield Call("do_exchange", _exchange, Role.READ)
    yield Call("list_flights", _list_flights(read.instruments[0].encode()), Role.READ)
    yield Call("list_actions", _list_actions, Role.READ)


# Nothing lies there, so that a delete that is let through does no harm.
_NOWHEN = pb.TimeRange(start=0, end=1)


def _get(ticket: bytes, *, first_only: bool = False) -> Send:
    def send(client: flight.FlightClient, options: Options) -> Iterator[bytes]:
        reader = client.do_get(flight.Ticket(ticket), options)
        yield reader.schema.serialize().to_pybytes()
        for chunk in reader:
            yield _bytes(chunk)
            if first_only:
                reader.cancel()
                return

    return send


def _bytes(chunk: flight.FlightStreamChunk) -> bytes:
    rows = b"" if chunk.data is None else str(chunk.data.to_pydict()).encode()
    return rows + (b"" if chunk.app_metadata is None else chunk.app_metadata.to_pybytes())


def _act(name: str, body: bytes) -> Send:
    def send(client: flight.FlightClient, options: Options) -> Iterator[bytes]:
        for result in client.do_action(flight.Action(name, body), options):
            yield result.body.to_pybytes()

    return send


def _info(data: bytes) -> Send:
    def send(client: flight.FlightClient, options: Options) -> Iterator[bytes]:
        descriptor = flight.FlightDescriptor.for_command(data)
        yield client.get_flight_info(descriptor, options).serialize()

    return send


def _schema(data: bytes) -> Send:
    def send(client: flight.FlightClient, options: Options) -> Iterator[bytes]:
        descriptor = flight.FlightDescriptor.for_command(data)
        yield client.get_schema(descriptor, options).schema.serialize().to_pybytes()

    return send


def _put(data: bytes, schema: pa.Schema) -> Send:
    def send(client: flight.FlightClient, options: Options) -> Iterator[bytes]:
        descriptor = flight.FlightDescriptor.for_command(data)
        writer, acks = client.do_put(descriptor, schema, options)
        try:
            writer.done_writing()
            answer = acks.read()
            yield b"" if answer is None else answer.to_pybytes()
        finally:
            writer.close()

    return send


def _exchange(client: flight.FlightClient, options: Options) -> Iterator[bytes]:
    writer, reader = client.do_exchange(flight.FlightDescriptor.for_command(b""), options)
    try:
        writer.done_writing()
        yield from map(_bytes, reader)
    finally:
        writer.close()


def _list_flights(criteria: bytes) -> Send:
    def send(client: flight.FlightClient, options: Options) -> Iterator[bytes]:
        for info in client.list_flights(criteria, options):
            yield info.serialize()

    return send


def _list_actions(client: flight.FlightClient, options: Options) -> Iterator[bytes]:
    for action in client.list_actions(options):
        yield str(action).encode()
