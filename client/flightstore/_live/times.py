"""The times of a batch as whole numbers, without a copy and without numpy."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import pyarrow as pa


class Times:
    """Column `ts` of a batch in nanoseconds. Within a run of one series they ascend."""

    def __init__(self, batch: pa.RecordBatch | None) -> None:
        self._ns = memoryview(b"").cast("q")
        if batch is not None and batch.num_rows:
            column = batch.column("ts")
            first, last = 8 * column.offset, 8 * (column.offset + len(column))
            self._ns = memoryview(column.buffers()[1])[first:last].cast("q")

    def __len__(self) -> int:
        return len(self._ns)

    def __getitem__(self, row: int) -> int:
        return self._ns[row]

    def first_at(self, ts: int, start: int, end: int) -> int:
        """The first of rows [start, end) of a series at or after `ts`."""
        return bisect_left(self._ns, ts, start, end)

    def first_after(self, ts: int, start: int, end: int) -> int:
        """The first of rows [start, end) of a series after `ts`."""
        return bisect_right(self._ns, ts, start, end)
