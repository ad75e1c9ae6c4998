"""Following a selection of series from a position: one update after another."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import Lagged
from flightstore_proto.intervals import EMPTY, IntervalSet
from flightstore_proto.timerange import TS_MAX, TS_MIN
from flightstore_server.engine.feed import Change
from flightstore_server.engine.reads import read
from flightstore_server.engine.series import Series, SeriesView, parse_timeframe
from flightstore_server.engine.state import range_of, segment_of
from flightstore_server.engine.updates.derived import DerivedUpdates
from flightstore_server.engine.updates.selector import Columns, Selector, Wanted
from flightstore_server.engine.updates.targets import Finder, Targets
from flightstore_server.engine.updates.update import Gathered, Update
from flightstore_server.storage.log.cursor import lagged
from flightstore_server.storage.rows import ts_of

if TYPE_CHECKING:
    from flightstore_server.engine.store import Store

# About how much one update holds, unless the caller says otherwise.
UPDATE_BYTES = 1 << 20
_END = TS_MAX + 1


@dataclass(frozen=True, slots=True)
class Delivered:
    """How far a history came: to `rows` rows of `instrument` at `ts`, and everything before it."""

    instrument: str
    ts: int
    rows: int

    def reach(self, series: Series) -> IntervalSet:
        """The part of `series` that came."""
        name = str(series.instrument)
        if name == self.instrument:
            return ((TS_MIN, self.ts + 1),)
        return ((TS_MIN, _END),) if name < self.instrument else EMPTY


class UpdateFollower:
    """A position in the changes of a selection. Used by one thread at a time.

    Series that appear later and match are part of it. `lsn` is the position: every change up to it
    was returned. `started_lsn` is that of the newest record when the follower was made.
    """

    def __init__(
        self,
        store: Store,
        selector: Selector,
        after_lsn: int | None = None,
        *,
        delivered: Delivered | None = None,
    ) -> None:
        """Begin after `after_lsn`, or after the newest record.

        After a history that broke off, `delivered` says what came of it: until `started_lsn` only
        changes of that part count. Raises UnknownDataset, UnknownColumn, BadInstrument,
        BadTimeframe; Lagged for a position that this log has not reached.
        """
        wanted = Wanted(selector)
        state = store.state
        with state.lock:
            names = state.names.within(selector.scope)
            dataset = names.dataset(selector.dataset)
            self.started_lsn = state.last_lsn
            self.derived = DerivedUpdates(
                store, closed=selector.closed, started_lsn=self.started_lsn
            )
            self.matched = names.match(selector.dataset, selector.instruments, selector.timeframe)[
                0
            ]
            self.derived.start(s for s in self.matched if s.derived is not None)
        self.columns = Columns(selector, dataset)
        self.lsn = self.started_lsn if after_lsn is None else after_lsn
        if self.lsn > self.started_lsn:
            raise _ahead(self.lsn, self.started_lsn)
        self._store = store
        self._delivered = delivered
        self._finder = Finder(state, wanted)
        self._source = store.feed.follow(self.lsn)
        self._taken: deque[Change] = deque()
        self._reached = self.lsn
        frame = parse_timeframe(selector.timeframe)
        self._remembers = selector.closed or (frame is not None and bool(frame.count))

    @property
    def is_pure(self) -> bool:
        """Whether what comes next follows from the selection and the position alone."""
        return not (self._remembers or self._delivered or self.derived.is_pending)

    def wait(self, seconds: float) -> bool:
        """Wait until there is something to look at. Raises Unavailable once the server stops."""
        if self._taken or self.derived.is_pending:
            return True
        return self._store.feed.wait(self._source.lsn, seconds)

    def skip_to(self, lsn: int) -> None:
        """Go on after `lsn`: somebody else took the changes up to it."""
        self._restart(lsn)

    def take(self, seconds: float = 0.0, *, bytes_max: int = UPDATE_BYTES) -> Update | None:
        """The next update, about `bytes_max` of it; waits up to `seconds` for a change.

        None if there is none, or none that concerns the selection; `lsn` may have moved. Raises
        Lagged if the log no longer has the next change, Corrupt if something is damaged,
        Unavailable once the server is stopping. After an error it can be tried again.
        """
        if not self.wait(seconds):
            return None
        pin = self._store.maintenance.pins.take()  # before files that a record names are looked at
        gathered = Gathered(self.columns)
        try:
            if not self.derived.is_pending:
                self._gather(gathered, bytes_max)
            self.derived.drain(gathered, self.lsn, bytes_max=bytes_max)
        except BaseException:
            self._restart(self.lsn)
            raise
        del pin
        if not self.derived.is_pending:
            self.lsn = self._reached
            self.derived.done()
            if self.lsn >= self.started_lsn:
                self._delivered = None
        return None if gathered.is_empty else gathered.update(self.lsn)

    def _restart(self, lsn: int) -> None:
        self.lsn = self._reached = lsn
        self._taken.clear()
        self.derived.begin_again()
        self._source = self._store.feed.follow(lsn)

    def _gather(self, gathered: Gathered, bytes_max: int) -> None:
        """Take changes until there is enough, or one that must not be in the same update."""
        if not self._taken:
            self._taken.extend(self._source.take(0, bytes_max=bytes_max))
        while self._taken and gathered.bytes < bytes_max and not gathered.has_runs:
            if not self._apply(self._taken[0], gathered):
                return
            self._reached = self._taken.popleft().lsn

    def _apply(self, change: Change, gathered: Gathered) -> bool:
        """Add what `change` means for the selection; False if the next update has to."""
        kind = change.message.WhichOneof("op")
        if kind == "put":
            return self._put(change, change.message.put, gathered)
        if kind == "delete":
            return self._delete(change, change.message.delete, gathered)
        if kind == "rule":
            return self._rule(change, change.message.rule, gathered)
        return True

    def _put(self, change: Change, put: pb.LogPut, gathered: Gathered) -> bool:
        at = 0
        for run in put.runs:
            targets = self._finder.of_run(run, put)
            if run.segments and targets.own is not None:
                if not gathered.is_empty:
                    return False  # its rows may be many: they stay in their files
                continue
            rows = None if change.rows is None or run.segments else change.rows.slice(at, run.rows)
            at += 0 if rows is None else run.rows
            if rows is not None and targets.own is not None:
                self._add_rows(change.lsn, targets.own, rows, gathered)
            self._touch(change.lsn, run, rows, targets)
        if any(run.segments for run in put.runs):
            self._add_segments(change.lsn, put, gathered)
        return True

    def _add_rows(self, lsn: int, series: Series, rows: pa.RecordBatch, gathered: Gathered) -> None:
        for low, high in self._reach(lsn, series):
            gathered.add(series, _between(rows, low, high))

    def _add_segments(self, lsn: int, put: pb.LogPut, gathered: Gathered) -> None:
        """The rows that a bulk put wrote to files, batch by batch as they lie there."""
        if lsn < (tail := self._store.maintenance.log_tail_lsn):
            raise lagged(self.lsn, tail)
        found: dict[int, tuple[Series, list[pb.LogSegment]]] = {}
        for run in put.runs:
            own = self._finder.of_run(run, put).own
            if own is not None and run.segments:
                found.setdefault(own.id, (own, []))[1].extend(run.segments)
        for series, named in found.values():
            segments = tuple(segment_of(s, series.id, lsn) for s in named)
            view = SeriesView(series, series.dataset.schema, segments, (), EMPTY)
            for low, high in self._reach(lsn, series):
                for batch in read(view, self._store.segments, low, high):
                    gathered.add_run(series, batch)

    def _touch(
        self, lsn: int, run: pb.LogRun, rows: pa.RecordBatch | None, targets: Targets
    ) -> None:
        for series in targets.derived:
            if rows is not None:
                self.derived.wrote(series, ts_of(rows))
            for segment in run.segments:
                self.derived.wrote_somewhere(series, segment.min_ts, segment.max_ts + 1)
            for end in run.covers[1::2]:
                self.derived.covered(series, end)
            self._clip(lsn, series)

    def _delete(self, change: Change, delete: pb.LogDelete, gathered: Gathered) -> bool:
        if delete.whole_series:
            return self._vanish(change, delete, gathered)
        targets = self._finder.of_delete(delete)
        if targets.own is not None and gathered.has_rows_of([targets.own]):
            return False
        low, high = range_of(delete.range)
        if targets.own is not None:
            for first, last in self._reach(change.lsn, targets.own):
                _delete_between(gathered, targets.own, max(low, first), min(high, last))
        for series in () if delete.retention else targets.derived:
            self.derived.deleted(series, low, high)
            self._clip(change.lsn, series)
        return True

    def _rule(self, change: Change, rule: pb.LogRule, gathered: Gathered) -> bool:
        if not self._vanish(change, rule, gathered):
            return False
        for series in () if rule.removed else self._finder.kept_by_rule(rule.rule.name):
            self.derived.appeared(series)
            self._clip(change.lsn, series)
        return True

    def _vanish(
        self, change: Change, record: pb.LogDelete | pb.LogRule, gathered: Gathered
    ) -> bool:
        """Delete the series that went with `record`; False if the next update has to."""
        if not record.HasField("gone"):
            raise _nameless(change.lsn)
        self._finder.forget()
        gone = self._finder.gone(record.gone)
        if gathered.has_rows_of(gone):
            return False
        for series in gone:
            self.derived.vanished(series)
            for low, high in self._reach(change.lsn, series):
                _delete_between(gathered, series, low, high)
        return True

    def _reach(self, lsn: int, series: Series) -> IntervalSet:
        """The part of `series` of which a change counts."""
        if self._delivered is None or lsn > self.started_lsn:
            return ((TS_MIN, _END),)
        return self._delivered.reach(series)

    def _clip(self, lsn: int, series: Series) -> None:
        if self._delivered is not None and lsn <= self.started_lsn:
            self.derived.clip(self._delivered.reach(series), series)


def _between(rows: pa.RecordBatch, low: int, high: int) -> pa.RecordBatch:
    if low == TS_MIN and high == _END:
        return rows
    ts = ts_of(rows)
    first = int(ts.searchsorted(low))
    last = len(ts) if high == _END else int(ts.searchsorted(high))
    return rows.slice(first, last - first)


def _delete_between(gathered: Gathered, series: Series, low: int, high: int) -> None:
    if low < high:
        start = None if low == TS_MIN else low
        gathered.delete(series, start, None if high == _END else high)


def _ahead(position: int, last_lsn: int) -> Lagged:
    return Lagged(
        f"What comes after record {position} is asked for, and the log ends at {last_lsn}: it is "
        "not the log that position was in, or an older copy of it. Read the range again, then "
        f"follow from {last_lsn}."
    )


def _nameless(lsn: int) -> Lagged:
    return Lagged(
        f"Record {lsn} is of version 0.1 and does not say which series went with it. Read the "
        "range again, then follow from there."
    )
