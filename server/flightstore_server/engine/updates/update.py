"""What changed for a selection between two positions, gathered record by record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pyarrow as pa

from flightstore_server.engine.series import Series
from flightstore_server.engine.updates.selector import Columns
from flightstore_server.storage.rows import merge

Delete = tuple[Series, int | None, int | None]


@dataclass(slots=True)
class Update:
    """Everything that changed up to `lsn` since the update before; deletes come before the rows.

    A delete has half-open bounds in ns; two None are the whole series. The rows of one series are
    one run with rising keys, or several that follow each other where there are many.
    """

    lsn: int
    deletes: list[Delete] = field(default_factory=list)
    runs: list[tuple[Series, pa.RecordBatch]] = field(default_factory=list)


class Gathered:
    """An update in the making. Of rows with the same key those that are added later win."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._deletes: list[Delete] = []
        self._parts: dict[str, tuple[Series, list[pa.RecordBatch]]] = {}
        self._runs: list[tuple[Series, pa.RecordBatch]] = []
        self.bytes = 0

    @property
    def is_empty(self) -> bool:
        return not (self._deletes or self._parts or self._runs)

    @property
    def has_runs(self) -> bool:
        """Whether nothing may be merged any more: what was added as runs would come too late."""
        return bool(self._runs)

    def has_rows_of(self, series: Iterable[Series]) -> bool:
        """Whether a delete of one of `series` can no longer come before its rows."""
        return any(str(one.instrument) in self._parts for one in series)

    def delete(self, series: Series, low: int | None, high: int | None) -> None:
        self._deletes.append((series, low, high))

    def add(self, series: Series, batch: pa.RecordBatch) -> None:
        """Rows with rising keys that one record wrote."""
        if not batch.num_rows:
            return
        _, parts = self._parts.setdefault(str(series.instrument), (series, []))
        parts.append(self._columns.all_of(batch))
        self.bytes += 256 + batch.num_rows * batch.num_columns * 8

    def add_run(self, series: Series, batch: pa.RecordBatch) -> None:
        """Rows that follow those of `series` before them, and are not merged with others."""
        self._runs.append((series, self._columns.project(self._columns.all_of(batch))))
        self.bytes += 256 + batch.num_rows * batch.num_columns * 8

    def update(self, lsn: int) -> Update:
        """All of it, by instrument."""
        runs = [(series, self._merged(series, parts)) for series, parts in self._parts.values()]
        runs += self._runs
        if len(runs) > 1:
            runs.sort(key=lambda run: str(run[0].instrument))
        return Update(lsn, self._deletes, runs)

    def _merged(self, series: Series, parts: list[pa.RecordBatch]) -> pa.RecordBatch:
        rows = parts[0]
        if len(parts) > 1:
            rows = merge(parts, key_has_id=series.dataset.key_has_id)
        return self._columns.project(rows)
