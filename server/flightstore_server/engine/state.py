"""What the store holds in memory, and how each log record changes it.

The same functions serve a record that was just made durable and one replayed at start, so the state
after recovery is the state before the crash. Every change happens under `lock`, in log order.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto import instrument as instruments
from flightstore_proto import intervals
from flightstore_proto import metadata as keys
from flightstore_proto.timerange import format_ns
from flightstore_server.engine.aggregates import rules
from flightstore_server.engine.aggregates.rulebook import (
    Rulebook,
    inherited,
    own,
    remove_dependent,
)
from flightstore_server.engine.memtable import Memtable
from flightstore_server.engine.names import Names
from flightstore_server.engine.series import Dataset, Series, SeriesView, parse_timeframe
from flightstore_server.engine.trim import trim_segments
from flightstore_server.storage.catalog import DERIVED_IDS
from flightstore_server.storage.rows import ts_of
from flightstore_server.storage.segment.segment import Segment
from flightstore_server.storage.segment.store import SegmentStore


@dataclass(frozen=True, slots=True)
class Ack:
    """What a writer is told: the LSN under which its rows are durable."""

    lsn: int
    rows: int
    duplicates: int = 0
    put_id: int = 0


class State:
    """Names, series, and counters. See the module's docstring for who may change what."""

    def __init__(self, segments: SegmentStore, *, remembered_puts: int) -> None:
        self.lock = threading.RLock()
        self.adopt(Names(), DERIVED_IDS, [])
        self.segments = segments
        self.last_lsn = 0
        self.memtable_bytes = 0
        self.unflushed_records = 0
        # Series and datasets that differ from the catalog.
        self.dirty: set[int] = set()
        self.gone: set[int] = set()
        # The ids of all series deleted since the start: none of them is used again.
        self.spent: set[int] = set()
        self.dirty_datasets: set[str] = set()
        self.dirty_rules: set[str] = set()
        # Derived series of which so much is stale that nobody should wait for it.
        self.hasty: set[int] = set()
        self._remembered: OrderedDict[int, Ack] = OrderedDict()
        self._remembered_puts = remembered_puts

    def adopt(self, names: Names, next_derived_id: int, known: Iterable[rules.Rule]) -> None:
        """Begin with these series and rules."""
        self.names = names
        self.rulebook = Rulebook(names, next_derived_id, known)

    def view(self, series: Iterable[Series]) -> list[SeriesView]:
        """The given series as of one moment."""
        with self.lock:
            return [s.view() for s in series]

    def remembered(self, put_id: int) -> Ack | None:
        """The acknowledgement of a put that was applied before, if it is recent enough."""
        return self._remembered.get(put_id) if put_id else None

    def apply(self, lsn: int, record: pb.LogRecord, rows: pa.RecordBatch | None) -> Ack:
        """Carry out the log record `lsn`. The caller holds the lock and keeps log order."""
        kind = record.WhichOneof("op")
        self.last_lsn = lsn
        self.unflushed_records += 1
        if kind == "put":
            return self._apply_put(lsn, record.put, rows)
        if kind == "delete":
            self._apply_delete(record.delete)
        elif kind == "describe":
            described = self.names.by_id.get(record.describe.series)
            if described is not None:  # it may have been deleted while this was on its way
                self._describe(described, record.describe.metadata)
        elif kind == "rule":
            self._apply_rule(record.rule)
        return Ack(lsn, 0)

    def put_schema(self, put: pb.LogPut) -> pa.Schema:
        """The schema of the packed rows of a logged put."""
        if put.HasField("dataset"):
            schema = pa.ipc.read_schema(pa.py_buffer(put.dataset.schema))
        else:
            schema = self.dataset_by_id(put.dataset_id).schema
        return schema if put.columns == len(schema) else pa.schema(list(schema)[: put.columns])

    def dataset_by_id(self, dataset_id: int) -> Dataset:
        # A copy, since followers of the log ask without the lock.
        for dataset in list(self.names.datasets.values()):
            if dataset.id == dataset_id:
                return dataset
        raise LookupError(f"no dataset has the id {dataset_id}")

    def _apply_put(self, lsn: int, put: pb.LogPut, rows: pa.RecordBatch | None) -> Ack:
        if put.HasField("dataset"):
            dataset = self._define_dataset(put.dataset_id, put.dataset)
        else:
            dataset = self.dataset_by_id(put.dataset_id)
        kept = 0
        for run in put.runs:
            series = self._series_of(run, dataset)
            count = run.rows
            if run.segments:
                self._add_segments(series, [segment_of(s, series.id, lsn) for s in run.segments])
            elif count and rows is not None:
                alone = count == rows.num_rows
                part = rows if alone else rows.slice(kept, count)
                self.hold(series, part, lsn)
                self._touch(series, part)
            kept += count
            if run.covers:
                for low, high in zip(run.covers[::2], run.covers[1::2], strict=True):
                    series.coverage = intervals.add(series.coverage, low, high)
            if run.metadata:
                self._describe(series, run.metadata)
            series.version += 1
            self.dirty.add(series.id)
        ack = Ack(lsn, put.received, put.received - kept, put.put_id)
        self._remember(ack)
        return ack

    def _define_dataset(self, dataset_id: int, definition: pb.LogDataset) -> Dataset:
        schema = pa.ipc.read_schema(pa.py_buffer(definition.schema))
        known = self.names.datasets.get(definition.name)
        if known is None:
            known = Dataset(dataset_id, definition.name, schema, definition.key_has_id)
            self.names.datasets[definition.name] = known
        elif len(schema) > len(known.schema):
            known.schema = schema
        self.dirty_datasets.add(definition.name)
        return known

    def is_stale(self, put: pb.LogPut) -> bool:
        """Whether a put that is not logged yet must be prepared again.

        Because a series of it was deleted since, or because a rule has come to keep a new one or
        to write into its dataset.
        """
        if put.HasField("dataset"):
            known = self.names.datasets.get(put.dataset.name)
            if known is not None and known.id != put.dataset_id:
                return True
        return any(
            run.series in self.spent
            or (run.series not in self.names.by_id and not self._may_define(run, put))
            for run in put.runs
        )

    def _may_define(self, run: pb.LogRun, put: pb.LogPut) -> bool:
        if not run.HasField("define"):
            return False
        name = put.dataset.name or self.dataset_by_id(put.dataset_id).name
        words = (name, run.define.instrument, run.define.timeframe)
        return self.names.get(*words) is None and self.rulebook.keeper(*words) is None

    def _series_of(self, run: pb.LogRun, dataset: Dataset) -> Series:
        known = self.names.by_id.get(run.series)
        if known is not None:
            return known
        series = Series(
            run.series,
            dataset,
            instruments.parse(run.define.instrument),
            parse_timeframe(run.define.timeframe),
            run.define.free_grid,
        )
        self.names.add(series)
        self._enlist(self.rulebook.derive(series))
        return series

    def _enlist(self, made: list[Series]) -> None:
        """Have derived series that have just come into being stored."""
        self.dirty.update(series.id for series in made)
        self.dirty_datasets.update(series.dataset.name for series in made)

    def _touch(self, series: Series, rows: pa.RecordBatch) -> None:
        """Note for everything derived from `series` where it was written."""
        if not series.dependents:
            return
        ts = ts_of(rows)
        first, last = int(ts[0]), int(ts[-1])
        for dependent in series.dependents:
            if dependent.derived is not None and dependent.derived.note(ts, first, last):
                self.hasty.add(dependent.id)
            self.dirty.add(dependent.id)

    def _mark(self, series: Series, low: int, high: int) -> None:
        """Note for everything derived from `series` that [low, high) may have changed."""
        for dependent in series.dependents:
            if dependent.derived is not None:
                dependent.derived.mark(low, high)
            self.dirty.add(dependent.id)

    def lose(self, series: Series, low: int, high: int) -> None:
        """Have it known that rows of `series` in [low, high) are no longer what they were."""
        if series.derived is not None:
            series.derived.mark(low, high)
        series.coverage = intervals.subtract(series.coverage, low, high)
        series.version += 1
        self.dirty.add(series.id)
        self._mark(series, low, high)

    def hold(self, series: Series, rows: pa.RecordBatch, lsn: int, *, counted: bool = True) -> None:
        """Keep rows with rising, distinct keys in memory. The caller holds the lock.

        Not `counted` is what belongs to a snapshot and is never flushed.
        """
        if len(series.memory) == series.sealed:
            fresh = Memtable(series.dataset.key_has_id, self.lock)
            series.memory = (*series.memory, fresh)
        # An estimate that is cheap per put: what Arrow spends on a small batch, plus its rows.
        size = 1024 + rows.num_rows * 8 * rows.num_columns
        memory = series.memory[-1]
        before = memory.bytes
        memory.append(rows, lsn, size)
        if counted:
            self.memtable_bytes += memory.bytes - before  # folding gives back what it overestimated

    def _add_segments(self, series: Series, added: list[Segment]) -> None:
        # Rows already in memory are older than these and rows to come are newer; sealing keeps each
        # memtable on one side, so that the higher LSN always tells which row wins.
        series.sealed = len(series.memory)
        series.segments = (*series.segments, *added)
        for segment in added:
            self._mark(series, segment.min_ts, segment.max_ts + 1)
        self.hasty.update(dependent.id for dependent in series.dependents)

    def _describe(self, series: Series, metadata: object) -> None:
        items = dict(metadata)  # type: ignore[call-overload]
        if not items:
            return
        merged = {**series.metadata, **items}
        series.metadata = {key: value for key, value in merged.items() if value}
        self.dirty.add(series.id)
        for dependent in series.dependents:
            dependent.metadata = {**own(dependent.metadata), **inherited(series.metadata)}
            self.dirty.add(dependent.id)

    def _apply_delete(self, delete: pb.LogDelete) -> None:
        series = self.deleted_from(delete)
        if series is None:
            return
        if delete.whole_series:
            self._remove(series)
            return
        start, end = range_of(delete.range)
        self.cut(series, start, end)
        series.coverage = intervals.subtract(series.coverage, start, end)
        series.version += 1
        if delete.retention:
            self._freeze(series, end)
        else:
            self._mark(series, start, end)
        self.dirty.add(series.id)

    def deleted_from(self, delete: pb.LogDelete) -> Series | None:
        """The series that a logged delete speaks of, if it is still there."""
        if not delete.series:
            name = delete.name
            return self.names.get(name.dataset, name.instrument, name.timeframe)
        return self.names.by_id.get(delete.series)

    def _remove(self, series: Series) -> None:
        """Forget `series` and everything derived from it."""
        for gone in (*series.dependents, series):
            remove_dependent(gone)
            self._forget_memory(gone)
            self.names.remove(gone)
            self.dirty.discard(gone.id)
            self.gone.add(gone.id)
            self.spent.add(gone.id)

    def _freeze(self, series: Series, before: int) -> None:
        """Have what retention took from `series` leave no trace in what is derived from it."""
        for frozen in (series, *series.dependents):
            if frozen.derived is not None:
                frozen.derived.freeze(before)
                said = {keys.FROZEN_BEFORE: format_ns(frozen.derived.floor)}
                frozen.metadata = {**frozen.metadata, **said}
                self.dirty.add(frozen.id)

    def _apply_rule(self, record: pb.LogRule) -> None:
        self.dirty_rules.add(record.rule.name)
        if record.removed:
            for series in self.rulebook.remove(record.rule.name):
                if series.id in self.names.by_id:  # it may have gone with its base
                    self._remove(series)
            return
        rule = rules.parse(record.rule)
        for series in self.rulebook.outgrown_by(rule):
            if series.id in self.names.by_id:
                self._remove(series)
        made = self.rulebook.add(rule)
        self._enlist(made)
        self.hasty.update(series.id for series in made)

    def cut(self, series: Series, start: int, end: int, *, counted: bool = True) -> None:
        """Take the rows in [start, end) out of `series`; `counted` as in hold().

        The caller holds the lock, and the maintenance lock: a merge must not bring them back.
        """
        before = sum(m.bytes for m in series.memory)
        series.memory = tuple(m.without(start, end) for m in series.memory)
        if counted:
            self.memtable_bytes += sum(m.bytes for m in series.memory) - before
        series.segments = trim_segments(
            series.segments, start, end, self.segments, series.dataset.schema
        )

    def _forget_memory(self, series: Series) -> None:
        self.memtable_bytes -= sum(m.bytes for m in series.memory)

    def _remember(self, ack: Ack) -> None:
        if ack.put_id:
            self._remembered[ack.put_id] = ack
            if len(self._remembered) > self._remembered_puts:
                self._remembered.popitem(last=False)


def range_of(message: pb.TimeRange) -> tuple[int, int]:
    """A TimeRange message as numbers."""
    start = message.start if message.HasField("start") else -(2**63)
    end = message.end if message.HasField("end") else 2**63
    return start, end


def segment_of(message: pb.LogSegment, series_id: int, lsn: int) -> Segment:
    """The segment that a bulk put's log record names."""
    return Segment(
        id=message.id,
        series=series_id,
        file=message.file,
        rows=message.rows,
        min_ts=message.min_ts,
        max_ts=message.max_ts,
        max_lsn=lsn,
        size=message.size,
        crc=message.crc,
        index=message.index,
        columns=message.columns,
        codec=message.codec,
        file_rows=message.rows,
        bulk_lsn=lsn,
    )


def message_of(segment: Segment) -> pb.LogSegment:
    """The reverse of segment_of()."""
    return pb.LogSegment(
        id=segment.id,
        file=segment.file,
        rows=segment.rows,
        min_ts=segment.min_ts,
        max_ts=segment.max_ts,
        size=segment.size,
        crc=segment.crc,
        index=segment.index,
        columns=segment.columns,
        codec=segment.codec,
    )
