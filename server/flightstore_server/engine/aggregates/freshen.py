"""Bringing derived series up to date: computing the stale windows anew from their base rows.

A read does it for the range it wants, before it takes its view; so what was acknowledged before a
read began is in its bars. Upkeep does it after bulk puts, and before a flush, so that a start finds
little to do. Nothing of it is logged: the rows are a function of the base rows.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from threading import RLock

import numpy as np
import pyarrow as pa

from flightstore_proto.errors import FlightstoreError
from flightstore_proto.intervals import EMPTY
from flightstore_proto.schemas import CANDLES
from flightstore_proto.timerange import TS_MAX, TS_MIN
from flightstore_server.engine.aggregates.counting import CountBars
from flightstore_server.engine.aggregates.derived import Derived
from flightstore_server.engine.aggregates.reduce import bars
from flightstore_server.engine.aggregates.windows import Windows
from flightstore_server.engine.bulk import BulkWriter
from flightstore_server.engine.pins import Pins
from flightstore_server.engine.reads import bounds, read
from flightstore_server.engine.reservations import conform
from flightstore_server.engine.series import Segments, Series, SeriesView
from flightstore_server.engine.state import State
from flightstore_server.storage.rows import ts_of

log = logging.getLogger(__name__)
# How long upkeep computes before it looks after the rest, such as a flush that is due.
_STEP_SECONDS = 0.2


class Aggregates:
    """Computes derived rows. A consumer of the log that is never behind: it computes when asked."""

    name = "aggregates"
    kind = "aggregates"

    def __init__(self, state: State, pins: Pins, bulk: BulkWriter, maintenance_lock: RLock) -> None:
        self._state = state
        self._pins = pins
        self._maintenance_lock = maintenance_lock
        self._bulk = bulk
        # What went wrong last, by series. The state lock guards it.
        self._failed: dict[int, str] = {}
        self.errors = 0

    @property
    def lsn(self) -> int:
        """Reads see every window of everything up to here."""
        return self._state.last_lsn

    @property
    def error(self) -> str:
        """Why a series could not be computed that still waits for it; empty if none does."""
        with self._state.lock:
            self._failed = {i: e for i, e in self._failed.items() if self._is_stale(i)}
            return next(iter(self._failed.values()), "")

    @property
    def state(self) -> str:
        return "retrying" if self.error else "running"

    def _is_stale(self, series_id: int) -> bool:
        series = self._state.names.by_id.get(series_id)
        return series is not None and series.is_stale

    def freshen(self, series: Series, low: int = TS_MIN, high: int = TS_MAX + 1) -> None:
        """Have the stored rows of `series` in [low, high) be what its base rows give.

        Does nothing for a series that is written. Raises Corrupt if the base cannot be read.
        """
        derived = series.derived
        if derived is None:
            return
        with self._state.lock:
            if derived.is_current:
                return
        self.freshen(derived.base, *derived.outward(low, high))
        with derived.lock:
            done = self._freshen(series, derived, low, high, may_cut=False)
        if not done:
            with self._maintenance_lock, derived.lock:
                self._freshen(series, derived, low, high, may_cut=True)

    def freshen_all(self, ids: Iterable[int]) -> None:
        """Bring all of the given series up to date, as far as their bases can be read."""
        for series_id in ids:
            series = self._state.names.by_id.get(series_id)
            try:
                if series is not None:
                    self.freshen(series)
            except FlightstoreError as error:
                # Whoever reads the series gets the same error, and the windows stay stale.
                self._note(series_id, f"{series}: {error}")

    def _note(self, series_id: int, failed: str) -> None:
        with self._state.lock:
            known, self._failed[series_id] = self._failed.get(series_id), failed
            self.errors += 1
        if failed != known:
            log.error("bars could not be computed: %s", failed)

    def step(self) -> None:
        """Compute what so much is stale of that nobody should wait for it; some of it per call."""
        until = time.monotonic() + _STEP_SECONDS
        while time.monotonic() < until:
            with self._state.lock:
                if not self._state.hasty:
                    return
                series_id = self._state.hasty.pop()
            self.freshen_all([series_id])

    def settle(self) -> None:
        """Compute what little is stale: a flush need not leave it to the next start."""
        with self._state.lock:
            little = [i for i in self.stale() if i not in self._state.hasty]
        self.freshen_all(little)

    def stale(self) -> list[int]:
        """The series that have windows to be computed."""
        with self._state.lock:
            return [s.id for s in self._state.names.by_id.values() if s.is_stale]

    def closed_until(self, series: Series) -> int:
        """Bars of `series` that start before this time are over, by what is known of its base.

        A bar is over once a later row is there, or its whole time is covered.
        """
        if series.derived is not None and series.timeframe is not None:
            until = series.derived.windows.floor(self.closed_until(series.derived.base))
            return self._counted_until(series, until) if series.timeframe.count else until
        with self._state.lock:
            view = series.view()
        held = bounds(view, self._state.segments)
        return over_until(view, TS_MIN if held is None else held[1])

    def _counted_until(self, series: Series, day: int) -> int:
        """Of bars by count, the last of a day that is not over may still grow."""
        with self._state.lock:
            held = bounds(series.view(), self._state.segments)
        return day if held is None else max(day, held[1])

    def _freshen(
        self, series: Series, derived: Derived, low: int, high: int, *, may_cut: bool
    ) -> bool:
        """Compute the stale windows in [low, high); whether that could be done.

        Where rows have vanished they must be cut out, which only `may_cut` allows.
        """
        with self._state.lock:
            wanted = derived.take(low, high)
            # What the base itself has not computed yet is in its rows later, and so in these.
            again = derived.base.derived.unsettled() if derived.base.derived else EMPTY
            pin = self._pins.take()
            base, own = derived.base.view(), series.view()
            # Higher than before also where nothing was logged since: what is computed now wins.
            lsn = max(self._state.last_lsn, _newest(own) + 1)
        try:
            fresh = [self._compute(series, derived, base, *span) for span in wanted]
            vanished = [
                span
                for span, rows in zip(wanted, fresh, strict=True)
                if self._has_others(own, span, rows)
            ]
            may_replace = may_cut or not vanished
            if may_replace:
                self._replace(series, vanished, fresh, lsn)
            del pin
        except BaseException:
            with self._state.lock:
                derived.give_back()
            raise
        with self._state.lock:
            derived.finish(again if may_replace else None)
        return may_replace

    def _compute(
        self, series: Series, derived: Derived, base: SeriesView, low: int, high: int
    ) -> pa.RecordBatch:
        """The rows of the windows in [low, high)."""
        batches = read(base, self._state.segments, low, high)
        made = list(_made_of(series, derived, batches))
        return _joined(made)

    def _has_others(self, own: SeriesView, span: tuple[int, int], rows: pa.RecordBatch) -> bool:
        """Whether there are stored rows in `span` under keys that none of the fresh ones has."""
        fresh = ts_of(rows)
        stored = (ts_of(batch) for batch in read(own, self._state.segments, *span))
        return any(not np.isin(ts, fresh, assume_unique=True).all() for ts in stored)

    def _replace(
        self, series: Series, vanished: list[tuple[int, int]], fresh: list[pa.RecordBatch], lsn: int
    ) -> None:
        columns = pa.schema(list(series.dataset.schema)[: len(CANDLES)])  # perhaps nullable ones
        rows = conform(_joined([batch for batch in fresh if batch.num_rows]), columns)
        segments: Segments = ()
        if self._is_live(series) and self._bulk.wants(rows, 1):
            segments = self._written(series, rows, lsn)
        with self._state.lock:
            live = self._is_live(series)
            if not live:  # its rule was removed meanwhile
                self._retire(segments)
                segments = ()
            for span in vanished:
                self._state.cut(series, *span, counted=live)
            if segments:
                series.sealed = len(series.memory)
                series.segments = (*series.segments, *segments)
            elif rows.num_rows:
                self._state.hold(series, rows, lsn, counted=live)
            series.version += 1
            if live:
                self._state.dirty.add(series.id)

    def _is_live(self, series: Series) -> bool:
        """Whether it is one of the store's, and not a snapshot's or one that was deleted."""
        return self._state.names.by_id.get(series.id) is series

    def _retire(self, segments: Segments) -> None:
        for segment in segments:
            self._pins.retire(segment.id, segment.file)

    def _written(self, series: Series, rows: pa.RecordBatch, lsn: int) -> Segments:
        """`rows` as segments; none if the disk does not take them, and memory has to."""
        try:
            return self._bulk.write_rows(series, rows, lsn)
        except OSError as error:
            # Whoever reads is owed an answer; the next flush meets the same disk and says so.
            log.error("computed bars of %s stay in memory: %s", series, error)
            return ()


def over_until(view: SeriesView, last: int) -> int:
    """What closed_until() is of a series that is written and has its last row at `last`."""
    series, frame = view.series, view.series.timeframe
    covered = view.coverage[-1][1] if view.coverage else TS_MIN
    until = min(max(last, covered), TS_MAX)
    if frame is None or series.free_grid or not frame.has_grid:
        return until
    return Windows(frame).floor(until)


def _newest(view: SeriesView) -> int:
    """The LSN of the newest rows of `view`."""
    in_segments = [segment.max_lsn for segment in view.segments]
    return max([0, *in_segments, *(memory.max_lsn for memory in view.memory)])


def _made_of(
    series: Series, derived: Derived, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    frame = series.timeframe
    if frame is not None and frame.count:
        return CountBars(batches, frame.count, frame.size, derived.windows)
    return bars(batches, derived.windows)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    if not batches:
        return pa.RecordBatch.from_arrays([pa.nulls(0, f.type) for f in CANDLES], schema=CANDLES)
    return pa.concat_batches(batches)
