"""Flight's calls with a command of Flight SQL in them: read it, hand it on, send the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.flight as fl

from flightstore_proto.errors import shown
from flightstore_server.flight import parameters
from flightstore_server.flight.answers import answer_stream
from flightstore_server.flight.calls import table_stream
from flightstore_server.flight.flight_sql import actions
from flightstore_server.flight.flight_sql.commands import Command, command, command_of
from flightstore_server.flight.flight_sql.metadata import METADATA
from flightstore_server.flight.flight_sql.statement import Statement, statement_of
from flightstore_server.flight.flight_sql.wire import encoded
from flightstore_server.flight.status import Unimplemented, coded, coded_stream
from flightstore_server.sql.engine import Answer, SqlEngine

_STATEMENT, _PREPARED = "CommandStatementQuery", "CommandPreparedStatementQuery"
_TICKET = "TicketStatementQuery"


class FlightSql:
    """Answers Flight SQL by means of `engine`; each method is one of Flight's calls."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    @coded
    def info(self, descriptor: fl.FlightDescriptor) -> fl.FlightInfo:
        """GetFlightInfo: where the answer is, which is here."""
        asked = command_of(descriptor.command)
        if asked.name in METADATA:
            schema, ticket = self._metadata(asked).schema, descriptor.command
        else:
            statement = self._statement(asked)
            if asked.name == _STATEMENT:  # a prepared one was checked when it was
                self._engine.prepare(statement.query)
            # No schema: drivers refuse a stream whose schema is not exactly the one foretold, and
            # what is selected from may get a column in between.
            schema, ticket = None, command(_TICKET, (1, statement.handle()))
        return fl.FlightInfo(schema, descriptor, [fl.FlightEndpoint(fl.Ticket(ticket), [])], -1, -1)

    @coded
    def schema(self, data: bytes) -> pa.Schema:
        """GetSchema: the columns that the answer will have."""
        asked = command_of(data)
        if asked.name in METADATA:
            return self._metadata(asked).schema
        return self._engine.prepare(self._statement(asked).query).schema

    @coded
    def stream(self, context: fl.ServerCallContext, ticket: bytes) -> fl.FlightDataStream:
        """DoGet: the answer."""
        asked = command_of(ticket)
        if asked.name in METADATA:
            return table_stream(self._metadata(asked))
        if asked.name != _TICKET:
            raise _unknown(asked)
        statement = statement_of(asked.body.data(1))
        row = parameters.row_of(statement.parameters)

        def begin(cancelled: Callable[[], bool]) -> Answer:
            return self._engine.run(statement.query, row, cancelled=cancelled)

        return answer_stream(context, begin, coded_stream)

    @coded
    def put(
        self, data: bytes, reader: fl.MetadataRecordBatchReader, writer: fl.FlightMetadataWriter
    ) -> None:
        """DoPut: parameters for a prepared statement, and nothing else."""
        asked = command_of(data)
        if asked.name != _PREPARED:
            raise _unknown(asked)
        row = parameters.stream_of(parameters.received(reader))
        bound = Statement(self._statement(asked).query, row)
        writer.write(pa.py_buffer(encoded((1, bound.handle()))))

    @coded
    def action(self, name: str, body: bytes) -> Iterator[bytes]:
        """DoAction: the action's results."""
        return coded_stream(actions.run(self._engine, name, body))

    def _metadata(self, asked: Command) -> pa.Table:
        return METADATA[asked.name](self._engine, asked.body)

    def _statement(self, asked: Command) -> Statement:
        if asked.name == _STATEMENT:
            return Statement(actions.query_of(asked.body))
        if asked.name == _PREPARED:
            return statement_of(asked.body.data(1))
        raise _unknown(asked)


def _unknown(asked: Command) -> Exception:
    return Unimplemented(
        f"{shown(asked.name)} is refused here: over Flight SQL this server answers SELECT, and "
        "rows are written with a client of flightstore."
    )
