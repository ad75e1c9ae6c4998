"""DoGet of the newest row of many series."""

from __future__ import annotations

import pyarrow.flight as fl

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto import timeframe as timeframes
from flightstore_proto.schemas import SERIES_KEY
from flightstore_server.engine.latest import Newest
from flightstore_server.engine.queries import Query
from flightstore_server.flight.calls import table_stream
from flightstore_server.flight.errors import detail_of


def latest_stream(newest: Newest, request: pb.LatestRequest) -> fl.FlightDataStream:
    """One row per series that `request` names: the newest one."""
    if request.timeframe:
        timeframes.parse(request.timeframe)
    query = Query(
        request.dataset,
        list(request.instruments),
        request.timeframe,
        columns=list(request.columns),
        snapshot=request.snapshot,
    )
    found = newest.rows(query)
    said = pb.StreamSeries(dataset=request.dataset, timeframe=request.timeframe)
    for name, error in found.problems.items():
        said.problems.add(instrument=name, error=detail_of(error))
    metadata = {SERIES_KEY: said.SerializeToString()}
    return table_stream(found.table.replace_schema_metadata(metadata))
