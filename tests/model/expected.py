"""What a store should hold, kept as plainly as possible: dicts of rows and sets of minutes."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.support.rows import DAY, MINUTE

Key = tuple[int, ...] | tuple[int, int, str]
Row = tuple[object, ...]

# Minutes around New Year, so that segments of years, months and days all have a border inside.
MINUTES = 240
START = 1_704_067_200 * 10**9 - MINUTES // 2 * MINUTE  # 2023-12-31T22:00Z
END = START + MINUTES * MINUTE
assert START // DAY != END // DAY


@dataclass(slots=True, eq=False)
class SeriesModel:
    """One series: rows by their key, and the minutes that are known complete."""

    dataset: str
    instrument: str
    timeframe: str
    rows: dict[Key, Row] = field(default_factory=dict)
    covered: set[int] = field(default_factory=set)
    exists: bool = False

    def put(self, rows: Iterable[tuple[Key, Row]], covers: tuple[int, int] | None) -> None:
        self.exists = True
        self.rows.update(rows)
        if covers is not None:
            self.covered.update(range(*covers))

    def delete(self, first: int, last: int) -> int:
        """Remove what lies in the minutes [first, last); returns the number of rows."""
        low, high = START + first * MINUTE, START + last * MINUTE
        gone = [key for key in self.rows if low <= key[0] < high]
        for key in gone:
            del self.rows[key]
        self.covered.difference_update(range(first, last))
        return len(gone)

    def forget(self) -> None:
        self.rows, self.covered, self.exists = {}, set(), False

    def between(self, first: int, last: int) -> list[Row]:
        low, high = START + first * MINUTE, START + last * MINUTE
        return [self.rows[key] for key in sorted(self.rows) if low <= key[0] < high]

    def gaps(self, first: int, last: int) -> list[tuple[int, int]]:
        """Runs of minutes in [first, last) that are not covered and, with a grid, have no bar."""
        known = set(self.covered)
        if self.dataset == "candles":
            known.update((key[0] - START) // MINUTE for key in self.rows)
        return runs(minute for minute in range(first, last) if minute not in known)


def time_of(ns: int | None) -> datetime | None:
    """A time of whole seconds as clients say it."""
    return None if ns is None else datetime.fromtimestamp(ns // 10**9, UTC)


def runs(minutes: Iterable[int]) -> list[tuple[int, int]]:
    """Sorted `minutes` as maximal half-open ranges."""
    found: list[tuple[int, int]] = []
    for minute in minutes:
        if found and found[-1][1] == minute:
            found[-1] = (found[-1][0], minute + 1)
        else:
            found.append((minute, minute + 1))
    return found


@dataclass(slots=True)
class StoreModel:
    """All series, and what each snapshot pinned."""

    series: list[SeriesModel]
    snapshots: dict[str, list[SeriesModel]] = field(default_factory=dict)

    def snapshot(self, name: str) -> None:
        self.snapshots[name] = copy.deepcopy(self.series)
