"""Which range a file is complete for, when the user says that it has no holes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from flightstore_proto import timeframe as timeframes
from flightstore_proto.timerange import to_ns

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Extent:
    """The first and the last time seen so far."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.last: int | None = None

    def add(self, rows: pa.Table) -> None:
        """Take in the times of `rows`, in any order."""
        if rows.num_rows:
            seen = pc.min_max(rows.column("ts"))
            first, last = seen["min"].value, seen["max"].value
            self.first = first if self.first is None else min(first, self.first)
            self.last = last if self.last is None else max(last, self.last)

    def covers(self, timeframe: str) -> tuple[int, int] | None:
        """From the first row to the end of the last bar.

        Events without a timeframe are known up to the last one's time and not including it, since
        a second event of that time might be in the next file.
        """
        if self.first is None or self.last is None:
            return None
        return self.first, _end_of_bar(self.last, timeframe)


def _end_of_bar(start: int, timeframe: str) -> int:
    if not timeframe:
        return start
    bar = timeframes.parse(timeframe)
    if not bar.months:
        return start + bar.step_ns
    opened = _EPOCH + timedelta(microseconds=start // 1000)
    month = opened.month - 1 + bar.months
    return to_ns(datetime(opened.year + month // 12, month % 12 + 1, 1, tzinfo=UTC))
