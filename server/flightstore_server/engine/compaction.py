"""Merging small or overlapping segments of one period, and compressing cold ones.

Only neighbours in log order are merged, so that the higher LSN still tells which row wins. Large
segments that overlap nothing are left alone: history that came in bulk is written once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from flightstore_server.engine.limits import Limits
from flightstore_server.engine.periods import group_of, split
from flightstore_server.engine.reads import read
from flightstore_server.engine.reservations import Reservations
from flightstore_server.engine.series import Segments, Series, SeriesView
from flightstore_server.storage.files import Files
from flightstore_server.storage.segment.segment import Segment
from flightstore_server.storage.segment.store import SegmentStore
from flightstore_server.storage.segment.writer import ZSTD, SegmentName, write_segment


@dataclass(frozen=True, slots=True)
class Merge:
    """Segments of one series and period that are to become as few as possible."""

    segments: Segments
    codec: str


def plan(series: Series, candidates: Segments, limits: Limits, *, cold_before: int) -> list[Merge]:
    """What to merge now. `candidates` are the segments the catalog knows."""
    found = []
    for members in _groups(series, candidates):
        trimmed = [s for s in members if s.visible is not None]
        if trimmed:  # give back the space of deleted rows; on its own a segment keeps its place
            found.append(Merge((trimmed[0],), trimmed[0].codec))
            continue
        merge = _small(members, limits) or _cold(members, cold_before)
        if merge is not None:
            found.append(merge)
    return found


def plan_full(series: Series, candidates: Segments) -> list[Merge]:
    """Every group that holds more than one segment, or rows that deletes have hidden."""
    return [
        Merge(tuple(members), members[-1].codec)
        for members in _groups(series, candidates)
        if len(members) > 1 or members[0].visible is not None
    ]


def _groups(series: Series, segments: Segments) -> list[list[Segment]]:
    """The segments of each period, in log order."""
    if len(segments) == 1:
        return [list(segments)]
    groups: dict[int, list[Segment]] = defaultdict(list)
    for segment in sorted(segments, key=lambda s: s.max_lsn):
        groups[group_of(segment.min_ts, series.unit)].append(segment)
    return list(groups.values())


def _small(members: Sequence[Segment], limits: Limits) -> Merge | None:
    """The newest of the small or overlapping segments, once there are enough of them.

    Going back in log order, a segment joins while it is not larger than all that joined before it, so
    each row is rewritten only as often as its group's size doubles.
    """
    if len(members) < limits.compact_segments_min:
        return None
    untidy = [s for s in members if s.rows < limits.compact_small_rows or _overlaps(s, members)]
    if len(untidy) < limits.compact_segments_min:
        return None
    joined: list[Segment] = []
    rows = 0
    for segment in reversed(untidy):
        if segment.rows > max(rows, limits.compact_small_rows // 8) and joined:
            break
        joined.append(segment)
        rows += segment.rows
    if len(joined) < 2:  # each older one is larger than all newer ones together: take enough anyway
        joined = list(reversed(untidy[-limits.compact_segments_min :]))
    return Merge(tuple(reversed(joined)), joined[0].codec)


def _overlaps(segment: Segment, members: Sequence[Segment]) -> bool:
    return any(
        other is not segment and other.min_ts <= segment.max_ts and segment.min_ts <= other.max_ts
        for other in members
    )


def _cold(members: Sequence[Segment], cold_before: int) -> Merge | None:
    """A whole period that ended before `cold_before`: merged and compressed."""
    if not cold_before or any(s.max_ts >= cold_before for s in members):
        return None
    if all(s.codec == ZSTD for s in members):
        return None
    return Merge(tuple(members), ZSTD)


def write(
    series: Series,
    merge: Merge,
    store: SegmentStore,
    files: Files,
    reservations: Reservations,
    *,
    segment_rows_max: int,
) -> Segments:
    """The merged rows as new, durable segments that are not yet part of the store."""
    schema = series.dataset.schema
    view = SeriesView(series, schema, merge.segments, (), ())
    rows = list(read(view, store, -(2**63), 2**63))
    newest = max(segment.max_lsn for segment in merge.segments)
    written = []
    for label, part in split(rows, series.unit, rows_max=segment_rows_max):
        name = SegmentName(reservations.segment(), series.id, series.folder, label)
        written.append(write_segment(files, name, part, max_lsn=newest, codec=merge.codec))
    return tuple(written)
