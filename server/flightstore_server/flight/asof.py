"""DoGet of rows joined with what was in force at their time."""

from __future__ import annotations

import pyarrow.flight as fl

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import BadRequest
from flightstore_server.engine.asof import SUFFIX, AsOf, Joined
from flightstore_server.flight.callers import Caller
from flightstore_server.flight.reads import stream_of
from flightstore_server.flight.requests import query_of


def asof_stream(caller: Caller, request: pb.AsOfRequest) -> fl.FlightDataStream:
    """The rows of the left side, each with the columns of the right side."""
    wanted = asof_of(request)
    joined = Joined(caller.reader, wanted)
    return stream_of(joined, wanted.left, request.left.identity)


def asof_of(request: pb.AsOfRequest) -> AsOf:
    """An AsOfRequest as the engine takes it."""
    right = request.right
    if right.limit or right.tail or right.fill or right.strict or right.closed:
        raise BadRequest(
            "Of the right side of an as-of join all that is needed is read: it takes no limit, "
            "tail, fill, strict or closed."
        )
    return AsOf(
        left=query_of(request.left),
        right=query_of(right),
        tolerance_ns=request.tolerance_ns if request.HasField("tolerance_ns") else None,
        suffix=request.suffix or SUFFIX,
    )
