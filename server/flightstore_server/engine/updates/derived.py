"""Derived series of a selection: which of their windows to send after a change of their base.

Their rows are computed from the base as it stands when they are sent, so what is kept is only
where the base was touched. With `closed` a window is sent once it is over, and again when it is
corrected.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from flightstore_proto import intervals
from flightstore_proto.instrument import Instrument
from flightstore_proto.intervals import EMPTY, IntervalSet
from flightstore_proto.timerange import TS_MAX, TS_MIN
from flightstore_server.engine.aggregates.derived import Derived
from flightstore_server.engine.reads import bounds, read
from flightstore_server.engine.series import Series
from flightstore_server.engine.updates.update import Gathered
from flightstore_server.storage.rows import Int64s, ts_of

if TYPE_CHECKING:
    from flightstore_server.engine.store import Store

_END = TS_MAX + 1
_EVERYTHING: IntervalSet = ((TS_MIN, _END),)


@dataclass(slots=True)
class _Touched:
    """Where a derived series is to be sent, and where its old rows must go before."""

    series: Series
    derived: Derived
    ranges: IntervalSet = EMPTY
    gone: IntervalSet = EMPTY
    covered: IntervalSet = EMPTY


class DerivedUpdates:
    """What is still to be sent of the derived series of one selection."""

    def __init__(self, store: Store, *, closed: bool, started_lsn: int) -> None:
        self._store = store
        self._closed = closed
        self._caught_up_at = started_lsn
        self._pending: dict[Instrument, _Touched] = {}
        # Bars that start before this were sent as closed; per series.
        self._closed_until: dict[Instrument, int] = {}
        # As it was when the last change was dealt with.
        self._before: dict[Instrument, int | None] = {}
        # Of bars by count: no base row that was dealt with is later than this.
        self._ends: dict[Instrument, int] = {}

    @property
    def is_pending(self) -> bool:
        return bool(self._pending)

    def start(self, series: Iterable[Series]) -> None:
        """Begin with these as they are now, under the state lock: what is closed is no news."""
        if self._closed:
            for one in series:
                self._closed_until[one.instrument] = self._store.aggregates.closed_until(one)

    def closed_until(self, series: Series) -> int:
        """Up to where bars count as closed that were there at the start."""
        return self._closed_until.get(series.instrument, TS_MIN) if self._closed else _END

    def wrote(self, series: Series, ts: Int64s) -> None:
        """Base rows at `ts`, which rise, were written."""
        touched = self._touched(series)
        if touched is None or not len(ts):
            return
        if not _counts(series):
            self._add(touched, touched.derived.touches(ts))
            return
        # Bars by count begin where the ones before them end: a row shifts all that follow it.
        days, first = touched.derived.touches(ts), int(ts[0])
        end = self._ends.get(series.instrument)
        if end is None:
            end = self._last_of(touched.derived.base)
        if first > end:
            self._add(touched, intervals.clip(days, self._bar_at(touched, first), _END))
        else:
            self._add(touched, days, vanish=True)
        self._ends[series.instrument] = max(end, int(ts[-1]))

    def wrote_somewhere(self, series: Series, low: int, high: int) -> None:
        """Base rows anywhere in [low, high) were written."""
        touched = self._touched(series)
        if touched is not None:
            self._ends.pop(series.instrument, None)
            self._add(touched, (touched.derived.outward(low, high),), vanish=_counts(series))

    def deleted(self, series: Series, low: int, high: int) -> None:
        """The base rows in [low, high) were deleted."""
        touched = self._touched(series)
        if touched is not None:
            self._ends.pop(series.instrument, None)
            self._add(touched, (touched.derived.outward(low, high),), vanish=True)

    def covered(self, series: Series, end: int) -> None:
        """The base is known complete up to `end`, which may close a window."""
        touched = self._touched(series) if self._closed else None
        if touched is not None:
            touched.covered = intervals.add(touched.covered, end - 1, end)

    def appeared(self, series: Series) -> None:
        """The series has come into being over a base that was there before."""
        touched = self._touched(series)
        if touched is not None:
            self._add(touched, _EVERYTHING)

    def vanished(self, series: Series) -> None:
        """The series was deleted."""
        self._pending.pop(series.instrument, None)
        self._closed_until.pop(series.instrument, None)
        self._before.pop(series.instrument, None)
        self._ends.pop(series.instrument, None)

    def done(self) -> None:
        """Everything was sent, and will not be told again."""
        self._before.clear()

    def begin_again(self) -> None:
        """Forget everything since done(): it will be told again."""
        self._pending.clear()
        self._ends.clear()
        for instrument, before in self._before.items():
            if before is None:
                self._closed_until.pop(instrument)
            else:
                self._closed_until[instrument] = before
        self._before.clear()

    def clip(self, touchable: IntervalSet, series: Series) -> None:
        """Leave out of what is to be sent of `series` all but `touchable`."""
        touched = self._pending.get(series.instrument)
        if touched is not None:
            touched.ranges = _both(touched.ranges, touchable)
            touched.gone = _both(touched.gone, touchable)

    def drain(self, gathered: Gathered, lsn: int, *, bytes_max: int) -> None:
        """Add what is to be sent, as far as `bytes_max` reaches; `lsn` is the position."""
        for touched in sorted(self._pending.values(), key=lambda t: str(t.series.instrument)):
            if self._store.state.names.by_id.get(touched.series.id) is touched.series:
                if self._closed:
                    self._leave_out_open(touched, catching_up=lsn < self._caught_up_at)
                if not self._send(touched, gathered, bytes_max):
                    return
            del self._pending[touched.series.instrument]

    def _touched(self, series: Series) -> _Touched | None:
        if series.derived is None:
            return None
        touched = self._pending.get(series.instrument)
        if touched is None or touched.series is not series:
            touched = self._pending[series.instrument] = _Touched(series, series.derived)
        return touched

    def _add(self, touched: _Touched, ranges: IntervalSet, *, vanish: bool = False) -> None:
        touched.ranges = intervals.union(touched.ranges, ranges)
        if vanish:
            touched.gone = intervals.union(touched.gone, ranges)

    def _leave_out_open(self, touched: _Touched, *, catching_up: bool) -> None:
        """Replace what was touched by what of it is closed, and what has closed since."""
        series = touched.series
        until = self._store.aggregates.closed_until(series)
        before = self._closed_until.get(series.instrument)
        edge = max(until, TS_MIN if before is None else before)
        ranges = touched.ranges
        if catching_up:
            # What the changes after a resumed position closed may have been touched before it; and
            # the bar before may be one of a change that is still to come.
            places = [*(low for low, _ in ranges), *(end for _, end in touched.covered)]
            for low in places:
                ranges = intervals.union(ranges, self._bar_before(touched, low))
            self._caught_up_at = self._store.state.last_lsn
        if before is not None:
            ranges = intervals.add(ranges, before, until)
        touched.ranges = intervals.clip(ranges, TS_MIN, edge)
        touched.gone = intervals.clip(touched.gone, TS_MIN, edge)
        touched.covered = EMPTY
        self._before.setdefault(series.instrument, before)
        self._closed_until[series.instrument] = edge

    def _send(self, touched: _Touched, gathered: Gathered, bytes_max: int) -> bool:
        """Add the rows of `touched`; whether all of them went in."""
        for low, high in touched.gone:
            gathered.delete(touched.series, low, high)
        touched.gone = EMPTY
        while touched.ranges:
            low, high = touched.ranges[0]
            for batch in self._rows(touched.series, low, high):
                gathered.add_run(touched.series, batch)
                if gathered.bytes >= bytes_max:
                    sent = int(ts_of(batch)[-1]) + 1
                    touched.ranges = intervals.clip(touched.ranges, sent, _END)
                    return not touched.ranges
            touched.ranges = touched.ranges[1:]
        return True

    def _rows(
        self, series: Series, low: int, high: int, *, tail: int = 0
    ) -> Iterator[pa.RecordBatch]:
        self._store.aggregates.freshen(series, low, high)
        [view] = self._store.state.view([series])
        return read(view, self._store.segments, low, high, tail=tail)

    def _bar_before(self, touched: _Touched, ts: int) -> IntervalSet:
        """The place of the last bar that starts before the window that holds `ts`."""
        start = touched.derived.windows.floor(ts) if ts > TS_MIN else ts
        for batch in self._rows(touched.series, TS_MIN, start, tail=1):
            at = int(ts_of(batch)[-1])
            return ((at, at + 1),)
        return EMPTY

    def _bar_at(self, touched: _Touched, ts: int) -> int:
        """The start of the last bar before `ts` of the same day, or of that day."""
        day = touched.derived.windows.floor(ts)
        for batch in self._rows(touched.series, day, ts, tail=1):
            return int(ts_of(batch)[-1])
        return day

    def _last_of(self, base: Series) -> int:
        [view] = self._store.state.view([base])
        held = bounds(view, self._store.segments)
        return TS_MIN if held is None else held[1]


def _counts(series: Series) -> bool:
    """Whether its bars are by count: a row changes all that follow it on the same day."""
    return series.timeframe is not None and bool(series.timeframe.count)


def _both(some: IntervalSet, others: IntervalSet) -> IntervalSet:
    kept: IntervalSet = EMPTY
    for low, high in others:
        kept = intervals.union(kept, intervals.clip(some, low, high))
    return kept
