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
from flightstore_server.engine.memtable import Memtable
from flightstore_server.engine.names import Names
from flightstore_server.engine.series import Dataset, Series, SeriesView, parse_timeframe
from flightstore_server.engine.trim import trim_segments
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
        self.names = Names()
        self.segments = segments
        self.last_lsn = 0
        self.memtable_bytes = 0
        self.unflushed_records = 0
        # Series and datasets that differ from the catalog.
        self.dirty: set[int] = set()
        self.gone: set[int] = set()
        self.dirty_datasets: set[str] = set()
        self._remembered: OrderedDict[int, Ack] = OrderedDict()
        self._remembered_puts = remembered_puts

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
        return Ack(lsn, 0)

    def put_schema(self, put: pb.LogPut) -> pa.Schema:
        """The schema of the packed rows of a logged put."""
        if put.HasField("dataset"):
            schema = pa.ipc.read_schema(pa.py_buffer(put.dataset.schema))
        else:
            schema = self.dataset_by_id(put.dataset_id).schema
        return pa.schema(list(schema)[: put.columns])

    def dataset_by_id(self, dataset_id: int) -> Dataset:
        return next(d for d in self.names.datasets.values() if d.id == dataset_id)

    def _apply_put(self, lsn: int, put: pb.LogPut, rows: pa.RecordBatch | None) -> Ack:
        if put.HasField("dataset"):
            self._define_dataset(put.dataset_id, put.dataset)
        kept = 0
        for run in put.runs:
            series = self._series_of(run, put.dataset_id)
            count = run.rows
            if run.segments:
                self._add_segments(series, [segment_of(s, series.id, lsn) for s in run.segments])
            elif count and rows is not None:
                alone = count == rows.num_rows
                self._append(series, rows if alone else rows.slice(kept, count), lsn)
            kept += count
            if run.covers:
                for low, high in zip(run.covers[::2], run.covers[1::2], strict=True):
                    series.coverage = intervals.add(series.coverage, low, high)
            if run.metadata:
                self._describe(series, run.metadata)
            self.dirty.add(series.id)
        ack = Ack(lsn, put.received, put.received - kept, put.put_id)
        self._remember(ack)
        return ack

    def _define_dataset(self, dataset_id: int, definition: pb.LogDataset) -> None:
        schema = pa.ipc.read_schema(pa.py_buffer(definition.schema))
        known = self.names.datasets.get(definition.name)
        if known is None:
            self.names.datasets[definition.name] = Dataset(
                dataset_id, definition.name, schema, definition.key_has_id
            )
        elif len(schema) > len(known.schema):
            known.schema = schema
        self.dirty_datasets.add(definition.name)

    def is_stale(self, put: pb.LogPut) -> bool:
        """Whether a series of a put that is not logged yet was deleted since it was prepared."""
        return any(
            run.series in self.gone
            or (run.series not in self.names.by_id and not run.HasField("define"))
            for run in put.runs
        )

    def _series_of(self, run: pb.LogRun, dataset_id: int) -> Series:
        known = self.names.by_id.get(run.series)
        if known is not None:
            return known
        series = Series(
            run.series,
            self.dataset_by_id(dataset_id),
            instruments.parse(run.define.instrument),
            parse_timeframe(run.define.timeframe),
            run.define.free_grid,
        )
        self.names.add(series)
        return series

    def _append(self, series: Series, rows: pa.RecordBatch, lsn: int) -> None:
        if len(series.memory) == series.sealed:
            fresh = Memtable(series.dataset.key_has_id, self.lock)
            series.memory = (*series.memory, fresh)
        # An estimate that is cheap per put: what Arrow spends on a small batch, plus its rows.
        size = 1024 + rows.num_rows * 8 * rows.num_columns
        memory = series.memory[-1]
        before = memory.bytes
        memory.append(rows, lsn, size)
        self.memtable_bytes += memory.bytes - before  # folding gives back what it overestimated

    def _add_segments(self, series: Series, added: list[Segment]) -> None:
        # Rows already in memory are older than these and rows to come are newer; sealing keeps each
        # memtable on one side, so that the higher LSN always tells which row wins.
        series.sealed = len(series.memory)
        series.segments = (*series.segments, *added)

    def _describe(self, series: Series, metadata: object) -> None:
        items = dict(metadata)  # type: ignore[call-overload]
        if not items:
            return
        merged = {**series.metadata, **items}
        series.metadata = {key: value for key, value in merged.items() if value}
        self.dirty.add(series.id)

    def _apply_delete(self, delete: pb.LogDelete) -> None:
        series = self.names.by_id.get(delete.series)
        if series is None:
            return
        if delete.whole_series:
            self._forget_memory(series)
            self.names.remove(series)
            self.dirty.discard(series.id)
            self.gone.add(series.id)
            return
        start, end = range_of(delete.range)
        self._forget_memory(series)
        series.memory = tuple(m.without(start, end) for m in series.memory)
        self.memtable_bytes += sum(m.bytes for m in series.memory)
        series.segments = trim_segments(
            series.segments, start, end, self.segments, series.dataset.schema
        )
        series.coverage = intervals.subtract(series.coverage, start, end)
        self.dirty.add(series.id)

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
