"""What is stored, as one Arrow table, and as Flight's own listing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pyarrow as pa
import pyarrow.flight as fl

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import FlightstoreError
from flightstore_proto.schemas import CATALOG
from flightstore_server.engine.gaps import absent_bars
from flightstore_server.engine.reads import bounds, count_rows
from flightstore_server.engine.series import SeriesView
from flightstore_server.engine.store import Store

_EVERYTHING = (-(2**63), 2**63)


def catalog_stream(store: Store, request: pb.CatalogRequest) -> fl.FlightDataStream:
    """One row per series that fits `request`."""
    pin = store.maintenance.pins.take()
    rows = [_row(store, view) for view in _views(store, request)]
    table = pa.Table.from_pylist(rows, schema=CATALOG)
    del pin  # only now may retired files go: counting overlapping rows opens segments
    return fl.RecordBatchStream(table)


def _views(store: Store, request: pb.CatalogRequest) -> list[SeriesView]:
    names = store.reader.names(request.snapshot)
    with store.state.lock:
        fitting = list(names.select(request.dataset, list(request.instruments), request.timeframe))
    for series in fitting:
        with suppress(FlightstoreError):  # whoever reads the series is told what is wrong
            store.aggregates.freshen(series)
    return store.state.view(fitting)


def _row(store: Store, view: SeriesView) -> dict[str, object]:
    series = view.series
    span = bounds(view, store.segments)
    rows = count_rows(view, store.segments, *_EVERYTHING)
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


def flight_infos(store: Store, pattern: str) -> Iterator[fl.FlightInfo]:
    """One FlightInfo per series whose instrument matches `pattern` (empty: all)."""
    request = pb.CatalogRequest(instruments=[pattern] if pattern else [])
    for view in _views(store, request):
        yield _info(store, view)


def _info(store: Store, view: SeriesView) -> fl.FlightInfo:
    series = view.series
    read = pb.ReadRequest(
        dataset=series.dataset.name,
        instruments=[str(series.instrument)],
        timeframe=series.timeframe_text,
    )
    return info_of(
        view.schema,
        read,
        count_rows(view, store.segments, *_EVERYTHING),
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
