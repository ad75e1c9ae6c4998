"""The Flight service: one short method per RPC. The only edge of the server."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow.flight as fl

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import UnknownAction
from flightstore_server.engine.store import Store
from flightstore_server.engine.subscriptions import Subscriptions
from flightstore_server.flight import actions
from flightstore_server.flight.catalog import catalog_stream, flight_infos, info_of
from flightstore_server.flight.errors import guarded, guarded_stream
from flightstore_server.flight.gaps import gaps_stream
from flightstore_server.flight.puts import receive_puts
from flightstore_server.flight.reads import identity_schema, read_stream, stream_schema
from flightstore_server.flight.replication import (
    AUTHORIZATION,
    Authorization,
    Replication,
    Request,
)
from flightstore_server.flight.requests import parse, query_of, ticket_of
from flightstore_server.flight.subscriptions import live_stream


class Service(fl.FlightServerBase):  # type: ignore[misc]
    """Serves one store. Never call serve(): it waits for streams for ever (see lifecycle.py)."""

    def __init__(self, store: Store, location: str, *, replication_token: str = "") -> None:
        # Middleware costs every call some 50 µs: only where there may be replicas.
        middleware = {AUTHORIZATION: Authorization()} if replication_token else {}
        super().__init__(location, middleware=middleware)
        self._store = store
        self._subscriptions = Subscriptions(store)
        self._replication = Replication(store, replication_token)

    def shutdown(self) -> None:
        """Stop serving; those who follow the log are told first, since they would never end."""
        self._store.feed.close()
        super().shutdown()

    @guarded
    def do_get(self, context: fl.ServerCallContext, ticket: fl.Ticket) -> fl.FlightDataStream:
        request = ticket_of(ticket.ticket)
        if isinstance(request, pb.CatalogRequest):
            return catalog_stream(self._store, request)
        if isinstance(request, pb.GapsRequest):
            return gaps_stream(self._store, request)
        if isinstance(request, pb.SubscribeRequest):
            return live_stream(self._subscriptions, request, context)
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
        receive_puts(self._store, descriptor.command or b"", reader, writer)

    @guarded
    def do_action(self, context: fl.ServerCallContext, action: fl.Action) -> Iterator[fl.Result]:
        results = actions.run(self._store, action.type, action.body.to_pybytes())
        return guarded_stream(fl.Result(m.SerializeToString()) for m in results)

    @guarded
    def list_actions(self, context: fl.ServerCallContext) -> list[tuple[str, str]]:
        return [(name, text) for name, (_, text) in actions.ACTIONS.items()]

    @guarded
    def list_flights(
        self, context: fl.ServerCallContext, criteria: bytes
    ) -> Iterator[fl.FlightInfo]:
        return guarded_stream(flight_infos(self._store, criteria.decode("utf-8", "replace")))

    @guarded
    def get_flight_info(
        self, context: fl.ServerCallContext, descriptor: fl.FlightDescriptor
    ) -> fl.FlightInfo:
        return self._info(descriptor)

    @guarded
    def get_schema(
        self, context: fl.ServerCallContext, descriptor: fl.FlightDescriptor
    ) -> fl.SchemaResult:
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
        return info_of(identity_schema(schema) if wide else schema, request, -1, -1)
