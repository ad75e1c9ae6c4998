"""Opening a data directory: the catalog, then every log record after it.

The state this makes is the one before the crash, whatever was in progress: an unfinished group at
the log's end was never acknowledged and is cut off; files that nothing names are removed.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection

import pyarrow as pa
from google.protobuf.message import DecodeError

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto import instrument as instruments
from flightstore_proto.errors import Corrupt, FlightstoreError
from flightstore_server.engine.names import Names
from flightstore_server.engine.reservations import Reservations
from flightstore_server.engine.series import Dataset, Segments, Series, parse_timeframe
from flightstore_server.engine.state import State
from flightstore_server.storage import layout, packed, ranges
from flightstore_server.storage.catalog import Catalog, Contents
from flightstore_server.storage.catalog_file import damaged
from flightstore_server.storage.files import Files
from flightstore_server.storage.log.group import StoredRecord
from flightstore_server.storage.log.reader import LogEnd, log_files, scan
from flightstore_server.storage.segment.segment import Segment

log = logging.getLogger(__name__)


def names_of(contents: Contents) -> Names:
    """The series of one version of the catalog, with their segments and coverage."""
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
    return names


def restore(state: State, catalog: Catalog) -> dict[int, Segments]:
    """Fill `state` with what the catalog holds; returns each series' segments as stored."""
    try:
        state.names = names_of(catalog.load())
    except (LookupError, ValueError, TypeError, pa.ArrowException, FlightstoreError) as error:
        raise damaged(catalog.path, repr(error)) from error
    state.last_lsn = catalog.flushed_lsn
    return {s.id: s.segments for s in state.names.by_id.values()}


def replay(state: State, files: Files, catalog: Catalog, reservations: Reservations) -> LogEnd:
    """Apply the log records that the catalog does not contain yet. Raises Corrupt on damage."""
    _settle(files)
    end = LogEnd(catalog.flushed_lsn + 1, None, 0, 0)
    reservations.start_after(*catalog.next_ids())
    for stored in scan(files, end, after_lsn=catalog.flushed_lsn):
        record = record_of(stored)
        with state.lock:
            apply_record(state, reservations, stored, record)
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


def apply_record(
    state: State, reservations: Reservations, stored: StoredRecord, record: pb.LogRecord
) -> None:
    """Carry out `record`, the message of `stored`. The caller holds the state lock."""
    rows: pa.RecordBatch | None = None
    if record.WhichOneof("op") == "put":
        put = record.put
        packed_rows = sum(run.rows for run in put.runs if not run.segments)
        if stored.body_bytes:
            rows = packed.decode(
                stored.data, stored.body_offset, packed_rows, state.put_schema(put)
            )
        segments = [s.id for run in put.runs for s in run.segments]
        # Until the next flush a replay needs these files, also where a later delete dropped them.
        reservations.logged_segments.update(segments)
        reservations.start_after(
            put.dataset_id + 1,
            max((run.series for run in put.runs), default=0) + 1,
            max(segments, default=0) + 1,
        )
    state.apply(stored.lsn, record, rows)


def sweep(
    files: Files, catalog: Catalog, state: State, *, below_id: int, logged: Collection[int]
) -> list[str]:
    """Remove segment files that nothing names, left by a crash. Returns their names.

    Only ids below `below_id`, the first one of this run, are looked at: newer files may be in the
    making. `logged` are the segments that log records since the last flush name.
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
        and number not in logged
    ]
    unfinished = [
        layout.temporary(number)
        for file in files.list_dir(layout.TMP_DIR)
        if (number := layout.segment_id(f"-{file}")) is not None and number < below_id
    ]
    for file in (*orphans, *unfinished):
        files.remove(file)
    return orphans
