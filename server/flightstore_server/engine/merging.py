"""Carrying out merges: files of many series are written, and become part of the store together.

Each commit of the catalog waits for the disk, and thousands of series that are written at the same
pace are due for a merge at the same moment.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import RLock

from flightstore_proto.errors import Corrupt
from flightstore_proto.timeframe import DAY_NS
from flightstore_server.engine import compaction
from flightstore_server.engine.compaction import Merge
from flightstore_server.engine.counters import Work
from flightstore_server.engine.limits import MIB, Limits
from flightstore_server.engine.reservations import Reservations
from flightstore_server.engine.series import Segments, Series
from flightstore_server.engine.state import State
from flightstore_server.storage.catalog import Catalog, Change
from flightstore_server.storage.files import Files

log = logging.getLogger(__name__)
# So much is merged between two commits: whoever wants the maintenance lock waits for it.
_SERIES_MAX = 64
_BYTES_MAX = 16 * MIB


@dataclass(slots=True)
class Compacted:
    """What a round of compaction did."""

    merged: int = 0
    written: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class _Merged:
    """Segments that are written, and those in whose place they are to come."""

    series: Series
    old: frozenset[int]
    new: Segments

    @property
    def bytes(self) -> int:
        return sum(segment.size for segment in self.new)


class Merging:
    """Merges segments, under the maintenance lock. `stored` is what the catalog knows."""

    def __init__(
        self,
        files: Files,
        catalog: Catalog,
        state: State,
        reservations: Reservations,
        limits: Limits,
        stored: dict[int, Segments],
        clock: Callable[[], int],
        maintenance_lock: RLock,
    ) -> None:
        self.done = Work()
        self._files = files
        self._catalog = catalog
        self._state = state
        self._reservations = reservations
        self._limits = limits
        self._stored = stored
        self._clock = clock
        self._lock = maintenance_lock

    def compact(self, due: Sequence[int], *, full: bool) -> Compacted:
        """Merge what is due of the series with these ids, or everything that can be merged."""
        done, rest = Compacted(), list(reversed(due))
        while rest:
            with self._lock:
                self._commit(list(self._some(rest, full=full)), done)
        return done

    def _some(self, rest: list[int], *, full: bool) -> Iterator[_Merged]:
        """Write the merges of the next few of `rest`, which are taken from it."""
        size = 0
        for _ in range(min(_SERIES_MAX, len(rest))):
            for merged in self._of_series(rest.pop(), full=full):
                size += merged.bytes
                yield merged
            if size >= _BYTES_MAX:
                return

    def _of_series(self, series_id: int, *, full: bool) -> Iterator[_Merged]:
        series = self._state.names.by_id.get(series_id)
        if series is None or series_id not in self._stored:
            return
        try:
            for merge in self._plan(series, full=full):
                yield self._merged(series, merge)
        except Corrupt as error:
            # One damaged file must not stop the others; readers of it get the same error.
            log.error("%s is not compacted: %s", series, error)

    def _plan(self, series: Series, *, full: bool) -> Sequence[Merge]:
        with self._state.lock:
            # As they stand now, deletes included, and only those the catalog knows: a bulk segment
            # that is not in it yet is newer than the catalog's LSN.
            known = {s.id for s in self._stored[series.id]}
            candidates = tuple(s for s in series.segments if s.id in known)
        if full:
            return compaction.plan_full(series, candidates, self._limits)
        cold_before = 0
        if self._limits.cold_age_days:
            cold_before = self._clock() - int(self._limits.cold_age_days * DAY_NS)
        return compaction.plan(series, candidates, self._limits, cold_before=cold_before)

    def _merged(self, series: Series, merge: Merge) -> _Merged:
        started = time.perf_counter()
        written = compaction.write(
            series,
            merge,
            self._state.segments,
            self._files,
            self._reservations,
            segment_rows_max=self._limits.segment_rows_max,
        )
        merged = _Merged(series, frozenset(s.id for s in merge.segments), written)
        self.done.add(len(written), merged.bytes, time.perf_counter() - started)
        return merged

    def _commit(self, some: Sequence[_Merged], done: Compacted) -> None:
        """Have the new segments be part of the store in place of the old ones."""
        if not some:
            return
        added = [segment for merged in some for segment in merged.new]
        retired = sorted(number for merged in some for number in merged.old)
        self._catalog.commit(Change(added=added, retired=retired))
        with self._state.lock:
            for merged in some:
                series, old, new = merged.series, merged.old, merged.new
                series.segments = _swapped(series.segments, old, new)
                self._stored[series.id] = _swapped(self._stored[series.id], old, new)
        done.merged += len(retired)
        done.written += len(added)
        done.bytes += sum(segment.size for segment in added)


def _swapped(segments: Segments, old: frozenset[int], new: Segments) -> Segments:
    kept = [s for s in segments if s.id not in old]
    return tuple(sorted((*kept, *new), key=lambda s: s.max_lsn))
