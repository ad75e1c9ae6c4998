"""The Flight service: one short method per RPC. The only edge of the server."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow.flight as fl

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import UnknownAction
from flightstore_server.access.grants import Role
from flightstore_server.flight import actions
from flightstore_server.flight.asof import asof_stream
from flightstore_server.flight.backend import Backend
from flightstore_server.flight.callers import Caller
from flightstore_server.flight.calls import Call, begin
from flightstore_server.flight.catalog import catalog_stream, flight_infos, info_of
from flightstore_server.flight.errors import guarded, guarded_stream
from flightstore_server.flight.flight_sql import actions as sql_actions
from flightstore_server.flight.flight_sql.commands import is_command
from flightstore_server.flight.gaps import gaps_stream
from flightstore_server.flight.incoming import Incoming
from flightstore_server.flight.latest import latest_stream
from flightstore_server.flight.limits.arrivals import peer_of
from flightstore_server.flight.local import places
from flightstore_server.flight.puts import receive_puts
from flightstore_server.flight.reads import identity_schema, read_stream, stream_schema
from flightstore_server.flight.replication import Request
from flightstore_server.flight.requests import Read, kind_of, parse, query_of, ticket_of
from flightstore_server.flight.sql import sql_stream
from flightstore_server.flight.status import untraced
from flightstore_server.flight.subscriptions import live_stream
from flightstore_server.flight.windows import stretches_stream, windows_stream


class Service(fl.FlightServerBase):  # type: ignore[misc]
    """Serves a backend. Never call serve(): it waits for streams for ever (see lifecycle.py).

    What a call takes is said where it is dispatched: a Caller, made of who sent it, does the rest.
    """

    def __init__(self, backend: Backend, location: str, **transport: object) -> None:
        """`transport` is for Flight: certificates, and the middleware that asks who calls."""
        super().__init__(location, **transport)
        self._backend = backend

    @guarded
    def do_get(self, context: fl.ServerCallContext, ticket: fl.Ticket) -> fl.FlightDataStream:
        call = self._observe(context, "get")
        caller = self._backend.caller(context)
        admission = self._backend.admission
        admission.check_request(ticket.ticket)
        if is_command(ticket.ticket):
            call.kind = "flightsql"
            caller.require(Role.READ)
            return admission.streaming(lambda: caller.flight_sql.stream(context, ticket.ticket))
        request = ticket_of(ticket.ticket)
        call.kind = kind_of(request)
        if isinstance(request, Request):
            return self._backend.replication.stream(caller, context, request)
        caller.require(Role.READ)
        if isinstance(request, pb.SubscribeRequest):
            admission.check_memory()
            return live_stream(caller, request, context)
        return admission.streaming(lambda: self._stream(caller, context, request))

    def _stream(
        self, caller: Caller, context: fl.ServerCallContext, request: Read
    ) -> fl.FlightDataStream:
        if isinstance(request, pb.CatalogRequest):
            return catalog_stream(caller, request)
        if isinstance(request, pb.GapsRequest):
            return gaps_stream(caller, request)
        if isinstance(request, pb.SqlRequest):
            return sql_stream(caller.sql, request, context)
        if isinstance(request, pb.LatestRequest):
            return latest_stream(caller.newest, request)
        if isinstance(request, pb.AsOfRequest):
            return asof_stream(caller, request)
        if isinstance(request, pb.StretchesRequest):
            return stretches_stream(caller, request)
        if isinstance(request, pb.WindowsRequest):
            return windows_stream(caller, request)
        return read_stream(caller, request)

    @guarded
    def do_put(
        self,
        context: fl.ServerCallContext,
        descriptor: fl.FlightDescriptor,
        reader: fl.MetadataRecordBatchReader,
        writer: fl.FlightMetadataWriter,
    ) -> None:
        command = descriptor.command or b""
        admission = self._backend.admission
        with self._observe(context, "put"), admission.putting():
            caller = self._backend.caller(context)
            admission.check_request(command)
            if is_command(command):
                caller.require(Role.READ)  # it binds parameters, and writes nothing
                caller.flight_sql.put(command, reader, writer)
            else:
                caller.require(Role.WRITE)
                incoming = Incoming(reader, admission, peer_of(context))
                receive_puts(caller, command, incoming, writer)

    @guarded
    def do_action(self, context: fl.ServerCallContext, action: fl.Action) -> Iterator[fl.Result]:
        body = action.body.to_pybytes()
        self._observe(context, "action")
        caller = self._reader(context)
        self._backend.admission.check_request(body)
        if sql_actions.is_action(action.type):
            return map(fl.Result, caller.flight_sql.action(action.type, body))
        results = actions.run(caller, action.type, body)
        if action.type == "status":
            results = self._backend.usage.in_status(results)
        return guarded_stream(fl.Result(m.SerializeToString()) for m in results)

    @guarded
    def list_actions(self, context: fl.ServerCallContext) -> list[tuple[str, str]]:
        self._reader(context)
        known = {name: offer.text for name, offer in actions.ACTIONS.items()}
        known |= {name: text for name, (_, text) in sql_actions.ACTIONS.items()}
        return list(known.items())

    @guarded
    def list_flights(
        self, context: fl.ServerCallContext, criteria: bytes
    ) -> Iterator[fl.FlightInfo]:
        self._observe(context, "list")
        caller = self._reader(context)
        self._backend.admission.check_request(criteria)
        return guarded_stream(flight_infos(caller, criteria.decode("utf-8", "replace")))

    @guarded
    def get_flight_info(
        self, context: fl.ServerCallContext, descriptor: fl.FlightDescriptor
    ) -> fl.FlightInfo:
        with self._observe(context, "info"):
            caller = self._reader(context)
            self._backend.admission.check_request(descriptor.command or b"")
            if is_command(descriptor.command or b""):
                return caller.flight_sql.info(descriptor)
            return _info(caller, descriptor)

    @untraced
    def get_schema(
        self, context: fl.ServerCallContext, descriptor: fl.FlightDescriptor
    ) -> fl.SchemaResult:
        with self._observe(context, "info"):
            caller = self._reader(context)
            self._backend.admission.check_request(descriptor.command or b"")
            if is_command(descriptor.command or b""):
                return fl.SchemaResult(caller.flight_sql.schema(descriptor.command))
            return fl.SchemaResult(_info(caller, descriptor).schema)

    @guarded
    def do_exchange(self, context: fl.ServerCallContext, *_: object) -> None:
        self._reader(context)
        # Flight's own answer to what is not there is a Python traceback.
        raise UnknownAction("This server has no DoExchange; read with DoGet and write with DoPut.")

    def _observe(self, context: fl.ServerCallContext, kind: str) -> Call:
        return begin(self._backend.store.served, kind, context)

    def _reader(self, context: fl.ServerCallContext) -> Caller:
        """Who makes a call that takes no more than the right to read."""
        caller = self._backend.caller(context)
        caller.require(Role.READ)
        return caller


def _info(caller: Caller, descriptor: fl.FlightDescriptor) -> fl.FlightInfo:
    request = parse(pb.ReadRequest, descriptor.command or b"", "descriptor")
    query = query_of(request)
    selection = caller.reader.select(query)
    schema = stream_schema(selection)
    wide = not query.is_single and request.identity != pb.ReadRequest.IDENTITY_RUNS
    schema = identity_schema(schema) if wide else schema
    return info_of(schema, request, -1, -1, places(selection, query, request))
