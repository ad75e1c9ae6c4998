"""Sets of time as sorted, disjoint, half-open ranges: what coverage is made of."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

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


def union(some: IntervalSet, others: IntervalSet) -> IntervalSet:
    """What lies in `some` or in `others`, in one pass."""
    if not some or not others:
        return some or others
    merged: list[Interval] = []
    for start, end in sorted((*some, *others)):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


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
