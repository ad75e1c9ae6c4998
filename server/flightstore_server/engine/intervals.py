"""Sets of time as sorted, disjoint, half-open ranges: what coverage is made of."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

Interval = tuple[int, int]
# Immutable, so that a reader's view needs no copy. Neighbours that touch are one.
IntervalSet = tuple[Interval, ...]
EMPTY: IntervalSet = ()


def add(ranges: IntervalSet, start: int, end: int) -> IntervalSet:
    """`ranges` and [start, end)."""
    if start >= end:
        return ranges
    first = bisect_left(ranges, start, key=lambda r: r[1])
    last = bisect_right(ranges, end, key=lambda r: r[0])
    if first < last:
        start, end = min(start, ranges[first][0]), max(end, ranges[last - 1][1])
    return (*ranges[:first], (start, end), *ranges[last:])


def subtract(ranges: IntervalSet, start: int, end: int) -> IntervalSet:
    """`ranges` without [start, end)."""
    if start >= end:
        return ranges
    kept: list[Interval] = []
    for low, high in ranges:
        if low < start:
            kept.append((low, min(high, start)))
        if high > end:
            kept.append((max(low, end), high))
    return tuple(kept)


def clip(ranges: IntervalSet, start: int, end: int) -> IntervalSet:
    """The part of `ranges` inside [start, end)."""
    clipped = ((max(low, start), min(high, end)) for low, high in ranges)
    return tuple(r for r in clipped if r[0] < r[1])


def missing(ranges: IntervalSet, start: int, end: int) -> IntervalSet:
    """The part of [start, end) outside `ranges`."""
    holes: list[Interval] = []
    for low, high in clip(ranges, start, end):
        if low > start:
            holes.append((start, low))
        start = high
    if start < end:
        holes.append((start, end))
    return tuple(holes)


def contains(ranges: IntervalSet, point: int) -> bool:
    at = bisect_right(ranges, point, key=lambda r: r[0]) - 1
    return at >= 0 and point < ranges[at][1]


def encode(ranges: IntervalSet) -> bytes:
    """As the catalog stores them: int128 pairs, since an end may be one past the last int64."""
    return b"".join(
        start.to_bytes(16, "little", signed=True) + end.to_bytes(16, "little", signed=True)
        for start, end in ranges
    )


def decode(data: bytes) -> IntervalSet:
    numbers = [
        int.from_bytes(data[at : at + 16], "little", signed=True) for at in range(0, len(data), 16)
    ]
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def pack(ranges: Iterable[Interval]) -> list[int]:
    """As a flat list start, end, start, end, … for the log."""
    return [bound for interval in ranges for bound in interval]
