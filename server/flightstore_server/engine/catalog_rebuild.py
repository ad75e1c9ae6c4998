"""Rebuilding a lost catalog from what the segment files say of themselves, and from the log.

Every segment whose trailer is intact is adopted, except those that a log record names: the replay
at the next start adds these. The new catalog claims to hold everything before the log's first
record, so the whole log is replayed on top. That is harmless, because a replayed put writes the
same rows under the same keys again, and a replayed delete is followed by every put that came after
it.

What a rebuild cannot restore: series metadata and coverage older than the log, and snapshots. Rows
that were deleted, or whole series, reappear if their files were not compacted or removed yet and
the log has forgotten the delete. The LSN of a bulk put older than the log is estimated from the
order of segment ids; where two such puts overlap in time, the wrong one may win if they were
written side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from flightstore_server.engine.log_repair import repair_log
from flightstore_server.engine.recovery import record_of
from flightstore_server.storage import layout
from flightstore_server.storage.catalog import DERIVED_IDS, Catalog, Change, DatasetRow, SeriesRow
from flightstore_server.storage.checksum import crc
from flightstore_server.storage.damaged import DamagedFolder
from flightstore_server.storage.files import Files
from flightstore_server.storage.log import salvage
from flightstore_server.storage.log.reader import LogEnd, scan
from flightstore_server.storage.segment import index, trailer
from flightstore_server.storage.segment.segment import Segment
from flightstore_server.storage.segment.trailer import SeriesIdentity

CANNOT = (
    "A rebuilt catalog lacks the metadata and the coverage that are older than the log, rules that "
    "are older with bars that only they remembered, and all snapshots; rows and series that were "
    "deleted may have reappeared: check them, write the coverage and add the rules again."
)


@dataclass(frozen=True, slots=True)
class _Adopted:
    segment: Segment
    identity: SeriesIdentity
    schema: pa.Schema


def rebuild(files: Files, damaged: DamagedFolder, said: list[str]) -> Catalog:
    """A new catalog in the place of a lost one. The old one's files are set aside already."""
    adopted = _without_contradictions(_adoptable(files, damaged, said), damaged, said)
    adopted = _without_derived(adopted, damaged, said)
    flushed_lsn = _flushed_before_log(files, adopted)
    said += repair_log(files, flushed_lsn, damaged)
    logged = _Logged(files, flushed_lsn, {found.identity.dataset for found in adopted})
    if logged.unreadable_lsn:
        said += _shorten(files, flushed_lsn, logged.unreadable_lsn, damaged)
    adopted = [found for found in adopted if found.segment.id not in logged.segments]
    catalog = Catalog(files.root / layout.CATALOG)
    change = Change(flushed_lsn=flushed_lsn)
    change.datasets = _datasets(adopted)
    change.series = [*_series(adopted), *logged.unknown_series(adopted)]
    change.added = _with_lsns(adopted, flushed_lsn)
    catalog.commit(change)
    rows = sum(segment.rows for segment in change.added)
    said.append(
        f"The catalog was rebuilt from {len(change.added)} segment files with {rows} rows of "
        f"{len(change.series)} series; the log is replayed from record {flushed_lsn + 1} on."
    )
    said.append(CANNOT)
    said += [
        f"The log has rows of the series {row.id}, whose name is lost: they are kept as "
        f"{row.instrument}."
        for row in change.series
        if row.instrument.startswith(_LOST_EXCHANGE)
    ]
    return catalog


def _adoptable(files: Files, damaged: DamagedFolder, said: list[str]) -> list[_Adopted]:
    """The segment files that tell who they are, newest first; others are set aside."""
    found = []
    for file in sorted(files.walk(layout.SEGMENTS_DIR)):
        adopted = _adopt(files, file)
        if isinstance(adopted, _Adopted):
            found.append(adopted)
        else:
            said.append(f"Lost: {file} {adopted}; it is kept as {damaged.move(file)}.")
    return sorted(found, key=lambda a: a.segment.id, reverse=True)


def _adopt(files: Files, file: str) -> _Adopted | str:
    """What `file` says of itself, or why that cannot be used."""
    try:
        data = files.map(file)
    except (OSError, pa.ArrowInvalid) as error:
        return f"cannot be read from offset 0 on ({error})"
    about = trailer.find(data)
    if about is None:
        return "has no intact trailer near its end, so its bytes cannot be checked"
    folder = file.rpartition("/")[0]
    if layout.segment_id(file) != about.id or folder != about.identity.folder:
        return f"is segment {about.id} of {about.identity.folder} by its trailer"
    entries = index.decode(about.index)
    head = data.slice(0, entries[0].offset)
    if crc(head) != about.head_crc:
        return f"is damaged between offset 0 and {entries[0].offset}, where its schema is"
    schema = pa.ipc.read_schema(head.slice(8))
    rows = sum(entry.rows for entry in entries)
    segment = Segment(
        id=about.id,
        series=about.identity.series,
        file=file,
        rows=rows,
        min_ts=entries[0].first_ts,
        max_ts=entries[-1].last_ts,
        max_lsn=about.max_lsn,
        size=data.size,
        crc=crc(data),
        index=about.index,
        columns=len(schema),
        codec=about.codec,
        file_rows=rows,
    )
    return _Adopted(segment, about.identity, schema)


def _without_contradictions(
    found: Iterable[_Adopted], damaged: DamagedFolder, said: list[str]
) -> list[_Adopted]:
    """`found`, newest first, without files of deleted series whose name or id was used again."""
    ids: dict[str, int] = {}
    names: dict[int, str] = {}
    kept = []
    for adopted in found:
        series, name = adopted.identity.series, adopted.identity.folder
        if ids.setdefault(name, series) == series and names.setdefault(series, name) == name:
            kept.append(adopted)
            continue
        to = damaged.move(adopted.segment.file)
        said.append(f"{adopted.segment.file} is of a series that was deleted; it is kept as {to}.")
    return kept


def _without_derived(
    found: Iterable[_Adopted], damaged: DamagedFolder, said: list[str]
) -> list[_Adopted]:
    """`found` without what rules computed: they compute it again."""
    kept = []
    for adopted in found:
        if adopted.identity.series < DERIVED_IDS:
            kept.append(adopted)
            continue
        to = damaged.move(adopted.segment.file)
        said.append(f"{adopted.segment.file} was computed by a rule; it is kept as {to}.")
    return kept


def _flushed_before_log(files: Files, adopted: Sequence[_Adopted]) -> int:
    """The LSN up to which segments must be believed: that before the log's first useful record."""
    newest = max((found.segment.max_lsn for found in adopted), default=0)
    for run in salvage.runs_of(salvage.intact_groups(files)):
        if run[-1].next_lsn > newest:
            return run[0].first_lsn - 1
    return newest


def _shorten(files: Files, flushed_lsn: int, lsn: int, damaged: DamagedFolder) -> list[str]:
    """Keep the log's records before `lsn` only, as far as whole groups go."""
    kept = salvage.continuing(salvage.intact_groups(files), flushed_lsn)
    aside = salvage.keep_only(files, [found for found in kept if found.next_lsn <= lsn], damaged)
    lost = (
        f"Lost: the log's records from {lsn} on, since no segment tells the columns of their "
        f"dataset; they are kept in {', '.join(aside)}."
    )
    return [lost]


class _Logged:
    """What the records of the log name."""

    def __init__(self, files: Files, flushed_lsn: int, datasets: set[int]) -> None:
        self.segments: set[int] = set()
        self.unreadable_lsn = 0  # the first record whose dataset nothing defines
        self._written: dict[int, int] = {}
        self._defined: set[int] = set()
        for stored in scan(files, LogEnd(flushed_lsn + 1, None, 0, 0), after_lsn=flushed_lsn):
            put = record_of(stored).put
            if put.HasField("dataset"):
                datasets.add(put.dataset_id)
            elif put.runs and put.dataset_id not in datasets:
                self.unreadable_lsn = stored.lsn
                return
            for run in put.runs:
                self.segments.update(segment.id for segment in run.segments)
                if run.HasField("define"):
                    self._defined.add(run.series)
                elif run.series not in self._defined:
                    self._written.setdefault(run.series, put.dataset_id)

    def unknown_series(self, adopted: Sequence[_Adopted]) -> list[SeriesRow]:
        """Series that were created before the log begins and have no segment to tell their name."""
        known = {found.identity.series for found in adopted}
        return [
            SeriesRow(series, dataset, f"{_LOST_EXCHANGE}:SERIES-{series}", "", True, {})
            for series, dataset in self._written.items()
            if series not in known
        ]


_LOST_EXCHANGE = "recovered"


def _datasets(adopted: Iterable[_Adopted]) -> list[DatasetRow]:
    rows: dict[int, DatasetRow] = {}
    for found in adopted:
        identity = found.identity
        row = DatasetRow(identity.dataset, identity.dataset_name, found.schema, identity.key_has_id)
        known = rows.get(row.id)
        if known is None or len(known.schema) < len(row.schema):
            rows[row.id] = row
    return list(rows.values())


def _series(adopted: Iterable[_Adopted]) -> list[SeriesRow]:
    rows = {}
    for found in adopted:
        i = found.identity
        rows[i.series] = SeriesRow(i.series, i.dataset, i.instrument, i.timeframe, i.free_grid, {})
    return list(rows.values())


def _with_lsns(adopted: Iterable[_Adopted], flushed_lsn: int) -> list[Segment]:
    """The segments, with an estimated LSN where a bulk put wrote one without knowing its own."""
    segments, newest = [], 0
    for found in sorted(adopted, key=lambda a: a.segment.id):
        segment = found.segment
        if segment.max_lsn:
            newest = max(newest, segment.max_lsn)
        else:
            segment = replace(segment, max_lsn=min(newest, flushed_lsn))
        segments.append(segment)
    return segments
