"""Opening a data directory: the catalog, then every log record after it.

The state this makes is the one before the crash, whatever was in progress: an unfinished group at
the log's end was never acknowledged and is cut off; files that nothing names are removed.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable

import pyarrow as pa
from google.protobuf.message import DecodeError

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto import instrument as instruments
from flightstore_proto.errors import Corrupt, FlightstoreError
from flightstore_proto.intervals import EMPTY
from flightstore_server.engine.aggregates import rules
from flightstore_server.engine.aggregates.rulebook import add_dependent, link
from flightstore_server.engine.aggregates.rules import Rule
from flightstore_server.engine.feed import Change
from flightstore_server.engine.names import Names
from flightstore_server.engine.reservations import Reservations
from flightstore_server.engine.series import Dataset, Segments, Series, parse_timeframe
from flightstore_server.engine.state import State
from flightstore_server.storage import layout, packed, ranges
from flightstore_server.storage.catalog import DERIVED_IDS, Catalog, Contents
from flightstore_server.storage.catalog_file import damaged
from flightstore_server.storage.files import Files
from flightstore_server.storage.log.group import StoredRecord
from flightstore_server.storage.log.reader import LogEnd, log_files, scan
from flightstore_server.storage.segment.segment import Segment

log = logging.getLogger(__name__)
# What intact bytes that say something impossible end in; no disk does that, a mistake might.
_IMPOSSIBLE = (LookupError, ValueError, TypeError, pa.ArrowException)


def names_of(contents: Contents) -> tuple[Names, list[Rule]]:
    """The series of one version of the catalog, with their segments and coverage; its rules."""
    names = Names()
    datasets = {d.id: Dataset(d.id, d.name, d.schema, d.key_has_id) for d in contents.datasets}
    names.datasets = {d.name: d for d in datasets.values()}
    segments: dict[int, list[Segment]] = defaultdict(list)
    for segment in contents.segments:
        segments[segment.series].append(segment)
    for row in contents.series:
        series = Series(
            row.id,
            datasets[row.dataset],
            instruments.parse(row.instrument),
            parse_timeframe(row.timeframe),
            row.free_grid,
            row.metadata,
            tuple(sorted(segments[row.id], key=lambda s: s.max_lsn)),
            coverage=ranges.decode(contents.coverage.get(row.id, b"")),
        )
        names.add(series)
    return names, _linked(names, contents)


def _linked(names: Names, contents: Contents) -> list[Rule]:
    """The rules; makes the series that they keep derived ones again."""
    found = [rules.parse(pb.Rule.FromString(data)) for data in contents.rules]
    by_name = {rule.name: rule for rule in found}
    derived = []
    for row in contents.series:
        if row.rule:
            derived.append(names.by_id[row.id])
            link(names, by_name[row.rule], derived[-1])
    for series in derived:
        if series.derived is not None:
            series.derived.stale, series.coverage = series.coverage, EMPTY
            add_dependent(series)
    return found


def restore(state: State, catalog: Catalog) -> dict[int, Segments]:
    """Fill `state` with what the catalog holds; returns each series' segments as stored."""
    try:
        names, known = names_of(catalog.load())
        state.adopt(names, catalog.next_derived_id(), known)
    except (*_IMPOSSIBLE, DecodeError, FlightstoreError) as error:
        raise damaged(catalog.path, repr(error)) from error
    state.last_lsn = catalog.flushed_lsn
    state.hasty.update(s.id for s in names.by_id.values() if s.derived and s.derived.stale)
    return {s.id: s.segments for s in state.names.by_id.values()}


def replay(state: State, files: Files, catalog: Catalog, reservations: Reservations) -> LogEnd:
    """Apply the log records that the catalog does not contain yet. Raises Corrupt on damage."""
    _settle(files)
    end = LogEnd(catalog.flushed_lsn + 1, None, 0, 0)
    reservations.start_after(*catalog.next_ids())
    for stored in scan(files, end, after_lsn=catalog.flushed_lsn):
        _apply_again(state, reservations, stored)
    if end.torn_bytes:
        log.warning(
            "the log %s ends in %d bytes of an unacknowledged write at offset %d; they are cut off",
            end.file,
            end.torn_bytes,
            end.intact_bytes,
        )
    if end.next_lsn <= catalog.flushed_lsn:  # the log lost what segments hold: begin a new file
        return LogEnd(catalog.flushed_lsn + 1, None, 0, 0)
    return end


def _apply_again(state: State, reservations: Reservations, stored: StoredRecord) -> None:
    record = record_of(stored)
    try:
        with state.lock:
            apply_record(state, reservations, stored, record)
    except _IMPOSSIBLE as error:
        raise Corrupt(
            f"Log record {stored.lsn} is intact and cannot be applied ({error!r}), so nothing "
            "after it can be either; restore a backup, and keep this directory to find out why."
        ) from error


def _settle(files: Files) -> None:
    """Make what the log's last file shows durable: it is about to be acted upon.

    A process killed before its sync leaves a whole record that no power cut must take back once a
    reader has seen it, or its writer has been told that it is there.
    """
    found = log_files(files)
    if found:
        files.settle(found[-1].name)
        files.sync_dir(layout.LOG_DIR)


def record_of(stored: StoredRecord) -> pb.LogRecord:
    """The message of a stored record. Raises Corrupt if it is none."""
    try:
        return pb.LogRecord.FromString(stored.header)
    except DecodeError as error:
        raise Corrupt(
            f"Log record {stored.lsn} cannot be read ({error}), at offset {stored.body_offset} of "
            "its file; restore a backup, or run `flightstore repair`."
        ) from error


def rows_of(state: State, stored: StoredRecord, put: pb.LogPut) -> pa.RecordBatch | None:
    """The rows in the body of `stored`, the record of `put`; None if it has none."""
    if not stored.body_bytes:
        return None
    count = sum(run.rows for run in put.runs if not run.segments)
    return packed.decode(stored.data, stored.body_offset, count, state.put_schema(put))


def change_of(state: State, stored: StoredRecord) -> Change:
    """A stored record, which was applied before, as the feed hands it out."""
    record = record_of(stored)
    return Change(stored.lsn, record, rows_of(state, stored, record.put))


def apply_record(
    state: State, reservations: Reservations, stored: StoredRecord, record: pb.LogRecord
) -> Change:
    """Carry out `record`, the message of `stored`. The caller holds the state lock."""
    rows: pa.RecordBatch | None = None
    if record.WhichOneof("op") == "put":
        put = record.put
        rows = rows_of(state, stored, put)
        segments = [s.id for run in put.runs for s in run.segments]
        reservations.start_after(
            _after([put.dataset_id]),
            _after(run.series for run in put.runs),
            max(segments, default=0) + 1,
        )
    state.apply(stored.lsn, record, rows)
    return Change(stored.lsn, record, rows)


def _after(ids: Iterable[int]) -> int:
    """The first id after all that were handed out; those of derived series never are."""
    return max((number for number in ids if number < DERIVED_IDS), default=0) + 1


def sweep(files: Files, catalog: Catalog, state: State, *, below_id: int) -> list[str]:
    """Remove segment files that nothing names, left by a crash. Returns their names.

    Only ids below `below_id`, the first one of this run, are looked at: newer files may be in the
    making. What a record of the log names stays, for replay and for who follows the log.
    """
    with state.lock:
        named = {s.file for series in state.names.by_id.values() for s in series.segments}
    named.update(segment.file for segment in catalog.files())
    orphans = [
        file
        for file in files.walk(layout.SEGMENTS_DIR)
        if file not in named
        and (number := layout.segment_id(file)) is not None
        and number < below_id
    ]
    if orphans:
        logged = _named_by_log(files)
        orphans = [file for file in orphans if layout.segment_id(file) not in logged]
    unfinished = [
        layout.temporary(number)
        for file in files.list_dir(layout.TMP_DIR)
        if (number := layout.segment_id(f"-{file}")) is not None and number < below_id
    ]
    for file in (*orphans, *unfinished):
        files.remove(file)
    return orphans


def _named_by_log(files: Files) -> set[int]:
    """The segments that records of the log name, all that are left of it."""
    first = min((file.first_lsn for file in log_files(files)), default=1)
    found: set[int] = set()
    for stored in scan(files, LogEnd(first, None, 0, 0), after_lsn=first - 1):
        for run in record_of(stored).put.runs:
            found.update(segment.id for segment in run.segments)
    return found
