"""Windows of a fixed number of rows, cut out of series wherever they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from flightstore_proto.errors import BadRequest
from flightstore_server.engine.columns import projection
from flightstore_server.engine.series import SeriesView
from flightstore_server.engine.training.file_rows import rows_of
from flightstore_server.engine.wide_reads import batch_rows_max
from flightstore_server.storage.segment.store import SegmentStore

WINDOWS_MAX = 65_536


@dataclass(frozen=True, slots=True)
class Wanted:
    """Windows of `length` rows each.

    Of each: which series it is of, never falling; and its first row, counted from the first one at
    or after `since`. Raises BadRequest where that makes no sense.
    """

    length: int
    series: Sequence[int]
    since: Sequence[int]
    first: Sequence[int]

    def __post_init__(self) -> None:
        if not self.length:
            raise BadRequest("length=0 is no window: give the number of rows of each.")
        if not len(self.series) == len(self.since) == len(self.first):
            raise BadRequest("series, since and first of windows must have the same length.")
        if len(self.series) > WINDOWS_MAX:
            raise BadRequest(
                f"{len(self.series)} windows are too many at once: ask for {WINDOWS_MAX} at most."
            )
        if any(b < a for a, b in zip(self.series, self.series[1:], strict=False)):
            raise BadRequest("Windows must be asked for series by series: their numbers fall.")


@dataclass(slots=True)
class Cut:
    """Rows of windows, and the `ts` of the first row of each window that begins among them."""

    parts: list[pa.RecordBatch] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    rows: int = 0

    def batch(self) -> pa.RecordBatch:
        return self.parts[0] if len(self.parts) == 1 else pa.concat_batches(self.parts)


def window_columns(dataset: str, wanted: Sequence[str], schema: pa.Schema) -> list[str]:
    """The columns of windows: `wanted`, or all but `ts`. Raises UnknownColumn with near names."""
    projection(dataset, wanted, schema)
    return list(dict.fromkeys(wanted)) or schema.names[1:]


def windows(
    views: Sequence[SeriesView], store: SegmentStore, columns: Sequence[str], wanted: Wanted
) -> Iterator[Cut]:
    """The rows of all windows in order, as batches of at most 64 Ki rows and about 3 MiB.

    Raises BadRequest for one that reaches beyond its series, Corrupt for one in a damaged file.
    """
    rows_max, cut = 0, Cut()
    for start, parts in _each(views, store, columns, wanted):
        rows_max = rows_max or batch_rows_max(parts[0].schema)
        begins = [start]
        for part in parts:
            rows = part.num_rows
            if cut.rows and cut.rows + rows > rows_max:
                yield cut
                cut = Cut()
            cut.starts += begins
            cut.parts.append(part)
            cut.rows += rows
            begins = []
    if cut.rows:
        yield cut


def _each(
    views: Sequence[SeriesView], store: SegmentStore, columns: Sequence[str], wanted: Wanted
) -> Iterator[tuple[int, list[pa.RecordBatch]]]:
    """The `ts` of the first row of each window, and its rows in parts."""
    current = anchor = None
    index, base, picked = None, 0, tuple(columns)
    for number, since, first in zip(wanted.series, wanted.since, wanted.first, strict=True):
        if index is None or number != current:
            index = rows_of(_view(views, number), store, picked)
            current, anchor = number, None
        if since != anchor:
            base, anchor = index.before(since), since
        row = base + first
        if row + wanted.length > index.rows:
            raise BadRequest(
                f"A window of {wanted.length} rows from row {row} on is beyond the end of "
                f"{views[number].series}, which has {index.rows}: it has fewer than it had, or was "
                "never that long. Read from a snapshot what must not change."
            )
        yield index.window(row, wanted.length)


def _view(views: Sequence[SeriesView], number: int) -> SeriesView:
    if number >= len(views):
        raise BadRequest(f"A window is of series {number}, and {len(views)} are named.")
    return views[number]
