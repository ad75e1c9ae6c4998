"""Which rows each window is: arithmetic on the lengths of the stretches it can be cut out of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flightstore._windows.order import UInt64s

Int64s = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Stretches:
    """Rows that follow each other: of which series (a position in `instruments`), the time of
    the first one (ns since 1970 UTC), and how many."""

    instruments: list[str]
    series: Int64s
    start: Int64s
    rows: Int64s


class Spots(NamedTuple):
    """Where windows begin: in which stretch, and at which of its rows."""

    stretch: Int64s
    first: Int64s


class Places:
    """The windows of `length` rows, every `stride` rows, of all stretches one after another."""

    def __init__(self, stretches: Stretches, length: int, stride: int) -> None:
        self._stretches = stretches
        self._stride = stride
        counts = np.maximum(0, (stretches.rows - length) // stride + 1)
        self._ends = np.cumsum(counts)
        self._begins = self._ends - counts
        self.total = int(self._ends[-1]) if len(counts) else 0

    def of(self, numbers: UInt64s) -> Spots:
        """Where the windows of those numbers are; all are below `total`."""
        asked = numbers.astype(np.int64)
        stretch = np.searchsorted(self._ends, asked, side="right")
        return Spots(stretch, (asked - self._begins[stretch]) * self._stride)

    def instruments(self, spots: Spots, span: slice) -> list[str]:
        """Whose windows those of the span are."""
        names = self._stretches.instruments
        return [names[series] for series in self._stretches.series[spots.stretch[span]].tolist()]
