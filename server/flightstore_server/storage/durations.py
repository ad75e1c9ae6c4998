"""How long something takes: how many took at most so long, and all of them together."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


class Durations:
    """Used by one thread at a time; others may look."""

    def __init__(self, bounds: Sequence[float]) -> None:
        """`bounds` in seconds, ascending; what takes longer than the last is counted as well."""
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.seconds += seconds
