"""Moving rows from memory into segments, and the catalog forward with them.

A flush takes the state as of one LSN, writes every memtable's rows as segments, and commits them
together with everything else that changed since the last one. From then on the log before that LSN
is needed only by consumers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa

from flightstore_server.engine.memtable import MemtableView
from flightstore_server.engine.periods import split
from flightstore_server.engine.reservations import Reservations
from flightstore_server.engine.series import Dataset, Segments, Series
from flightstore_server.engine.state import State
from flightstore_server.storage import ranges
from flightstore_server.storage.catalog import Change, DatasetRow, SeriesRow
from flightstore_server.storage.files import Files
from flightstore_server.storage.rows import widen
from flightstore_server.storage.segment.segment import Segment
from flightstore_server.storage.segment.writer import SegmentName, write_segment


@dataclass(slots=True)
class SealedSeries:
    """A changed series as it stood at the flush's LSN."""

    series: Series
    segments: Segments
    memory: tuple[MemtableView, ...]
    coverage: bytes
    row: SeriesRow
    written: Segments = ()


@dataclass(slots=True)
class Sealed:
    """The state at one LSN, as far as it differs from the catalog."""

    lsn: int
    series: list[SealedSeries]
    gone: list[int]
    datasets: list[DatasetRow]
    rules: dict[str, bytes]
    gone_rules: list[str]
    records: int


def seal(state: State) -> Sealed:
    """Take the state as of now; rows that arrive later go to new memtables."""
    with state.lock:
        sealed = Sealed(
            state.last_lsn,
            [_seal_series(state.names.by_id[i]) for i in sorted(state.dirty)],
            sorted(state.gone),
            [_dataset_row(state.names.datasets[name]) for name in sorted(state.dirty_datasets)],
            _rules(state),
            sorted(state.dirty_rules.difference(state.rulebook.rules)),
            state.unflushed_records,
        )
        state.dirty_rules = set()
        # Forgotten here and not after the commit: what changes meanwhile must be dirty again.
        state.dirty, state.gone, state.dirty_datasets = set(), set(), set()
        state.unflushed_records = 0
    return sealed


def _rules(state: State) -> dict[str, bytes]:
    """The rules that are new since the last flush, as the catalog keeps them."""
    rules = state.rulebook.rules
    new = (rules[name] for name in sorted(state.dirty_rules) if name in rules)
    return {rule.name: rule.message().SerializeToString() for rule in new}


def _seal_series(series: Series) -> SealedSeries:
    series.sealed = len(series.memory)
    row = SeriesRow(
        series.id,
        series.dataset.id,
        str(series.instrument),
        series.timeframe_text,
        series.free_grid,
        dict(series.metadata),
        "" if series.derived is None else series.derived.rule.name,
    )
    memory = tuple(m.view() for m in series.memory)
    # Of a derived series the coverage follows from its base; it has stale windows in that place.
    kept = series.coverage if series.derived is None else series.derived.unsettled()
    return SealedSeries(series, series.segments, memory, ranges.encode(kept), row)


def _dataset_row(dataset: Dataset) -> DatasetRow:
    return DatasetRow(dataset.id, dataset.name, dataset.schema, dataset.key_has_id)


# One sync after another leaves the disk idle in between; together they share the file system's
# own commits (6 times as fast on ext4). Below this many files a pool is not worth starting.
_WRITERS = 16


def write(
    sealed: Sealed, files: Files, reservations: Reservations, *, segment_rows_max: int
) -> None:
    """Write the rows of every sealed memtable: durable files, not yet part of the store."""
    planned = [
        (item, SegmentName(reservations.segment(), item.series.identity, label), rows, lsn)
        for item in sealed.series
        for label, rows, lsn in _parts(item, segment_rows_max)
    ]

    def write_one(plan: tuple[SealedSeries, SegmentName, list[pa.RecordBatch], int]) -> Segment:
        _, name, rows, lsn = plan
        return write_segment(files, name, rows, max_lsn=lsn)

    if len(planned) <= _WRITERS:
        written = [write_one(plan) for plan in planned]
    else:
        with ThreadPoolExecutor(_WRITERS, thread_name_prefix="flush") as pool:
            written = list(pool.map(write_one, planned))
    for (item, *_), segment in zip(planned, written, strict=True):
        item.written = (*item.written, segment)


def _parts(item: SealedSeries, rows_max: int) -> Iterator[tuple[str, list[pa.RecordBatch], int]]:
    """The rows of one series as (period, rows, LSN) of each segment to be."""
    for memory in item.memory:
        chunks = memory.sorted_chunks()
        if chunks:
            schema = max((c.schema for c in chunks), key=len)
            rows = [widen(chunk, schema) for chunk in chunks]
            for label, part in split(rows, item.series.unit, rows_max=rows_max):
                yield label, part, memory.max_lsn


def change_of(sealed: Sealed, stored: dict[int, Segments]) -> Change:
    """The transaction that brings the catalog from `stored` to the sealed state."""
    change = Change(
        flushed_lsn=sealed.lsn,
        datasets=sealed.datasets,
        retired_series=sealed.gone,
        rules=sealed.rules,
        retired_rules=sealed.gone_rules,
    )
    for item in sealed.series:
        before, after = stored.get(item.series.id, ()), (*item.segments, *item.written)
        change.series.append(item.row)
        change.coverage[item.series.id] = item.coverage
        change.added += without(after, before)
        change.retired += [segment.id for segment in without(before, after)]
    return change


def without(segments: Iterable[Segment], others: Iterable[Segment]) -> list[Segment]:
    """The segments that are not among `others`, as they stand."""
    known = {(s.id, s.visible) for s in others}
    return [s for s in segments if (s.id, s.visible) not in known]


def publish(sealed: Sealed, state: State, stored: dict[int, Segments]) -> None:
    """After the commit: readers find the rows in segments from now on, and not in memory."""
    with state.lock:
        for series_id in sealed.gone:
            stored.pop(series_id, None)
        for item in sealed.series:
            series = item.series
            stored[series.id] = (*item.segments, *item.written)
            count = len(item.memory)
            state.memtable_bytes -= sum(m.bytes for m in series.memory[:count])
            series.memory = series.memory[count:]
            series.sealed -= count
            series.segments = tuple(
                sorted((*series.segments, *item.written), key=lambda s: s.max_lsn)
            )
