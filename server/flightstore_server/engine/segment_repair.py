"""Saving what is intact of a damaged segment: its good batches become a new segment.

Rows are lost in whole record batches, since those carry the checksums. The time they spanned is
taken out of the series' coverage, so that gaps() shows it and an ingestion service fetches it
again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from flightstore_proto import intervals
from flightstore_proto.timeframe import Timeframe
from flightstore_proto.timerange import format_ns
from flightstore_server.engine import grid
from flightstore_server.engine.inspection import Inspection, inspect, ts_at
from flightstore_server.engine.reservations import Reservations
from flightstore_server.engine.series import Dataset, parse_timeframe
from flightstore_server.storage import layout, ranges
from flightstore_server.storage.catalog import (
    DERIVED_IDS,
    Catalog,
    VersionedCoverage,
    VersionedSegment,
)
from flightstore_server.storage.damaged import DamagedFolder
from flightstore_server.storage.files import Files
from flightstore_server.storage.segment import index
from flightstore_server.storage.segment.segment import RowRanges, Segment
from flightstore_server.storage.segment.trailer import SeriesIdentity
from flightstore_server.storage.segment.writer import SegmentName, write_segment


@dataclass(frozen=True, slots=True)
class Loss:
    """`rows` visible rows of a series in [start, end) that could not be read."""

    series: int
    start: int
    end: int
    rows: int

    @property
    def is_computed(self) -> bool:
        """Whether a rule keeps the series, so that its rows follow from others."""
        return self.series >= DERIVED_IDS


@dataclass(frozen=True, slots=True)
class Mended:
    """A damaged segment and what became of it; `saved` is None if nothing of it could be read."""

    old: Segment
    saved: Segment | None
    batches: Sequence[pa.RecordBatch | None]
    timeframe: Timeframe | None

    def carried(self, version: Segment) -> Segment | None:
        """`version`, one of the old segment's, as a version of the saved one."""
        if self.saved is None:
            return None
        visible = tuple(self._moved(version.row_ranges()))
        if visible == ((0, self.saved.file_rows),):
            return replace(self.saved, max_lsn=version.max_lsn)
        if not visible:
            return None
        first, last = (ts_at(self.batches, at) for at in (visible[0][0], visible[-1][1] - 1))
        return replace(self.saved, max_lsn=version.max_lsn).trimmed(visible, first, last)

    def losses(self, version: Segment) -> list[Loss]:
        """What is lost of `version`."""
        found, first = [], 0
        for entry, batch in zip(index.decode(self.old.index), self.batches, strict=True):
            rows = sum(b - a for a, b in _clipped(version.row_ranges(), first, first + entry.rows))
            if batch is None and rows:
                end = self._after(entry.last_ts)
                found.append(Loss(self.old.series, entry.first_ts, end, rows))
            first += entry.rows
        return found

    def _after(self, ts: int) -> int:
        """Where the row at `ts` ends: a bar lasts until the next one."""
        if self.timeframe is None or not self.timeframe.has_grid:
            return ts + 1
        return grid.next_point(ts, self.timeframe)

    def _moved(self, ranges: RowRanges) -> list[tuple[int, int]]:
        """`ranges` of the old file's rows as ranges of the saved one's, joined where they touch."""
        moved: list[tuple[int, int]] = []
        first = shift = 0
        for entry, batch in zip(index.decode(self.old.index), self.batches, strict=True):
            if batch is None:
                shift += entry.rows
            else:
                for low, high in _clipped(ranges, first, first + entry.rows):
                    if moved and moved[-1][1] == low - shift:
                        low = moved.pop()[0] + shift
                    moved.append((low - shift, high - shift))
            first += entry.rows
        return moved


def _clipped(ranges: RowRanges, start: int, end: int) -> list[tuple[int, int]]:
    cut = [(max(low, start), min(high, end)) for low, high in ranges]
    return [(low, high) for low, high in cut if low < high]


@dataclass(slots=True)
class SegmentMender:
    """Mends segments one by one. `said` gathers a sentence for everything done and lost."""

    files: Files
    damaged: DamagedFolder
    reservations: Reservations
    said: list[str]

    def mend(self, segment: Segment, dataset: Dataset, identity: SeriesIdentity) -> Mended | None:
        """What can be saved of `segment`, as a file on the disk; None if there is no damage."""
        found = inspect(self.files, segment, dataset)
        if not found.damage:
            return None
        self.said.append(found.damage[0])
        if not found.missing:
            self.said.append(f"Its file is kept as {self.damaged.keep_copy(segment.file)}.")
        saved = self._save(segment, identity, found)
        return Mended(segment, saved, found.batches, parse_timeframe(identity.timeframe))

    def _save(
        self, segment: Segment, identity: SeriesIdentity, found: Inspection
    ) -> Segment | None:
        good = [batch for batch in found.batches if batch is not None]
        if not good:
            return None
        name = SegmentName(self.reservations.segment(), identity, layout.period_of(segment.file))
        saved = write_segment(self.files, name, good, max_lsn=segment.max_lsn, codec=segment.codec)
        self.said.append(f"{saved.rows} of its {segment.file_rows} rows are saved in {saved.file}.")
        return saved

    def mend_catalog(self, catalog: Catalog, mended: Mended) -> list[Loss]:
        """Put the saved rows in the place of the old ones in every version.

        Returns what the present version has lost by it.
        """
        old = mended.old
        versions, now_lost = [], []
        coverage = catalog.coverage_of(old.series)
        for version in catalog.versions_of(old.id):
            carried = mended.carried(version.segment)
            if carried is not None:
                versions.append(replace(version, segment=carried))
            for loss in mended.losses(version.segment):
                coverage = [row for c in coverage for row in _without(c, version, loss)]
                if version.retired is None:
                    now_lost.append(loss)
        catalog.correct(old.id, versions, old.series, coverage)
        self.files.remove(old.file)
        return now_lost


def _without(
    row: VersionedCoverage, version: VersionedSegment, loss: Loss
) -> Iterator[VersionedCoverage]:
    """`row`, without what is lost in those of its versions that hold `version`."""
    low = max(row.created, version.created)
    high = min((v for v in (row.retired, version.retired) if v is not None), default=None)
    if high is not None and low >= high:
        yield row
        return
    if row.created < low:
        yield replace(row, retired=low)
    known = ranges.decode(row.ranges)
    if loss.is_computed:  # its ranges are those that wait to be computed
        kept = intervals.add(known, loss.start, loss.end)
    else:
        kept = intervals.subtract(known, loss.start, loss.end)
    yield VersionedCoverage(low, high, ranges.encode(kept))
    if high != row.retired and high is not None:
        yield replace(row, created=high)


def sentence_of(loss: Loss, series: str) -> str:
    """What a person is told of a loss."""
    if loss.is_computed:
        return (
            f"{loss.rows} bars of {series} from {format_ns(loss.start)} to before "
            f"{format_ns(loss.end)} are computed again, as far as their base is still there."
        )
    return (
        f"Lost: {loss.rows} rows of {series} from {format_ns(loss.start)} to before "
        f"{format_ns(loss.end)}; the range is no longer covered, fetch or write it again."
    )
