"""The newest row of every series that matches, as one table.

Asking again is what people do with it, and between two questions most series stay as they are. So
each answer is kept with the version of every series in it, and only those that have another one now
are looked at again; while nothing at all was logged, not even the versions are.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from flightstore_proto.errors import BadRequest, FlightstoreError
from flightstore_proto.schemas import IDENTITY_FIELDS
from flightstore_proto.timerange import TS_MIN
from flightstore_server.engine.aggregates.freshen import over_until
from flightstore_server.engine.columns import projection
from flightstore_server.engine.names import Names
from flightstore_server.engine.newest_row import newest_row
from flightstore_server.engine.queries import Query, Reader
from flightstore_server.engine.series import Series, SeriesView
from flightstore_server.engine.store import Store
from flightstore_server.engine.wide_reads import empty
from flightstore_server.storage.rows import Int64s, positions, ts_of

CLOSED = pa.field("closed", pa.bool_(), nullable=False)
_ANSWERS_MAX = 16
Problems = dict[str, FlightstoreError]


@dataclass(frozen=True, slots=True)
class Latest:
    """One row per series that has any, by instrument, and what could not be served."""

    table: pa.Table
    problems: Problems


@dataclass(frozen=True, slots=True)
class _Scope:
    """The series that a query stands for, in names of that version, when `lsn` was the newest.

    `identity` are their exchanges and symbols; `derived` are those that a rule keeps.
    """

    lsn: int
    names: int
    schema: pa.Schema
    series: list[Series]
    unknown: Problems
    identity: list[pa.Array]
    derived: list[Series]


@dataclass(slots=True)
class _Known:
    """What is known of each series of a scope, in its order.

    versions  what it was read from, as _version() has it; -1: it must be read again
    place     where it has its row in `rows`; -1: it has none
    until     the time before which its bars are over
    fresh     rows that were read since, whose places are behind `rows`
    """

    rows: pa.RecordBatch
    versions: Int64s
    place: Int64s
    until: Int64s
    fresh: list[pa.RecordBatch] = field(default_factory=list)

    def take(self, at: int, row: pa.RecordBatch) -> None:
        """Note that `row` is the newest one."""
        self.place[at] = self.rows.num_rows + len(self.fresh)
        self.fresh.append(row)

    def settle(self) -> None:
        """Have in `rows` what the places speak of, in the order of the series."""
        present = self.place >= 0
        rows = pa.concat_batches([self.rows, *self.fresh])
        self.rows, self.fresh = rows.take(positions(self.place[present])), []
        self.place[present] = np.arange(self.rows.num_rows)


@dataclass(frozen=True, slots=True)
class _Answer:
    """`is_whole`: it is the answer as long as nothing was logged."""

    scope: _Scope
    known: _Known
    latest: Latest
    is_whole: bool


class Newest:
    """Answers what the newest rows are. Safe to use from several threads."""

    def __init__(self, store: Store, reader: Reader | None = None) -> None:
        """`reader` says which series there are; None: all of them."""
        self._store = store
        self._reader = reader or store.reader
        self._kept: OrderedDict[tuple[str, ...], _Answer] = OrderedDict()
        self._lock = threading.Lock()

    def rows(self, query: Query) -> Latest:
        """The newest row of each series that `query` names; of the rest its columns count.

        Columns: exchange, symbol, those of the dataset, and for bars `closed`: whether it is over.
        Raises a BadRequest if no series can be served.
        """
        if not query.instruments:
            raise BadRequest("The request names no instrument.")
        if query.snapshot:
            return _projected(self._answer(query, None).latest, query)
        key = (query.dataset, query.timeframe, *query.instruments)
        with self._lock:
            kept = self._kept.get(key)
        answer = self._answer(query, kept)
        with self._lock:
            self._kept[key] = answer
            self._kept.move_to_end(key)
            while len(self._kept) > _ANSWERS_MAX:
                self._kept.popitem(last=False)
        return _projected(answer.latest, query)

    def _answer(self, query: Query, kept: _Answer | None) -> _Answer:
        pin = self._store.maintenance.pins.take()
        names = self._reader.names(query.snapshot)
        scope = self._scope(query, names, kept.scope if kept else None)
        if kept is not None and kept.is_whole and kept.scope.lsn == scope.lsn:
            return kept
        damaged = self._freshen(scope.derived)
        with self._store.state.lock:  # all series as of one moment, those that came meanwhile too
            # Of these nothing was freshened: the answer counts as that of the earlier moment.
            scope = replace(self._scope(query, names, scope), lsn=scope.lsn)
            known = _carried(kept, scope)
            versions = np.array([_version(each) for each in scope.series])
            changed = np.flatnonzero(known.versions != versions).tolist()
            views = self._store.state.view(scope.series[at] for at in changed)
        for at, view in zip(changed, views, strict=True):
            known.versions[at] = versions[at]
            self._look_again(known, at, view, damaged)
        known.settle()
        del pin  # only now may retired files go
        table = _table(scope, known, bars=bool(query.timeframe))
        return _Answer(scope, known, Latest(table, scope.unknown | damaged), not damaged)

    def _scope(self, query: Query, names: Names, before: _Scope | None) -> _Scope:
        state = self._store.state
        with state.lock:
            lsn, version = state.last_lsn, names.version
            schema = names.dataset(query.dataset).schema
            if before is not None and before.names == version:
                return replace(before, lsn=lsn, schema=schema)
            series, unknown = names.match(query.dataset, query.instruments, query.timeframe)
            if not series:
                raise next(iter(unknown.values()))
            derived = [each for each in series if each.derived is not None]
        return _Scope(lsn, version, schema, series, unknown, _identity(series), derived)

    def _freshen(self, series: list[Series]) -> Problems:
        """Bring derived series up to date; what cannot be is a problem."""
        with self._store.state.lock:
            stale = [each for each in series if each.is_stale]
        damaged: Problems = {}
        for each in stale:
            try:
                self._store.aggregates.freshen(each)
            except FlightstoreError as error:
                damaged[str(each.instrument)] = error
        return damaged

    def _look_again(self, known: _Known, at: int, view: SeriesView, damaged: Problems) -> None:
        """Bring `known` up to date with `view`; a series that cannot be read goes to `damaged`."""
        name = str(view.series.instrument)
        known.place[at] = -1
        try:
            row = None if name in damaged else newest_row(view, self._store.segments)
            known.until[at] = TS_MIN if row is None else self._over_until(view, row)
        except FlightstoreError as error:
            damaged[name], row = error, None
        if row is not None:
            known.take(at, row)
        elif name in damaged:
            known.versions[at] = -1

    def _over_until(self, view: SeriesView, row: pa.RecordBatch) -> int:
        """The time before which bars of `view`, whose last is `row`, are over."""
        if view.series.timeframe is None:
            return TS_MIN
        if view.series.derived is not None:
            return self._store.aggregates.closed_until(view.series)
        return over_until(view, int(ts_of(row)[0]))


def _version(series: Series) -> int:
    """A number that rises whenever rows or coverage of `series`, or of its base, change."""
    if series.derived is None:
        return series.version
    return series.version + _version(series.derived.base)


def _carried(kept: _Answer | None, scope: _Scope) -> _Known:
    """What is known already of the series of `scope`."""
    count = len(scope.series)
    if kept is None or not kept.known.rows.schema.equals(scope.schema):
        unknown = np.full(count, -1)
        return _Known(empty(scope.schema), unknown, unknown.copy(), np.full(count, TS_MIN))
    known = kept.known
    at = np.arange(count)
    if kept.scope.series is not scope.series:
        before = {each.id: at for at, each in enumerate(kept.scope.series)}
        # What is new is found behind the end, where nothing is known.
        at = np.array([before.get(each.id, len(before)) for each in scope.series])
    return _Known(
        known.rows,
        np.append(known.versions, -1)[at],
        np.append(known.place, -1)[at],
        np.append(known.until, TS_MIN)[at],
    )


def _identity(series: list[Series]) -> list[pa.Array]:
    parts = ("exchange", "symbol")
    return [pa.array([getattr(s.instrument, part) for s in series], pa.utf8()) for part in parts]


def _table(scope: _Scope, known: _Known, *, bars: bool) -> pa.Table:
    present = known.place >= 0
    identity = scope.identity
    if not present.all():
        having = positions(np.flatnonzero(present))
        identity = [part.take(having) for part in identity]
    columns = [*identity, *known.rows.columns]
    fields = [*IDENTITY_FIELDS, *scope.schema]
    if bars and CLOSED.name not in scope.schema.names:
        fields.append(CLOSED)
        over = np.packbits(ts_of(known.rows) < known.until[present], bitorder="little")
        columns.append(
            pa.Array.from_buffers(pa.bool_(), known.rows.num_rows, [None, pa.py_buffer(over)])
        )
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _projected(latest: Latest, query: Query) -> Latest:
    """`latest` with the columns that `query` asks for."""
    table = latest.table
    own = pa.schema([f for f in table.schema if f not in IDENTITY_FIELDS and f != CLOSED])
    wanted = projection(query.dataset, query.columns, own)
    if wanted is None:
        return latest
    extra = [CLOSED.name] if CLOSED in list(table.schema) else []
    return Latest(table.select(["exchange", "symbol", *wanted, *extra]), latest.problems)
