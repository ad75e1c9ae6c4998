"""DoGet of a SELECT."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.flight as fl

from flightstore_proto import flightstore_pb2 as pb
from flightstore_server.flight.calls import table_stream
from flightstore_server.flight.errors import guarded_stream
from flightstore_server.flight.parameters import row_of
from flightstore_server.sql.engine import SqlEngine

_PLAN = pa.schema([pa.field("plan", pa.utf8())])


def sql_stream(
    engine: SqlEngine, request: pb.SqlRequest, context: fl.ServerCallContext
) -> fl.FlightDataStream:
    """The answer to `request`, as far as it is computed; the rest is computed while it is sent."""
    parameters = row_of(request.parameters)
    if request.explain:
        plan = engine.explain(request.query, parameters, snapshot=request.snapshot)
        return table_stream(pa.table([[plan]], schema=_PLAN))
    answer = engine.run(
        request.query,
        parameters,
        snapshot=request.snapshot,
        timeout_seconds=request.timeout_seconds,
        cancelled=context.is_cancelled,
    )
    return fl.GeneratorStream(answer.schema, guarded_stream(answer.batches))
