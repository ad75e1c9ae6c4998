"""Background work, as steps that a thread takes in production and a test takes by hand.

Flush, compaction, deletes, snapshots and the removal of files exclude each other through one lock;
writers and readers go on meanwhile.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from flightstore_server.engine import flush
from flightstore_server.engine.aggregates.freshen import Aggregates
from flightstore_server.engine.bulk import BulkWriter
from flightstore_server.engine.commits import Committer
from flightstore_server.engine.counters import Work
from flightstore_server.engine.flush import Sealed
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.merging import Compacted, Merging
from flightstore_server.engine.pins import Pins
from flightstore_server.engine.positions import Positions
from flightstore_server.engine.reservations import Reservations
from flightstore_server.engine.series import Segments
from flightstore_server.engine.state import State
from flightstore_server.storage.catalog import Catalog
from flightstore_server.storage.files import Files
from flightstore_server.storage.log.reader import log_files

log = logging.getLogger(__name__)


class Maintenance:
    """Keeps memory bounded and files few. `stored` is what the catalog knows of each series."""

    def __init__(
        self,
        files: Files,
        catalog: Catalog,
        state: State,
        committer: Committer,
        reservations: Reservations,
        limits: Limits,
        stored: dict[int, Segments],
        clock: Callable[[], int],
    ) -> None:
        self.lock = threading.RLock()
        self.pins = Pins()
        self.positions = Positions(catalog, clock)
        self.aggregates = Aggregates(
            state, self.pins, BulkWriter(files, reservations, limits), self.lock
        )
        self.flushes = Work()
        self.merging = Merging(
            files, catalog, state, reservations, limits, stored, clock, self.lock
        )
        self._files = files
        self._catalog = catalog
        self._state = state
        self._committer = committer
        self._reservations = reservations
        self._limits = limits
        self._stored = stored
        self._clock = clock
        self._last_flush = clock()
        self._last_cold_look = 0
        self._flushed_at: list[tuple[int, int]] = []  # (time, LSN) of flushes, for the log's age
        self._changed_series: set[int] = set(stored)
        self.log_tail_lsn = log_files(files)[0].first_lsn

    def step(self) -> None:
        """Do what is due. A failing disk poisons the store, as it does in the log."""
        if self._committer.poison_reason:
            return
        try:
            self.aggregates.step()
            if self._flush_is_due():
                self.flush()
            with self.lock:
                self.positions.step()
            self._look_for_cold()
            self.compact()
            self.collect()
        except OSError as error:
            self._committer.poison("writing a segment", error)

    def close(self) -> None:
        """Write what is not in the log. Whatever follows it will have to do again otherwise."""
        try:
            with self.lock:
                self.positions.write()
        except OSError as error:
            log.error("the positions of consumers are those of a second ago: %s", error)

    def needs_room(self) -> bool:
        """Whether memory is so full that writers should wait for a flush."""
        return self._state.memtable_bytes >= self._limits.memtable_bytes_max

    def flush(self) -> int:
        """Move everything that is in memory now into segments. Returns the LSN this reached."""
        with self.lock:
            self._committer.check()
            self.aggregates.settle()
            sealed = flush.seal(self._state)
            self._last_flush = self._clock()
            if sealed.lsn == self._catalog.flushed_lsn and not sealed.series:
                return sealed.lsn
            try:
                self._write(sealed)
            except BaseException as error:
                # What was sealed is no longer marked as changed: the next flush would leave it out
                # and yet move the catalog beyond it.
                self._committer.poison("writing segments", error)
                raise
            self._changed_series.update(item.series.id for item in sealed.series)
            self._flushed_at.append((self._clock(), sealed.lsn))
            return sealed.lsn

    def _write(self, sealed: Sealed) -> None:
        started = time.perf_counter()
        flush.write(
            sealed,
            self._files,
            self._reservations,
            segment_rows_max=self._limits.segment_rows_max,
        )
        self._catalog.commit(flush.change_of(sealed, self._stored))
        flush.publish(sealed, self._state, self._stored)
        self.positions.write()
        written = [segment for item in sealed.series for segment in item.written]
        self.flushes.add(len(written), sum(s.size for s in written), time.perf_counter() - started)

    def compact(self, *, full: bool = False) -> Compacted:
        """Merge what is due, or everything that can be merged."""
        with self.lock:
            due = sorted(self._stored if full else self._changed_series)
            self._changed_series.clear()
        return self.merging.compact(due, full=full)

    def _look_for_cold(self) -> None:
        """Every hour, have all series looked at for periods that have become cold."""
        now = self._clock()
        if self._limits.cold_age_days and now - self._last_cold_look >= 3_600 * 10**9:
            self._last_cold_look = now
            self._changed_series.update(self._stored)

    def collect(self) -> int:
        """Remove files that nothing needs, and log files that are old enough. Returns how many."""
        with self.lock:
            self._trim_log()
            for segment_id, file in self._catalog.forget_unpinned(self.log_tail_lsn):
                self.pins.retire(segment_id, file)
            removable = self.pins.removable()
            for segment_id, file in removable:
                self._state.segments.forget(segment_id)
                self._files.remove(file)
            return len(removable)

    def _flush_is_due(self) -> bool:
        state, limits = self._state, self._limits
        if state.unflushed_records == 0 and not state.dirty:  # bars are computed without a record
            return False
        age = (self._clock() - self._last_flush) / 1e9
        return (
            state.memtable_bytes >= limits.flush_bytes
            or state.unflushed_records >= limits.flush_records
            or age >= limits.flush_age_seconds
        )

    def _trim_log(self) -> None:
        """Drop log files whose records are in segments and old enough to be missed by nobody."""
        keep_since = self._clock() - int(self._limits.log_keep_seconds * 1e9)
        old = [lsn for at, lsn in self._flushed_at if at <= keep_since]
        if old:
            held = self.positions.oldest()
            limits, log = self._limits, self._committer.log
            before = old[-1] + 1
            if held is not None and held + 1 < before and log.bytes() <= limits.log_hold_bytes:
                before = held + 1
            else:
                self._flushed_at = [item for item in self._flushed_at if item[0] > keep_since]
            self.log_tail_lsn = log.drop_before(before, keep_bytes=limits.log_keep_bytes)
