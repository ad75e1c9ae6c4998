"""A part of the bars that are there at a moment: as they are, or with quiet ones filled in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flightstore_ingest.simulate.candles import open_time
from flightstore_ingest.simulate.columns import Bar, BarColumns, flat_bar
from flightstore_proto.timeframe import Timeframe


@dataclass(frozen=True, slots=True)
class Seen:
    """What can be seen at `now`: the first `closed` of the bars, and the open one if it is."""

    columns: BarColumns
    closed: int
    current: Bar | None
    step: Timeframe
    now: int

    def between(self, start: int, end: int) -> list[Bar]:
        """Bars with start <= ts < end."""
        first, last = self.columns.at(start), min(self.columns.at(end), self.closed)
        return (self.columns.rows(first, last) if first < last else []) + self.tail(start, end)

    def tail(self, start: int, end: int) -> list[Bar]:
        """The open bar if start <= ts < end."""
        current = self.current
        return [current] if current is not None and start <= current.ts < end else []

    def close_before(self, ts: int) -> float:
        """The close of the last bar before `ts`; 0 if there is none."""
        at = min(self.columns.at(ts), self.closed)
        return self.columns.closes[at - 1] if at else 0.0


@dataclass(frozen=True, slots=True)
class Window:
    """start <= ts < end, and of these the first `limit`, or with `newest` the last."""

    start: int
    end: int
    limit: int | None
    newest: bool


def page(seen: Seen, window: Window) -> list[Bar]:
    """Bars of `window`, quiet ones left out."""
    start, end, limit = window.start, window.end, window.limit
    if limit is None:
        return seen.between(start, end)
    first, last = seen.columns.at(start), min(seen.columns.at(end), seen.closed)
    if window.newest:
        found = seen.columns.rows(max(first, last - limit), last) if first < last else []
        return (found + seen.tail(start, end))[-limit:]
    found = seen.columns.rows(first, min(last, first + limit)) if first < last else []
    return (found + seen.tail(start, end))[:limit]


def filled_page(seen: Seen, window: Window, outages: Sequence[tuple[int, int]]) -> list[Bar]:
    """Bars of `window` for all grid points since the first bar ever, except those in outages."""
    step, limit = seen.step, window.limit
    if not seen.closed and seen.current is None:
        return []
    born = seen.columns.ts[0] if seen.closed else open_time(seen.now, step)
    start = open_time(max(window.start, born) + step.step_ns - 1, step)
    end = min(window.end, open_time(seen.now, step) + 1)
    found: list[Bar] = []
    stretches = _without(outages, start, end, step)
    for first, last in reversed(stretches) if window.newest else stretches:
        if limit is not None:
            room = (limit - len(found)) * step.step_ns
            if window.newest:
                first = max(first, open_time(last - 1, step) + step.step_ns - room)
            else:
                last = min(last, first + room)
        if first < last:
            bars = _filled(seen, first, last)
            found = bars + found if window.newest else found + bars
    return found


def _without(
    outages: Sequence[tuple[int, int]], start: int, end: int, step: Timeframe
) -> list[tuple[int, int]]:
    """[start, end) without the bars that lie in an outage from their open to their close."""
    stretches = []
    for down, up in outages:
        first, last = open_time(down + step.step_ns - 1, step), open_time(up, step)
        if last <= start or first >= end or first >= last:
            continue
        if start < first:
            stretches.append((start, first))
        start = last
    return [*stretches, (start, end)] if start < end else stretches


def _filled(seen: Seen, start: int, end: int) -> list[Bar]:
    """A bar for each grid point from `start` to before `end`."""
    step_ns, price, ts = seen.step.step_ns, seen.close_before(start), start
    found: list[Bar] = []
    for bar in seen.between(start, end):
        found += [flat_bar(t, price) for t in range(ts, bar.ts, step_ns)]
        found.append(bar)
        ts, price = bar.ts + step_ns, bar.close
    return found + [flat_bar(t, price) for t in range(ts, end, step_ns)]
