"""What a derived series knows of itself: its rule, its base, and which of its rows are not current.

A put notes only where it touched the base: O(1) under the state lock. Which windows that makes
stale is worked out when somebody wants to know (freshen.py).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from flightstore_proto import intervals
from flightstore_proto.intervals import EMPTY, IntervalSet
from flightstore_proto.timeframe import DAY_NS
from flightstore_proto.timerange import TS_MAX, TS_MIN
from flightstore_server.engine.aggregates.rules import Rule
from flightstore_server.engine.aggregates.windows import Windows
from flightstore_server.storage.rows import Int64s

if TYPE_CHECKING:
    from flightstore_server.engine.series import Series

# So many notes are made before they are worked out by the writer itself.
_TOUCHED_MAX = 256
_MONTH_NS = 30 * DAY_NS


class Derived:
    """The derived side of a series. Fields change under the state lock, except where it says not.

    `stale` are ranges of whole windows whose rows must be computed anew, `busy` those that somebody
    is at. `floor` is the time before which rows stay as they are, since their base was let go.
    """

    __slots__ = (
        "_coverage",
        "_hot",
        "_touched",
        "base",
        "busy",
        "floor",
        "lock",
        "rule",
        "stale",
        "windows",
    )

    def __init__(self, rule: Rule, base: Series, windows: Windows) -> None:
        self.rule = rule
        self.base = base
        self.windows = windows
        self.stale: IntervalSet = EMPTY
        self.busy: IntervalSet = EMPTY
        self.floor = TS_MIN
        self.lock = threading.Lock()  # held by who computes; taken before the state lock
        self._touched: list[Int64s] = []
        self._hot = (1, 0)
        self._coverage: tuple[IntervalSet, IntervalSet] = (EMPTY, EMPTY)

    @property
    def is_current(self) -> bool:
        """Whether the stored rows are those that the base rows give."""
        return not (self._touched or self.stale or self.busy)

    def note(self, ts: Int64s, first: int, last: int) -> bool:
        """Note that base rows at `ts`, from `first` to `last`, were written.

        Returns whether that makes many notes.
        """
        low, high = self._hot
        if low <= first and last < high:
            return False  # the window that bars or trades are coming for is noted already
        self._touched.append(ts)
        start = self.windows.floor(first)
        end = self.windows.after(start)
        if last < end:
            self._hot = (start, end)
        if len(self._touched) < _TOUCHED_MAX:
            return False
        self.settle()
        return True

    def mark(self, low: int, high: int) -> None:
        """Note that any base row in [low, high) may have changed."""
        self.stale = intervals.add(self.stale, *self.outward(low, high))

    def mark_everything(self) -> None:
        """Note that nothing is computed yet."""
        self.stale = ((TS_MIN, TS_MAX + 1),)

    def freeze(self, before: int) -> None:
        """Leave the rows of windows that begin before `before` as they are from now on."""
        # Of a window that `before` lies in, the first base rows are gone, too.
        self.floor = max(self.floor, self.windows.ceil(before))

    def settle(self) -> None:
        """Work out which windows the notes make stale."""
        if self._touched:
            ts = self._touched[0] if len(self._touched) == 1 else np.concatenate(self._touched)
            self.stale = intervals.union(self.stale, windows_of(ts, self.windows))
            self._touched = []
        self._hot = (1, 0)

    def take(self, low: int, high: int) -> IntervalSet:
        """Begin with the stale windows that reach into [low, high); they are busy from now on."""
        low, high = self.outward(low, high)
        stale = self._stale_above_floor()
        self.busy = intervals.clip(stale, low, high)
        self.stale = intervals.subtract(stale, low, high)
        return self.busy

    def finish(self, again: IntervalSet | None) -> None:
        """What was begun is done, but for windows that reach into `again`; None: nothing is."""
        if again is None:
            self.give_back()
            return
        overlapping = (part for low, high in again for part in intervals.clip(self.busy, low, high))
        for low, high in overlapping:
            self.stale = intervals.add(self.stale, *self.outward(low, high))
        self.busy = EMPTY

    def give_back(self) -> None:
        """What was begun could not be finished."""
        self.stale = intervals.union(self.stale, self.busy)
        self.busy = EMPTY

    def unsettled(self) -> IntervalSet:
        """Every window whose stored rows may not be current: what a checkpoint must remember."""
        return intervals.union(self._stale_above_floor(), self.busy)

    def touches(self, ts: Int64s) -> IntervalSet:
        """The windows that base rows at `ts` are part of, frozen ones as well."""
        return windows_of(ts, self.windows)

    def _stale_above_floor(self) -> IntervalSet:
        """The stale windows; those that begin before `floor` are forgotten."""
        self.settle()
        self.stale = intervals.subtract(self.stale, TS_MIN, self.floor)
        return self.stale

    def coverage(self) -> IntervalSet:
        """The windows that lie whole in what is covered of the base."""
        of_base = self.base.covered()
        if self._coverage[0] is not of_base:
            inward = ((self.windows.ceil(a), self.windows.floor(b)) for a, b in of_base)
            self._coverage = (of_base, tuple(r for r in inward if r[0] < r[1]))
        return self._coverage[1]

    def outward(self, low: int, high: int) -> tuple[int, int]:
        """[low, high) and the rest of the windows at its ends."""
        return (
            self.windows.floor(low) if low > TS_MIN else low,
            self.windows.ceil(high) if high <= TS_MAX else high,
        )


def windows_of(ts: Int64s, windows: Windows) -> IntervalSet:
    """The windows that hold `ts`, as few ranges as possible.

    Where the clock was changed a range may span a window more than it must, which is harmless.
    """
    starts = np.unique(windows.floors(np.sort(ts)))
    frame = windows.timeframe
    length = frame.step_ns or frame.months * _MONTH_NS
    breaks = np.flatnonzero(np.diff(starts) > length + length // 2) + 1
    first = starts[np.append(0, breaks)].tolist()
    last = starts[np.append(breaks, len(starts)) - 1].tolist()
    return tuple((low, windows.after(high)) for low, high in zip(first, last, strict=True))
