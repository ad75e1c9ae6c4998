"""The rows of a selection that are there as of a position, in the order of (instrument, key)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from flightstore_proto.timerange import TS_MAX
from flightstore_server.engine.reads import read
from flightstore_server.engine.series import Series, SeriesView
from flightstore_server.engine.updates.follower import Delivered, UpdateFollower
from flightstore_server.storage.rows import ts_of

if TYPE_CHECKING:
    from flightstore_server.engine.store import Store

_END = TS_MAX + 1


class History:
    """Everything from `start` on of the series that `follower` found when it was made.

    Make it under the same state lock, so that it ends where the follower's changes begin. What was
    `delivered` before is left out. Rows of derived series are those of the moment they are read.
    """

    def __init__(
        self, store: Store, follower: UpdateFollower, start: int, delivered: Delivered | None
    ) -> None:
        self._store = store
        self._follower = follower
        self._start = start
        self._delivered = delivered
        self._pin = store.maintenance.pins.take()
        first = delivered.instrument if delivered else ""
        matched = [s for s in follower.matched if str(s.instrument) >= first]
        self._views = deque(s.view() if s.derived is None else s for s in matched)

    def runs(self) -> Iterator[tuple[Series, pa.RecordBatch]]:
        """The rows, batch by batch. Raises Corrupt where they cannot be read."""
        columns = self._follower.columns
        while self._views:
            part = self._views.popleft()
            series = part if isinstance(part, Series) else part.series
            for batch in self._rows(part, series):
                if batch.num_rows:
                    yield series, columns.project(columns.all_of(batch))

    def _rows(self, part: Series | SeriesView, series: Series) -> Iterator[pa.RecordBatch]:
        start, end = self._start, _END
        broken_off = self._delivered
        if broken_off is not None and str(series.instrument) == broken_off.instrument:
            start = max(start, broken_off.ts)
        else:
            broken_off = None
        if isinstance(part, Series):
            end = self._follower.derived.closed_until(series)
            self._store.aggregates.freshen(series, start, end)
            [part] = self._store.state.view([series])
        batches = read(part, self._store.segments, start, end)
        return batches if broken_off is None else _after(batches, broken_off.ts, broken_off.rows)


def _after(batches: Iterator[pa.RecordBatch], ts: int, rows: int) -> Iterator[pa.RecordBatch]:
    """`batches` without the first `rows` rows at exactly `ts`, with which they begin."""
    for batch in batches:
        known = min(rows, int(ts_of(batch).searchsorted(ts, "right"))) if rows else 0
        # Whatever else comes before a later row is no longer at `ts`.
        rows = rows - known if known == batch.num_rows else 0
        yield batch.slice(known)
