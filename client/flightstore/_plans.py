"""The part of the client that cuts a read into parts for many workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Unpack

from flightstore._frames import Frame
from flightstore._holdings import Holdings
from flightstore._parts.cuts import cuts, grouped
from flightstore._parts.held import Held, held, to_be_made
from flightstore._parts.part import Part
from flightstore._parts.shared import SilentReads
from flightstore._reading import warn_of
from flightstore._reads import BarOptions, Reads
from flightstore._requests import Instruments, choice, is_single, names
from flightstore_proto import timeframe as timeframes
from flightstore_proto.errors import BadRequest, shown
from flightstore_proto.timeframe import DAY_NS, SECOND_NS
from flightstore_proto.timerange import TimeRange, format_ns, time_range

BY = ("auto", "instrument", "time")


class Plans(Reads, Holdings):
    """Plans of reads; part of Client."""

    def plan(
        self,
        instruments: Instruments,
        timeframe: str = "",
        start: Any = None,
        end: Any = None,
        *,
        dataset: str = "candles",
        parts: int = 64,
        by: str = "auto",
        **options: Unpack[BarOptions],
    ) -> list[Part]:
        """A read cut into at most `parts` parts of about as many rows, for as many workers.

        by  "instrument"  each part has whole series: none is ever cut
            "time"        each part has all instruments for a stretch of time, cut at a multiple of
                          the timeframe (a whole day for months, years and bars by count, a whole
                          second where there is no timeframe)
            "auto"        by time for one exact name, by instrument for a list or a pattern

        Everything else is as in `candles`, or, for another dataset, as in `read`. No row is in two
        parts or in none. The parts in their order are the rows of the read in their order; cut by
        time, rows of several instruments are ordered by instrument within each part only.

        Names and relative times (`-30d`) are settled here: all workers read the same series and
        range. Rows that are written meanwhile are read or not, depending on when a part is:
        `snapshot` pins them. Raises what the read would.
        """
        choice("by", by, BY)
        if isinstance(parts, bool) or not isinstance(parts, int) or parts < 1:
            raise BadRequest(f"parts={shown(parts)} is not a number of parts: give 1 or more.")
        span = time_range(start, end)
        whole = Part(
            endpoint=self._connection.endpoint,
            dataset=dataset,
            instruments=tuple(names(instruments)),
            timeframe=timeframe,
            start=_text(span.start),
            end=_text(span.end),
            rows=0,
            options=_settled(options),
            single=is_single(instruments),
        )
        by_time, series = _by_time(whole, by), self._held(whole, span)
        if by_time:
            return _by_stretch(whole, series, parts, span)
        return [_of_series(whole, group) for group in grouped(series, parts)]

    def _held(self, whole: Part, span: TimeRange) -> list[Held]:
        """What there is of every series that `whole` has, in its order."""
        # The read itself knows best what it would answer, and refuses what is wrong with it.
        reads = SilentReads(self._connection)
        served = whole.read_by(reads, output="arrow", layout="dict", limit=1, tail=None)
        if not served:
            raise next(iter(served.problems.values()))
        warn_of(served.problems)
        found = held(self._catalog(whole, whole.dataset, whole.timeframe))
        if any(name not in found for name in served):
            found = to_be_made(self._catalog(whole, None, None), whole.timeframe) | found
        return [found.get(name, Held(name)).within(span.low, span.high) for name in served]

    def _catalog(self, whole: Part, dataset: str | None, timeframe: str | None) -> Frame:
        snapshot = whole.options.get("snapshot")
        return self.series(
            whole.instruments,
            dataset=dataset,
            timeframe=timeframe,
            snapshot=snapshot,
            output="arrow",
        )


def _settled(options: BarOptions) -> dict[str, Any]:
    """`options` as they are now: a list that the caller changes later is not changed in a part."""
    settled: dict[str, Any] = dict(options)
    columns = settled.get("columns")
    if columns is not None and not isinstance(columns, str):
        settled["columns"] = tuple(columns)
    return settled


def _by_time(whole: Part, by: str) -> bool:
    counting = [name for name in ("limit", "tail") if whole.options.get(name)]
    if by == "time" and counting:
        raise BadRequest(
            f"{counting[0]} counts the rows of a whole series, which parts by time cut: "
            "use by='instrument'."
        )
    return by == "time" or (by == "auto" and whole.single and not counting)


def _of_series(whole: Part, group: Sequence[Held]) -> Part:
    rows = sum(_counted(one.rows, whole) for one in group)
    return replace(whole, instruments=tuple(one.instrument for one in group), rows=rows)


def _counted(rows: int, whole: Part) -> int:
    most = whole.options.get("limit") or whole.options.get("tail")
    return min(rows, most) if most else rows


def _by_stretch(whole: Part, series: Sequence[Held], parts: int, span: TimeRange) -> list[Part]:
    """`whole` from its start to the first cut, from there to the second, ..., to its end."""
    step, offset = _grid(whole.timeframe)
    bounds = [span.low, *cuts(series, parts, step, offset), span.high]
    texts = [whole.start, *map(format_ns, bounds[1:-1]), whole.end]
    instruments = tuple(one.instrument for one in series)
    return [
        replace(
            whole,
            instruments=instruments,
            start=start,
            end=end,
            rows=sum(one.within(low, high).rows for one in series),
        )
        for (low, high), (start, end) in zip(pairwise(bounds), pairwise(texts), strict=True)
    ]


def _grid(timeframe: str) -> tuple[int, int]:
    """What cuts are multiples of, and from where on; finer ones would be right as well."""
    if not timeframe:
        return SECOND_NS, 0
    parsed = timeframes.parse(timeframe)
    return (parsed.step_ns, parsed.offset_ns) if parsed.step_ns else (DAY_NS, 0)


def _text(ns: int | None) -> str | None:
    return None if ns is None else format_ns(ns)
