"""What is stored, as one Arrow table, and as Flight's own listing."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.flight as fl

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.schemas import CATALOG
from flightstore_server.engine.gaps import absent_bars
from flightstore_server.engine.reads import bounds, count_rows
from flightstore_server.engine.series import SeriesView
from flightstore_server.flight.callers import Caller
from flightstore_server.flight.calls import table_stream
from flightstore_server.storage.segment.store import SegmentStore

_EVERYTHING = (-(2**63), 2**63)


def catalog_stream(caller: Caller, request: pb.CatalogRequest) -> fl.FlightDataStream:
    """One row per series that fits `request`."""
    pin = caller.pin()
    rows = [_row(caller.segments, view) for view in _views(caller, request)]
    table = pa.Table.from_pylist(rows, schema=CATALOG)
    del pin  # only now may retired files go: counting overlapping rows opens segments
    return table_stream(table)


def _views(caller: Caller, request: pb.CatalogRequest) -> list[SeriesView]:
    names = list(request.instruments)
    return caller.reader.fitting(request.dataset, names, request.timeframe, request.snapshot)


def _row(segments: SegmentStore, view: SeriesView) -> dict[str, object]:
    series = view.series
    span = bounds(view, segments)
    rows = count_rows(view, segments, *_EVERYTHING)
    return {
        "dataset": series.dataset.name,
        "exchange": series.instrument.exchange,
        "symbol": series.instrument.symbol,
        "timeframe": series.timeframe_text,
        "rows": rows,
        "start": span[0] if span else None,
        "end": span[1] if span else None,
        "absent": absent_bars(view, rows, *span) if span else None,
        "covered_until": view.coverage[-1][1] if view.coverage else None,
        "segments": len(view.segments),
        "bytes": sum(segment.size for segment in view.segments),
        "metadata": list(series.metadata.items()),
    }


def flight_infos(caller: Caller, pattern: str) -> Iterator[fl.FlightInfo]:
    """One FlightInfo per series whose instrument matches `pattern` (empty: all)."""
    request = pb.CatalogRequest(instruments=[pattern] if pattern else [])
    for view in _views(caller, request):
        yield _info(caller.segments, view)


def _info(segments: SegmentStore, view: SeriesView) -> fl.FlightInfo:
    series = view.series
    read = pb.ReadRequest(
        dataset=series.dataset.name,
        instruments=[str(series.instrument)],
        timeframe=series.timeframe_text,
    )
    return info_of(
        view.schema,
        read,
        count_rows(view, segments, *_EVERYTHING),
        sum(segment.size for segment in view.segments),
    )


def info_of(
    schema: pa.Schema, read: pb.ReadRequest, rows: int, size: int, metadata: bytes = b""
) -> fl.FlightInfo:
    """How to get `read`: from this server, with a ticket that holds the request itself."""
    ticket = fl.Ticket(pb.Ticket(read=read).SerializeToString())
    descriptor = fl.FlightDescriptor.for_command(read.SerializeToString())
    endpoints = [fl.FlightEndpoint(ticket, [])]
    return fl.FlightInfo(schema, descriptor, endpoints, rows, size, app_metadata=metadata)
