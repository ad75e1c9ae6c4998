"""What the caller asked for, as messages of the contract."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict, TypeVar, Unpack

from google.protobuf.message import Message

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import BadInstrument, BadRange, BadRequest, near, shown
from flightstore_proto.instrument import Instrument, is_pattern
from flightstore_proto.timerange import TS_MAX, time_range

Instruments = str | Instrument | Sequence[str | Instrument]
M = TypeVar("M", bound=Message)
LABELS = ("open", "close")
_FILLS = {"null": pb.ReadRequest.FILL_NULL, "ffill": pb.ReadRequest.FILL_FORWARD}


class TicketOptions(TypedDict):
    """What a ticket for rows says beside what is read and who reads it."""

    columns: str | Sequence[str] | None
    limit: int | None
    tail: int | None
    snapshot: str | None
    strict: bool
    closed: bool
    fill: str | None
    label: str


def message(kind: type[M], **fields: Any) -> M:
    """A `kind` holding `fields`; values that protobuf refuses raise BadRequest."""
    try:
        made: M = kind(**fields)
    except (TypeError, ValueError) as error:
        raise BadRequest(f"The request cannot be written down: {error}.") from None
    return made


def names(instruments: Instruments) -> list[str]:
    """`instruments` as a list of texts. Raises BadInstrument unless there is at least one."""
    given = [instruments] if isinstance(instruments, (str, Instrument)) else list(instruments)
    if not given:
        raise BadInstrument("No instruments were asked for: name at least one, or '*' for all.")
    for name in given:
        if not isinstance(name, (str, Instrument)):
            raise BadInstrument(f"{shown(name)} is not an instrument but a {type(name).__name__}.")
    return [str(name) for name in given]


def is_single(instruments: Instruments) -> bool:
    """Whether the caller wrote one exact name, not a list or a pattern."""
    if isinstance(instruments, (str, Instrument)):
        return not is_pattern(str(instruments))
    return False


def choice(what: str, value: str, allowed: tuple[str, ...]) -> str:
    """`value` if it is one of `allowed`; raises BadRequest with the nearest otherwise."""
    if value in allowed:
        return value
    close = near(str(value), allowed, most=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise BadRequest(
        f"{what}={shown(value)} is not one of {', '.join(map(repr, allowed))}.{hint}",
        suggestions=close,
    )


def window(start: Any, end: Any) -> pb.TimeRange:
    """The half-open range from `start` to before `end`; None is unbounded."""
    span = time_range(start, end)
    found = pb.TimeRange()
    if span.start is not None:
        if span.start > TS_MAX:
            raise BadRange(f"start={shown(start)} is after the last time there is.")
        found.start = span.start
    # One past the last nanosecond does not fit the field, and bounds nothing.
    if span.end is not None and span.end <= TS_MAX:
        found.end = span.end
    return found


def read_ticket(
    dataset: str,
    instruments: Instruments,
    timeframe: str,
    start: Any,
    end: Any,
    resample: pb.Resample | None,
    *,
    runs: bool,
    **options: Unpack[TicketOptions],
) -> bytes:
    """The bytes of a ticket for rows; `runs` asks for the identity as runs, else for none."""
    fill = options["fill"]
    request = message(
        pb.ReadRequest,
        dataset=dataset,
        instruments=names(instruments),
        timeframe=timeframe or "",
        range=window(start, end),
        columns=column_names(options["columns"]),
        limit=_count("limit", options["limit"]),
        tail=_count("tail", options["tail"]),
        snapshot=options["snapshot"] or "",
        identity=pb.ReadRequest.IDENTITY_RUNS if runs else pb.ReadRequest.IDENTITY_AUTO,
        strict=options["strict"],
        closed=options["closed"],
        resample=resample,
        fill=None if fill is None else _FILLS[choice("fill", fill, tuple(_FILLS))],
        label_close=choice("label", options["label"], LABELS) == "close",
    )
    if request.limit and request.tail:
        raise BadRequest("limit counts from the start and tail from the end: give one of them.")
    ticket: bytes = pb.Ticket(read=request).SerializeToString()
    return ticket


def resampling(
    resample_from: str | None, timezone: str | None, offset: str | None, *, always: bool
) -> pb.Resample | None:
    """How to make bars that are not stored; None if nothing is said of it, unless `always`."""
    if not (always or resample_from or timezone or offset):
        return None
    return message(
        pb.Resample, source=resample_from or "", timezone=timezone or "", offset=offset or ""
    )


def catalog_ticket(
    pattern: Instruments, dataset: str | None, timeframe: str | None, snapshot: str | None
) -> bytes:
    """The bytes of a ticket for the list of series."""
    wanted = names(pattern)
    request = message(
        pb.CatalogRequest,
        dataset=dataset or "",
        instruments=[] if wanted == ["*"] else wanted,
        timeframe=timeframe or "",
        snapshot=snapshot or "",
    )
    ticket: bytes = pb.Ticket(catalog=request).SerializeToString()
    return ticket


def gaps_ticket(
    dataset: str,
    instrument: str,
    timeframe: str,
    start: Any,
    end: Any,
    *,
    confirmed: bool,
    snapshot: str | None,
) -> bytes:
    """The bytes of a ticket for what is missing of one series."""
    request = message(
        pb.GapsRequest,
        series=series(dataset, instrument, timeframe),
        range=window(start, end),
        confirmed=confirmed,
        snapshot=snapshot or "",
    )
    ticket: bytes = pb.Ticket(gaps=request).SerializeToString()
    return ticket


def series(dataset: str, instrument: str | Instrument, timeframe: str | None) -> pb.Series:
    """The name of one series."""
    [name] = names(instrument if isinstance(instrument, str) else [instrument])
    return message(pb.Series, dataset=dataset, instrument=name, timeframe=timeframe or "")


def covered(covers: Any) -> list[pb.TimeRange]:
    """`covers` of a write, one (start, end) pair or several, as ranges with both bounds."""
    if covers is None:
        return []
    pairs = [covers] if _is_pair(covers) else list(covers)
    return [_bounded(pair) for pair in pairs]


def _is_pair(covers: Any) -> bool:
    # A list of two pairs is told from a pair by what it holds: times are never sequences.
    return (
        isinstance(covers, (tuple, list))
        and len(covers) == 2
        and not any(isinstance(part, (tuple, list)) for part in covers)
    )


def _bounded(pair: Any) -> pb.TimeRange:
    if not _is_pair(pair) or pair[0] is None or pair[1] is None:
        raise BadRange(f"covers takes (start, end) pairs with both bounds, not {shown(pair)}.")
    found = window(pair[0], pair[1])
    if not found.HasField("end"):
        raise BadRange(f"covers ends at {shown(pair[1])}, past the last time a row can have.")
    return found


def metadata(values: Mapping[str, str] | None) -> dict[str, str]:
    """`values` with every value as text; None and '' remove a key."""
    return {str(k): "" if v is None else str(v) for k, v in (values or {}).items()}


def column_names(columns: str | Iterable[str] | None) -> list[str]:
    """`columns` as the contract has them."""
    if columns is None:
        return []
    listed = [columns] if isinstance(columns, str) else list(columns)
    # An empty list means all on the wire; who asks for no column gets `ts`, which always comes.
    return listed or ["ts"]


def _count(name: str, value: int | None) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BadRequest(f"{name}={shown(value)} is not a number of rows: give 1 or more.")
    return value
