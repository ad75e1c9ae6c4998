"""The Flight service: one short method per RPC. The only edge of the server."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow.flight as fl

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import UnknownAction
from flightstore_server.engine.latest import Newest
from flightstore_server.engine.store import Store
from flightstore_server.engine.subscriptions import Subscriptions
from flightstore_server.flight import actions
from flightstore_server.flight.asof import asof_stream
from flightstore_server.flight.catalog import catalog_stream, flight_infos, info_of
from flightstore_server.flight.errors import guarded, guarded_stream
from flightstore_server.flight.flight_sql import actions as sql_actions
from flightstore_server.flight.flight_sql.commands import is_command
from flightstore_server.flight.flight_sql.edge import FlightSql
from flightstore_server.flight.gaps import gaps_stream
from flightstore_server.flight.latest import latest_stream
from flightstore_server.flight.local import places
from flightstore_server.flight.puts import receive_puts
from flightstore_server.flight.reads import identity_schema, read_stream, stream_schema
from flightstore_server.flight.replication import (
    AUTHORIZATION,
    Authorization,
    Replication,
    Request,
)
from flightstore_server.flight.requests import parse, query_of, ticket_of
from flightstore_server.flight.sql import sql_stream
from flightstore_server.flight.status import untraced
from flightstore_server.flight.subscriptions import live_stream
from flightstore_server.flight.windows import stretches_stream, windows_stream
from flightstore_server.sql.engine import SqlEngine
from flightstore_server.sql.limits import SqlLimits


class Service(fl.FlightServerBase):  # type: ignore[misc]
    """Serves one store. Never call serve(): it waits for streams for ever (see lifecycle.py)."""

    def __init__(
        self,
        store: Store,
        location: str,
        *,
        replication_token: str = "",
        sql: SqlLimits | None = None,
    ) -> None:
        # Middleware costs every call some 50 µs: only where there may be replicas.
        middleware = {AUTHORIZATION: Authorization()} if replication_token else {}
        super().__init__(location, middleware=middleware)
        self._store = store
        self._subscriptions = Subscriptions(store)
        self._newest = Newest(store)
        self._replication = Replication(store, replication_token)
        self.sql = SqlEngine(store, sql or SqlLimits())
        self._flight_sql = FlightSql(self.sql)

    def shutdown(self) -> None:
        """Stop serving; those who follow the log are told first, since they would never end."""
        self._store.feed.close()
        self.sql.close()
        super().shutdown()

    @guarded
    def do_get(self, context: fl.ServerCallContext, ticket: fl.Ticket) -> fl.FlightDataStream:
        if is_command(ticket.ticket):
            return self._flight_sql.stream(context, ticket.ticket)
        request = ticket_of(ticket.ticket)
        if isinstance(request, pb.CatalogRequest):
            return catalog_stream(self._store, request)
        if isinstance(request, pb.GapsRequest):
            return gaps_stream(self._store, request)
        if isinstance(request, pb.SubscribeRequest):
            return live_stream(self._subscriptions, request, context)
        if isinstance(request, pb.SqlRequest):
            return sql_stream(self.sql, request, context)
        if isinstance(request, pb.LatestRequest):
            return latest_stream(self._newest, request)
        if isinstance(request, pb.AsOfRequest):
            return asof_stream(self._store, request)
        if isinstance(request, pb.StretchesRequest):
            return stretches_stream(self._store, request)
        if isinstance(request, pb.WindowsRequest):
            return windows_stream(self._store, request)
        if isinstance(request, Request):
            return self._replication.stream(context, request)
        return read_stream(self._store, request)

    @guarded
    def do_put(
        self,
        context: fl.ServerCallContext,
        descriptor: fl.FlightDescriptor,
        reader: fl.MetadataRecordBatchReader,
        writer: fl.FlightMetadataWriter,
    ) -> None:
        command = descriptor.command or b""
        if is_command(command):
            self._flight_sql.put(command, reader, writer)
        else:
            receive_puts(self._store, command, reader, writer)

    @guarded
    def do_action(self, context: fl.ServerCallContext, action: fl.Action) -> Iterator[fl.Result]:
        body = action.body.to_pybytes()
        if sql_actions.is_action(action.type):
            return map(fl.Result, self._flight_sql.action(action.type, body))
        results = actions.run(self._store, action.type, body)
        return guarded_stream(fl.Result(m.SerializeToString()) for m in results)

    @guarded
    def list_actions(self, context: fl.ServerCallContext) -> list[tuple[str, str]]:
        known = actions.ACTIONS | sql_actions.ACTIONS
        return [(name, text) for name, (_, text) in known.items()]

    @guarded
    def list_flights(
        self, context: fl.ServerCallContext, criteria: bytes
    ) -> Iterator[fl.FlightInfo]:
        return guarded_stream(flight_infos(self._store, criteria.decode("utf-8", "replace")))

    @guarded
    def get_flight_info(
        self, context: fl.ServerCallContext, descriptor: fl.FlightDescriptor
    ) -> fl.FlightInfo:
        if is_command(descriptor.command or b""):
            return self._flight_sql.info(descriptor)
        return self._info(descriptor)

    @untraced
    def get_schema(
        self, context: fl.ServerCallContext, descriptor: fl.FlightDescriptor
    ) -> fl.SchemaResult:
        if is_command(descriptor.command or b""):
            return fl.SchemaResult(self._flight_sql.schema(descriptor.command))
        return fl.SchemaResult(self._info(descriptor).schema)

    @guarded
    def do_exchange(self, context: fl.ServerCallContext, *_: object) -> None:
        # Flight's own answer to what is not there is a Python traceback.
        raise UnknownAction("This server has no DoExchange; read with DoGet and write with DoPut.")

    def _info(self, descriptor: fl.FlightDescriptor) -> fl.FlightInfo:
        request = parse(pb.ReadRequest, descriptor.command or b"", "descriptor")
        query = query_of(request)
        selection = self._store.reader.select(query)
        schema = stream_schema(selection)
        wide = not query.is_single and request.identity != pb.ReadRequest.IDENTITY_RUNS
        schema = identity_schema(schema) if wide else schema
        return info_of(schema, request, -1, -1, places(selection, query, request))
