"""A recording: the rows of one series in order of time, as pages of what had happened by when."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from flightstore_ingest.source import Page, Series
from flightstore_proto import timeframe as timeframes

PAGE_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class Recording:
    """`rows` have the dataset's schema and are in order of `ts`; `origin` is where they are from.

    It is complete from its first row to `end`, and says nothing about what comes after.
    """

    series: Series
    rows: pa.Table
    origin: str

    @property
    def first(self) -> int:
        """`ts` of the first row in ns."""
        return self._ts(0)

    @property
    def end(self) -> int:
        """ns up to which it is complete: the close of the last bar.

        Of trades it is the time of the last one and not a ns later, as a second trade of that
        time may be in another file.
        """
        return self._ts(self.rows.num_rows - 1) + self._step

    def known(self, now: int) -> int:
        """The rows with a `ts` before this one have happened by `now`: bars once they close."""
        if not self._step:
            return now + 1
        offset = timeframes.parse(self.series.timeframe).offset_ns
        return now - (now - offset) % self._step

    def due(self, ts: int) -> int | None:
        """When the next row of `ts` or later happens; None if there is none."""
        position = self._position(ts)
        return self._ts(position) + self._step if position < self.rows.num_rows else None

    def pages(self, start: int, end: int) -> Iterator[Page]:
        """The rows in [start, end) ns, all of one time in one page, with what they make complete.

        Nothing is claimed beyond the recording's own end.
        """
        position, last = self._position(start), self._position(end)
        while start < end:
            stop = self._page_end(position, last)
            upto = end if stop == last else self._ts(stop)
            complete = min(upto, self.end)
            covers = (start, complete) if start < complete else None
            if stop > position or covers is not None:
                yield Page(self.rows.slice(position, stop - position), covers)
            position, start = stop, upto

    def _page_end(self, position: int, last: int) -> int:
        stop = position + PAGE_ROWS
        if stop >= last:
            return last
        ts = self._ts(stop)
        first = self._position(ts)
        return first if first > position else self._position(ts + 1)

    @property
    def _step(self) -> int:
        timeframe = self.series.timeframe
        return timeframes.parse(timeframe).step_ns if timeframe else 0

    def _ts(self, row: int) -> int:
        ns: int = self.rows.column("ts")[row].value
        return ns

    def _position(self, ts: int) -> int:
        """The first row at or after `ts`."""
        return bisect_left(range(self.rows.num_rows), ts, key=self._ts)
