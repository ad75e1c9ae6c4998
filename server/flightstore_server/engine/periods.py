"""Calendar periods: how a series' rows are cut into segments.

A segment covers a day, a month, a year or all time, whichever is the largest that still holds at
most about a million rows when full: 1s a day, 1m a year, 5m and slower everything. Datasets without
a timeframe use months, and days where a month would be too many rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa

from flightstore_proto.timeframe import DAY_NS, Timeframe
from flightstore_server.storage.rows import ts_of

ROWS_FULL = 1 << 20
_UNITS = ("D", "M", "Y", "all")
# Days that a full unit spans; "all" counts as nine years, so that 5m series are one file.
_DAYS = {"D": 1, "M": 31, "Y": 366, "all": 9 * 366}


def unit_of(timeframe: Timeframe | None) -> str:
    """The period of a series: "D", "M", "Y" or "all"."""
    if timeframe is None or timeframe.count:
        return "M"
    if timeframe.months:
        return "all"
    fitting = [u for u in _UNITS if _DAYS[u] * DAY_NS // timeframe.step_ns <= ROWS_FULL]
    return fitting[-1] if fitting else "D"


def group_of(ts: int, unit: str) -> int:
    """The number of the period that holds `ts`; segments of one group may be merged."""
    if unit == "all":
        return 0
    return int(np.datetime64(ts, "ns").astype(f"datetime64[{unit}]").astype(np.int64))


def label_of(ts: int, unit: str) -> str:
    """The period that holds `ts`, as file names say it: 2024-08-09, 2024-08, 2024 or all."""
    return "all" if unit == "all" else str(np.datetime64(ts, "ns").astype(f"datetime64[{unit}]"))


def split(
    batches: Sequence[pa.RecordBatch], unit: str, *, rows_max: int = ROWS_FULL
) -> Iterator[tuple[str, list[pa.RecordBatch]]]:
    """Sorted `batches` cut at the borders of `unit`, as (label, rows of that period).

    A month with more than `rows_max` rows is cut into days; anything longer still is cut by rows.
    """
    for rows in _cut_at_borders(batches, unit):
        count = sum(map(len, rows))
        label = label_of(int(ts_of(rows[0])[0]), unit)
        if count <= rows_max:
            yield label, rows
        elif unit == "M":
            yield from split(rows, "D", rows_max=rows_max)
        else:
            table = pa.Table.from_batches(rows)
            for start in range(0, count, rows_max):
                yield label, table.slice(start, rows_max).to_batches()


def _cut_at_borders(batches: Sequence[pa.RecordBatch], unit: str) -> Iterator[list[pa.RecordBatch]]:
    rows: list[pa.RecordBatch] = []
    current: int | None = None
    for batch in batches:
        ts = ts_of(batch)
        if not len(ts):
            continue
        for start, end, group in _groups(ts, unit):
            if group != current and rows:
                yield rows
                rows = []
            current = group
            rows.append(batch.slice(start, end - start))
    if rows:
        yield rows


def _groups(ts: np.ndarray, unit: str) -> list[tuple[int, int, int]]:
    first, last = group_of(int(ts[0]), unit), group_of(int(ts[-1]), unit)
    if first == last:
        return [(0, len(ts), first)]
    groups = ts.view("datetime64[ns]").astype(f"datetime64[{unit}]").astype(np.int64)
    borders = [0, *(np.flatnonzero(np.diff(groups)) + 1).tolist(), len(ts)]
    return [(a, b, int(groups[a])) for a, b in pairwise(borders)]
