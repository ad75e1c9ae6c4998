"""Bytes from the wire into requests: parsed here, checked here, trusted afterwards."""

from __future__ import annotations

from collections.abc import Sized
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto import instrument as instruments
from flightstore_proto import timeframe as timeframes
from flightstore_proto.errors import BadRequest, CommitMismatch
from flightstore_proto.timerange import TimeRange, checked
from flightstore_server.engine.queries import Query
from flightstore_server.engine.received import Put, SeriesRows
from flightstore_server.engine.resampling.asked import Fill, Resample
from flightstore_server.engine.subscriptions import Request as Subscribe
from flightstore_server.engine.updates import Delivered, Selector

M = TypeVar("M", bound=Message)
Read = (
    pb.ReadRequest
    | pb.CatalogRequest
    | pb.GapsRequest
    | pb.LatestRequest
    | pb.AsOfRequest
    | pb.SqlRequest
    | pb.StretchesRequest
    | pb.WindowsRequest
)
Request = Read | pb.CopyRequest | pb.ReplicateRequest | pb.SegmentRequest | pb.SubscribeRequest

# Series that one request may name: each becomes several objects.
NAMES_MAX = 65_536

_FILLS = {
    pb.ReadRequest.FILL_NONE: None,
    pb.ReadRequest.FILL_NULL: Fill.NULL,
    pb.ReadRequest.FILL_FORWARD: Fill.FORWARD,
}


def parse(kind: type[M], data: bytes, what: str) -> M:
    """The message of `kind` in `data`. Raises BadRequest if it holds no such thing."""
    try:
        return kind.FromString(data)
    except DecodeError:
        raise BadRequest(
            f"The {what} is not a {kind.DESCRIPTOR.name} message; see flightstore.proto."
        ) from None


def ticket_of(data: bytes) -> Request:
    """The request in a ticket's bytes."""
    ticket = parse(pb.Ticket, data, "ticket")
    kind = ticket.WhichOneof("request")
    if kind is None:
        raise BadRequest("The ticket holds no request that this server knows.")
    request: Request = getattr(ticket, kind)
    _check_names(getattr(request, "instruments", ()))
    return request


def _check_names(names: Sized) -> None:
    if len(names) > NAMES_MAX:
        raise BadRequest(
            f"The request names {len(names)} instruments, and {NAMES_MAX} are the most at a time; "
            "use patterns such as binance:*, or ask in parts."
        )


def kind_of(request: Request) -> str:
    """What a request is called in counters and logs: read, catalog, subscribe, ..."""
    return type(request).__name__.removesuffix("Request").lower()


def query_of(request: pb.ReadRequest) -> Query:
    """A ReadRequest as the engine takes it."""
    start, end = range_of(request.range)
    _check_names(request.instruments)
    if request.timeframe:
        timeframes.parse(request.timeframe)
    return Query(
        dataset=request.dataset,
        instruments=list(request.instruments),
        timeframe=request.timeframe,
        start=start,
        end=end,
        columns=list(request.columns),
        limit=request.limit,
        tail=request.tail,
        snapshot=request.snapshot,
        strict=request.strict,
        closed=request.closed,
        resample=_resample_of(request),
        fill=_fill_of(request),
        label_close=request.label_close,
    )


def _resample_of(request: pb.ReadRequest) -> Resample | None:
    if not request.HasField("resample"):
        return None
    said = request.resample
    return Resample(said.source, said.timezone, said.offset)


def _fill_of(request: pb.ReadRequest) -> Fill | None:
    if request.fill not in _FILLS:
        raise BadRequest(f"This server knows no fill {request.fill}; see flightstore.proto.")
    return _FILLS[request.fill]


def subscription_of(request: pb.SubscribeRequest) -> Subscribe:
    """A SubscribeRequest as the engine takes it."""
    delivered = None
    if request.HasField("delivered"):
        came = request.delivered
        instruments.parse(came.instrument)
        delivered = Delivered(came.instrument, came.ts, came.rows)
    selector = Selector(
        request.dataset,
        request.instruments,
        request.timeframe,
        request.columns,
        request.closed,
    )
    return Subscribe(
        selector,
        start=request.start if request.HasField("start") else None,
        after_lsn=request.after_lsn if request.HasField("after_lsn") else None,
        delivered=delivered,
    )


def range_of(message: pb.TimeRange) -> tuple[int | None, int | None]:
    """A TimeRange as its bounds. Raises BadRange if it runs backwards."""
    start = message.start if message.HasField("start") else None
    end = message.end if message.HasField("end") else None
    if start is not None and end is not None:
        checked(TimeRange(start, end))
    return start, end


def series_rows(said: pb.SeriesPut) -> SeriesRows:
    """What a commit says of one series, as the engine takes it."""
    covers = []
    for cover in said.covers:
        if not (cover.HasField("start") and cover.HasField("end")):
            raise BadRequest(f"A covered range of {said.instrument!r} needs both of its bounds.")
        covers.append((cover.start, cover.end))
    return SeriesRows(
        instrument=said.instrument,
        timeframe=said.timeframe,
        rows=said.rows,
        covers=covers,
        metadata=dict(said.metadata),
        free_grid=said.grid == pb.SeriesPut.GRID_FREE,
        key=said.key,
    )


def put_of(dataset: str, batches: list, data: bytes) -> Put:  # type: ignore[type-arg]
    """The put that a commit's bytes complete."""
    commit = parse(pb.PutCommit, data, "commit")
    if not commit.series:
        raise BadRequest("The commit names no series.")
    if len(commit.series) > NAMES_MAX:
        raise BadRequest(
            f"The commit names {len(commit.series)} series, and {NAMES_MAX} are the most; send "
            "them with several puts."
        )
    received = sum(batch.num_rows for batch in batches)
    if commit.rows != received:
        raise CommitMismatch(
            f"The commit speaks of {commit.rows} rows and {received} came; nothing was written, "
            "send the put again."
        )
    return Put(dataset, batches, [series_rows(s) for s in commit.series], commit.put_id)
