"""What a read of bars should give, worked out row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.support import naive_bars
from tests.support.naive_bars import Bar

from flightstore_server.engine.aggregates.windows import Windows

# ts, open, high, low, close, volume; None where a row is filled with nulls
Row = tuple[int, float | None, float | None, float | None, float | None, float | None]


@dataclass(frozen=True)
class Asked:
    """The keywords of a read; times are ns."""

    start: int
    end: int
    fill: str | None = None
    label: str = "open"
    closed: bool = False
    limit: int | None = None
    tail: int | None = None


def read(rows: Sequence[Bar], windows: Windows, asked: Asked, covered_until: int) -> list[Row]:
    """The bars that `rows` make, as they were asked for."""
    bars = naive_bars.bars(rows, windows.floor)
    if asked.closed:
        over = windows.floor(max(rows[-1][0], covered_until)) if rows else asked.start
        bars = [bar for bar in bars if bar[0] < over]
        asked = replace(asked, end=min(asked.end, over))
    found: list[Row] = [bar for bar in bars if asked.start <= bar[0] < asked.end]
    if asked.fill is not None:
        found = _filled(bars, windows, asked, covered_until)
    if asked.limit is not None:
        found = found[: asked.limit]
    if asked.tail is not None:
        found = found[-asked.tail :]
    if asked.label == "close":
        found = [(windows.after(row[0]), *row[1:]) for row in found]
    return found


def _filled(bars: list[Bar], windows: Windows, asked: Asked, covered_until: int) -> list[Row]:
    if not bars:
        return []
    at, by_ts = bars[0][0], {bar[0]: bar for bar in bars}
    found: list[Row] = []
    row: Row = bars[0]
    while at < max(bars[-1][0] + 1, covered_until):
        if at in by_ts:
            row = by_ts[at]
        elif asked.fill == "ffill":
            row = (at, row[4], row[4], row[4], row[4], 0.0)
        else:
            row = (at, None, None, None, None, None)
        if asked.start <= at < asked.end:
            found.append(row)
        at = windows.after(at)
    return found
