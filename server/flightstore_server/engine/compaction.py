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

# Full segments that one merge may hold in memory.
_MERGE_SEGMENTS_MAX = 4


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
        merge = _overlapping(members, limits) or _small(members, limits)
        if merge is not None:
            found.append(merge)
        else:
            found += _cold(members, limits, cold_before)
    return found


def plan_full(series: Series, candidates: Segments, limits: Limits) -> list[Merge]:
    """Everything that can become fewer segments, or holds rows that deletes have hidden."""
    return [
        Merge(batch, batch[-1].codec)
        for members in _groups(series, candidates)
        for batch in _batches(members, limits)
        if len(batch) > 1 or batch[0].visible is not None
    ]


def _batches(members: Sequence[Segment], limits: Limits) -> list[Segments]:
    """`members` in batches that share no key with each other, each about one full segment."""
    batches: list[list[Segment]] = []
    rows = reach = 0
    for segment in sorted(members, key=lambda s: s.min_ts):
        apart = not batches or segment.min_ts > reach
        if apart and (not batches or rows + segment.rows > limits.segment_rows_max):
            batches.append([])
            rows = 0
        batches[-1].append(segment)
        rows += segment.rows
        reach = max(reach, segment.max_ts) if len(batches[-1]) > 1 else segment.max_ts
    return [tuple(sorted(batch, key=lambda s: (s.max_lsn, s.id))) for batch in batches]


def _groups(series: Series, segments: Segments) -> list[list[Segment]]:
    """The segments of each period, in log order."""
    if len(segments) == 1:
        return [list(segments)]
    groups: dict[int, list[Segment]] = defaultdict(list)
    for segment in sorted(segments, key=lambda s: s.max_lsn):
        groups[group_of(segment.min_ts, series.unit)].append(segment)
    return list(groups.values())


def _overlapping(members: Sequence[Segment], limits: Limits) -> Merge | None:
    """Large segments that hold the same time, such as history that was imported twice.

    They are merged as soon as the newer one is a fair part of the older: until then every read of
    that time merges them.
    """
    for at in range(len(members) - 1, 0, -1):
        newer = members[at]
        if newer.rows < limits.compact_small_rows:
            continue
        for before in range(at):
            older = members[before]
            if _share_time(older, newer) and newer.rows * 4 >= older.rows:
                joined = _closed([older, newer], members)
                if sum(s.rows for s in joined) <= _MERGE_SEGMENTS_MAX * limits.segment_rows_max:
                    return Merge(joined, newer.codec)
    return None


def _closed(chosen: Sequence[Segment], members: Sequence[Segment]) -> Segments:
    """`chosen` and all that must go along, in log order.

    What is merged takes the LSN of its newest part. A segment that was logged in between and may
    hold a key of theirs would then lose to older rows, so it has to be merged too.
    """
    joined = sorted(chosen, key=lambda s: s.max_lsn)
    span = joined[0].max_lsn, joined[-1].max_lsn
    waiting = [s for s in members if span[0] <= s.max_lsn <= span[1] and s not in joined]
    while met := [s for s in waiting if any(_may_share_key(s, j) for j in joined)]:
        joined += met
        waiting = [s for s in waiting if s not in met]
    return tuple(sorted(joined, key=lambda s: (s.max_lsn, s.id)))


def _small(members: Sequence[Segment], limits: Limits) -> Merge | None:
    """The newest of the small or overlapping segments, once there are enough of them.

    Going back in log order, a segment joins while it is not larger than all that joined before it,
    so each row is rewritten only as often as its group's size doubles.
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
    return Merge(_closed(joined, members), joined[0].codec)


def _overlaps(segment: Segment, members: Sequence[Segment]) -> bool:
    return any(other is not segment and _share_time(segment, other) for other in members)


def _may_share_key(one: Segment, other: Segment) -> bool:
    return other.min_ts <= one.max_ts and one.min_ts <= other.max_ts


def _share_time(one: Segment, other: Segment) -> bool:
    # Strictly: neighbours that were cut inside one timestamp share just that, and would for ever.
    return other.min_ts < one.max_ts and one.min_ts < other.max_ts


def _cold(members: Sequence[Segment], limits: Limits, cold_before: int) -> list[Merge]:
    """A whole period that ended before `cold_before`: merged and compressed."""
    if not cold_before or any(s.max_ts >= cold_before for s in members):
        return []
    batches = _batches(members, limits)
    return [Merge(batch, ZSTD) for batch in batches if any(s.codec != ZSTD for s in batch)]


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
        name = SegmentName(reservations.segment(), series.identity, label)
        written.append(write_segment(files, name, part, max_lsn=newest, codec=merge.codec))
    return tuple(written)
