"""The rows that a query can need, as Arrow tables over mapped files.

    exchange, symbol, timeframe   dictionaries of the series in a batch
    ts_ns, and the own columns    slices of what is mapped; nothing is copied

Small series share batches, since DuckDB pays for each. Rows that had to be merged or decompressed
are copies, of which there may be so many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from flightstore_proto.errors import Overloaded
from flightstore_proto.schemas import BATCH_ROWS_MAX
from flightstore_server.engine.reads import count_rows, read
from flightstore_server.engine.series import Dataset, SeriesView
from flightstore_server.sql.predicates import Span
from flightstore_server.sql.tables import IDENTITY, is_exact_time, own_names
from flightstore_server.storage.segment.store import SegmentStore

_WORD = pa.dictionary(pa.int32(), pa.utf8())
_ZEROS = pa.array(np.zeros(BATCH_ROWS_MAX, np.int32))
Part = tuple[SeriesView, Span]


@dataclass(slots=True)
class Copies:
    """How many bytes of copied rows there are, and may be."""

    bytes_max: int
    bytes: int = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Count what of `batch` lies in no mapped file. Raises Overloaded beyond the limit."""
        self.bytes += sum(
            buffer.size
            for column in batch.columns
            for buffer in column.buffers()
            if buffer is not None and buffer.parent is None
        )
        if self.bytes > self.bytes_max:
            raise Overloaded(
                "The query needs more rows that must be merged or decompressed first than SQL has "
                f"memory for ({self.bytes_max} bytes, memory_bytes_max in [sql]); ask for less of "
                "time or fewer series, or have them compacted."
            )


@dataclass(slots=True)
class _Gathered:
    """Rows of several series that become one batch."""

    views: list[SeriesView] = field(default_factory=list)
    batches: list[pa.RecordBatch] = field(default_factory=list)
    rows: int = 0

    def add(self, view: SeriesView, batch: pa.RecordBatch) -> None:
        self.views.append(view)
        self.batches.append(batch)
        self.rows += batch.num_rows


def rows_of(
    dataset: Dataset,
    parts: list[Part],
    store: SegmentStore,
    copies: Copies,
    alive: Callable[[], None],
) -> pa.Table:
    """Every column of `parts`, in their order. `alive` is called between batches, and may raise."""
    schema = _schema(dataset)
    batches = []
    for gathered in _gathered(parts, store, copies):
        alive()
        batches.append(_batch(gathered, schema))
    return pa.Table.from_batches(batches, schema)


def first_rows_of(
    dataset: Dataset, parts: list[Part], store: SegmentStore, copies: Copies, count: int
) -> pa.Table:
    """The first `count` rows of `parts`; no file is opened beyond them."""
    schema = _schema(dataset)
    batches: list[pa.RecordBatch] = []
    for view, (low, high) in parts:
        for rows in read(view, store, low, high + 1, limit=count):
            copies.add(rows)
            batches.append(_batch(_Gathered([view], [rows], rows.num_rows), schema))
            count -= rows.num_rows
        if count <= 0:
            break
    return pa.Table.from_batches(batches, schema)


def identities_of(parts: list[Part], store: SegmentStore) -> pa.Table:
    """`exchange`, `symbol` and `timeframe` of each row; hardly a file is opened for it."""
    schema = pa.schema([pa.field(name, _WORD) for name in IDENTITY])
    batches = []
    views: list[SeriesView] = []
    counts: list[int] = []
    room = BATCH_ROWS_MAX
    for view, (low, high) in parts:
        left = count_rows(view, store, low, high + 1)
        while left > 0:
            taken = min(left, room)
            views.append(view)
            counts.append(taken)
            left, room = left - taken, room - taken
            if not room:
                batches.append(pa.RecordBatch.from_arrays(_words(views, counts), schema=schema))
                views, counts, room = [], [], BATCH_ROWS_MAX
    if views:
        batches.append(pa.RecordBatch.from_arrays(_words(views, counts), schema=schema))
    return pa.Table.from_batches(batches, schema)


def _gathered(parts: list[Part], store: SegmentStore, copies: Copies) -> Iterator[_Gathered]:
    gathered = _Gathered()
    for view, (low, high) in parts:
        for batch in read(view, store, low, high + 1):
            if gathered.rows and gathered.rows + batch.num_rows > BATCH_ROWS_MAX:
                yield gathered
                gathered = _Gathered()
            copies.add(batch)
            gathered.add(view, batch)
    if gathered.rows:
        yield gathered


def _schema(dataset: Dataset) -> pa.Schema:
    fields = [pa.field(name, _WORD) for name in IDENTITY]
    fields.append(pa.field("ts_ns", pa.int64()))
    for column, name in zip(list(dataset.schema)[1:], own_names(dataset.schema), strict=True):
        fields.append(pa.field(name, _kept(column.type)))
    return pa.schema(fields)


def _kept(kind: pa.DataType) -> pa.DataType:
    return pa.int64() if is_exact_time(kind) else kind


def _batch(gathered: _Gathered, schema: pa.Schema) -> pa.RecordBatch:
    rows = gathered.batches[0]
    if len(gathered.batches) > 1:
        rows = pa.concat_batches(gathered.batches)
    words = _words(gathered.views, [batch.num_rows for batch in gathered.batches])
    own = [column.view(_kept(column.type)) for column in rows.columns]
    return pa.RecordBatch.from_arrays([*words, *own], schema=schema)


def _words(views: list[SeriesView], counts: list[int]) -> list[pa.Array]:
    """The three columns that say whose the rows are, `counts` of each view."""
    if len(views) == 1:
        at = _ZEROS.slice(0, counts[0])
    else:
        at = pa.array(np.repeat(np.arange(len(views), dtype=np.int32), counts))
    series = [view.series for view in views]
    words = (
        [each.instrument.exchange for each in series],
        [each.instrument.symbol for each in series],
        [each.timeframe_text for each in series],
    )
    return [pa.DictionaryArray.from_arrays(at, pa.array(w, pa.utf8()), safe=False) for w in words]
