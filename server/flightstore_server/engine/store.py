"""The store: opens a data directory and answers for everything in it.

    put       prepare (writer's thread) -> log, one sync for many (committer) -> memory -> ack
    read      a view under the lock, then mapped segments and memory without it
    upkeep    flush, compact, remove (maintenance thread)

The write path is numbered in ARCHITECTURE.md.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import DataDirError, Overloaded
from flightstore_server.engine.bulk import BulkWriter
from flightstore_server.engine.commits import Committer, Pending
from flightstore_server.engine.consumers import Consumers
from flightstore_server.engine.counters import Served
from flightstore_server.engine.declarations import Declarations
from flightstore_server.engine.feed import Change, Feed
from flightstore_server.engine.gone import gone_with
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.maintenance import Maintenance
from flightstore_server.engine.merging import Compacted
from flightstore_server.engine.puts import Preparer
from flightstore_server.engine.queries import Reader
from flightstore_server.engine.reads import bounds
from flightstore_server.engine.received import Put
from flightstore_server.engine.recovery import (
    apply_record,
    change_of,
    record_of,
    replay,
    restore,
    sweep,
)
from flightstore_server.engine.replication.origin import copied_from
from flightstore_server.engine.reservations import Reservations
from flightstore_server.engine.retention import Retention, RetentionRule
from flightstore_server.engine.series import Series
from flightstore_server.engine.snapshots import Snapshots
from flightstore_server.engine.state import Ack, State
from flightstore_server.engine.trim import trim_segments
from flightstore_server.storage import layout
from flightstore_server.storage.catalog import Catalog, SnapshotRow
from flightstore_server.storage.files import Files, open_root
from flightstore_server.storage.log.group import StoredRecord
from flightstore_server.storage.log.reader import log_files
from flightstore_server.storage.log.writer import LogWriter
from flightstore_server.storage.segment.store import SegmentStore

if TYPE_CHECKING:
    from flightstore_server.engine.replication.replica import Replica
    from flightstore_server.engine.scrubbing.scrub import Scrub

log = logging.getLogger(__name__)
UPKEEP_INTERVAL_SECONDS = 0.1
# What a crash left behind only takes space, and looking for it would slow down the first reads.
SWEEP_AFTER_SECONDS = 30.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a delete did. `rows` were there when it began; what came since is gone uncounted."""

    lsn: int
    rows: int


class Store:
    """One data directory, opened for reading and writing by this process alone."""

    def __init__(
        self,
        files: Files,
        limits: Limits,
        *,
        clock: Callable[[], int] = time.time_ns,
        upkeep_thread: bool = True,
        retention: Sequence[RetentionRule] = (),
    ) -> None:
        files.lock(layout.LOCK)
        try:
            self._open(files, limits, clock)
        except BaseException:
            files.unlock()
            raise
        self._retention = Retention(retention, clock, self.state, self._delete_before)
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._room = threading.Condition()
        self._upkeep: threading.Thread | None = None
        if upkeep_thread:
            self._upkeep = threading.Thread(target=self._run_upkeep, name="upkeep", daemon=True)
            self._upkeep.start()

    def _open(self, files: Files, limits: Limits, clock: Callable[[], int]) -> None:
        self.files = files
        self.limits = limits
        self.clock = clock
        self.opened_at = time.monotonic()
        self.served = Served()
        self.origin = copied_from(files)
        self.replica: Replica | None = None  # set while the server follows a primary
        self.scrub: Scrub | None = None  # set while its segments are checked in the background
        for folder in (layout.LOG_DIR, layout.TMP_DIR, layout.SEGMENTS_DIR):
            files.make_dir(folder)
        self.catalog = Catalog(files.root / layout.CATALOG, may_create=not _holds_data(files))
        files.sync_dir(".")
        try:
            self._recover(files, limits, clock)
        except BaseException:
            self.catalog.close()
            raise

    def _recover(self, files: Files, limits: Limits, clock: Callable[[], int]) -> None:
        self.segments = SegmentStore(files, maps_max=limits.segment_maps_max)
        self.state = State(self.segments, remembered_puts=limits.remembered_puts)
        reservations = self.reservations = Reservations()
        stored = restore(self.state, self.catalog)
        end = replay(self.state, files, self.catalog, reservations)
        if self.origin is not None:
            reservations.start_after(1, 1, self.origin.first_segment)
        log_writer = LogWriter(files, end, file_bytes=limits.log_file_bytes)
        self.feed = Feed(
            files,
            self.state.last_lsn,
            lambda stored: change_of(self.state, stored),
            bytes_max=limits.feed_bytes_max,
        )
        self.committer = Committer(log_writer, self.state, self.feed, limits)
        if self.origin is not None:
            self.committer.read_only = self.origin.refusal
        self.maintenance = Maintenance(
            files, self.catalog, self.state, self.committer, reservations, limits, stored, clock
        )
        self._first_free_segment = reservations.first_unused_segment()
        self.aggregates = self.maintenance.aggregates
        self.positions = self.maintenance.positions
        self.rules = Declarations(self.state, self.committer, self.maintenance.lock)
        self.consumers = Consumers()
        self.consumers.register(self.aggregates)
        bulk = BulkWriter(files, reservations, limits)
        self._preparer = Preparer(self.state, reservations, bulk, series_max=limits.series_max)
        self.snapshots = Snapshots(self.catalog, self.state, self.maintenance, clock)
        pins, names = self.maintenance.pins, self.snapshots.names
        self.reader = Reader(self.state, pins, names, self.aggregates, clock)
        self.check_schema = self._preparer.check_schema

    def put(self, put: Put) -> Pending:
        """Check `put` and hand it to the log. Its result() returns once it is durable and visible.

        Raises a BadRequest if its rows cannot be kept, Overloaded if memory stays full, Poisoned
        after a failed write.
        """
        self.committer.check_writable()
        self._wait_for_room()
        return self.committer.submit(self._pending(put))

    def _pending(self, put: Put) -> Pending:
        ready = self._guard(lambda: self._preparer.prepare(put))
        message = pb.LogRecord(put=ready.message)
        return Pending(message, ready.rows, ready.body, renew=lambda: self._pending(put))

    def delete(
        self, dataset: str, instrument: str, timeframe: str, start: int | None, end: int | None
    ) -> Deleted:
        """Delete the rows of one series in [start, end); the whole series if both are None.

        Raises UnknownInstrument, DerivedSeries for a series that a rule keeps.
        """
        self._refuse_derived(dataset, instrument, timeframe)
        return self._delete(dataset, instrument, timeframe, start, end, retention=False)

    def _refuse_derived(self, dataset: str, instrument: str, timeframe: str) -> None:
        with self.state.lock:
            found = self.state.names.get(dataset, instrument, timeframe)
            if found is not None and found.derived is not None:
                self.state.rulebook.check_write(dataset, instrument, timeframe)

    def _delete(
        self,
        dataset: str,
        instrument: str,
        timeframe: str,
        start: int | None,
        end: int | None,
        *,
        retention: bool,
    ) -> Deleted:
        with self.maintenance.lock:
            view = self.reader.view(dataset, instrument, timeframe, "")
            low, high = -(2**63) if start is None else start, 2**63 if end is None else end
            # Whatever could go wrong with a damaged file goes wrong here, before the log knows.
            trim_segments(view.segments, low, high, self.segments, view.schema)
            rows = self.snapshots.count(view, low, high)
            delete = pb.LogDelete(whole_series=start is None and end is None, retention=retention)
            delete.series = view.series.id if view.series.derived is None else 0
            name = pb.Series(dataset=dataset, instrument=instrument, timeframe=timeframe)
            delete.name.CopyFrom(name)
            if delete.whole_series:
                delete.gone.CopyFrom(gone_with([view.series]))
            if start is not None:
                delete.range.start = start
            if end is not None:
                delete.range.end = end
            ack = self.committer.submit(Pending(pb.LogRecord(delete=delete))).result()
        return Deleted(ack.lsn, rows)

    def snapshot(self, name: str) -> SnapshotRow:
        """Pin the present under `name`; see Snapshots.create()."""
        return self._guard(lambda: self.snapshots.create(name))

    def drop_snapshot(self, name: str) -> SnapshotRow:
        """Let go of what only this snapshot still needs; see Snapshots.drop()."""
        return self._guard(lambda: self.snapshots.drop(name))

    def flush(self) -> int:
        """Move rows from memory into segments. Returns the LSN up to which all of them are."""
        return self._guard(self.maintenance.flush)

    def compact(self, *, full: bool) -> Compacted:
        """Merge small segments now; with `full`, all that can be merged."""
        return self._guard(lambda: self.maintenance.compact(full=full))

    def _delete_before(self, series: Series, cutoff: int) -> int:
        """Delete what retention lets go of `series`; what is derived from it stays."""
        # Rows of a window that is only partly old are kept until it is old as a whole.
        windows = [d.derived.windows for d in series.dependents if d.derived is not None]
        cutoff = min([cutoff, *(each.floor(cutoff) for each in windows)])
        [view] = self.state.view([series])
        held = bounds(view, self.segments)
        if held is None or held[0] >= cutoff:
            return 0
        self.keep_derived(series)
        words = (series.dataset.name, str(series.instrument), series.timeframe_text)
        return self._delete(*words, None, cutoff, retention=True).rows

    def keep_derived(self, series: Series) -> None:
        """Have what is derived from `series` on the disk: old rows of it are about to go.

        Raises Corrupt if it cannot be computed.
        """
        for dependent in series.dependents:
            self.aggregates.freshen(dependent)
        with self.state.lock:
            unflushed = any(dependent.id in self.state.dirty for dependent in series.dependents)
        if unflushed:
            self.flush()

    def describe(
        self, dataset: str, instrument: str, timeframe: str, metadata: dict[str, str]
    ) -> Ack:
        """Merge `metadata` into a series' own; an empty value removes its key."""
        self._refuse_derived(dataset, instrument, timeframe)
        view = self.reader.view(dataset, instrument, timeframe, "")
        record = pb.LogRecord(describe=pb.LogDescribe(series=view.series.id, metadata=metadata))
        return self.committer.submit(Pending(record)).result()

    def replicate(self, records: Sequence[StoredRecord]) -> None:
        """Log and carry out records of the primary, which continue the log."""
        if any(record.body_bytes for record in records):
            self._wait_for_room()
        self.committer.replicate(records, self._apply_replicated)

    def _apply_replicated(self, stored: StoredRecord) -> Change:
        message = record_of(stored)
        with self.state.lock:
            return apply_record(self.state, self.reservations, stored, message)

    def upkeep(self) -> None:
        """One round of background work; see Maintenance.step()."""
        self.maintenance.step()
        if not self.committer.read_only:  # a replica's rows go when its primary's do
            self._retention.step()
        with self._room:
            self._room.notify_all()

    def sweep(self) -> list[str]:
        """Remove files that a crash left behind and nothing names. Returns their names."""
        with self.maintenance.lock:
            return sweep(
                self.files,
                self.catalog,
                self.state,
                below_id=self._first_free_segment,
            )

    def close(self) -> None:
        """Finish what was acknowledged, stop the threads, release the directory."""
        if self.replica is not None:
            self.replica.stop()
        self._stop.set()
        self._wake.set()
        self.feed.close()
        if self._upkeep is not None:
            self._upkeep.join()
        self.committer.stop()
        self.maintenance.close()
        self.catalog.close()
        self.files.unlock()

    def _guard(self, work: Callable[[], T]) -> T:
        """`work`, of which a failure to write poisons the store."""
        self.committer.check()
        try:
            return work()
        except OSError as error:
            self.committer.poison("writing a segment", error)
            self.committer.check()
            raise

    def _wait_for_room(self) -> None:
        if not self.maintenance.needs_room():
            return
        self._wake.set()
        with self._room:
            roomy = self._room.wait_for(
                lambda: not self.maintenance.needs_room() or bool(self.committer.poison_reason),
                timeout=self.limits.put_wait_seconds,
            )
        self.committer.check()
        if not roomy:
            raise Overloaded(
                f"Memory for unflushed rows is full ({self.limits.memtable_bytes_max} bytes, "
                f"memtable_bytes_max) and did not become free in {self.limits.put_wait_seconds} s; "
                "write more slowly or raise the limit."
            )

    def _run_upkeep(self) -> None:
        sweep_at: float | None = time.monotonic() + SWEEP_AFTER_SECONDS
        try:
            while not self._stop.is_set():
                self.upkeep()
                if sweep_at is not None and time.monotonic() >= sweep_at:
                    self.sweep()
                    sweep_at = None
                # Often enough that a fast writer does not overrun the flush threshold by much.
                self._wake.wait(UPKEEP_INTERVAL_SECONDS)
                self._wake.clear()
        except Exception as error:
            # Without upkeep memory would only fill: say so now, not when it is full.
            log.exception("upkeep has ended")
            self.committer.poison("upkeep", error)


def _holds_data(files: Files) -> bool:
    """Whether there is something that a new, empty catalog would declare not to exist."""
    return bool(log_files(files)) or next(files.walk(layout.SEGMENTS_DIR), None) is not None


def open_store(path: Path, limits: Limits, retention: Sequence[RetentionRule] = ()) -> Store:
    """Open, or create, the data directory at `path`. Raises DataDirError or Corrupt."""
    try:
        return Store(open_root(path), limits, retention=retention)
    except OSError as error:
        raise DataDirError(
            f"The data directory {path} cannot be used: {error.strerror or error}."
        ) from error
