"""Rows joined with what was in force at their time: the last row of a series at or before it.

Both sides are sorted, so the join is one walk along both: the rows of the left side come batch by
batch, and of the right side no more is held than the batch that is in force and the one after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from flightstore_proto.errors import BadRequest, FlightstoreError, shown
from flightstore_proto.timerange import TS_MIN
from flightstore_server.engine.aggregates.windows import END
from flightstore_server.engine.columns import projected
from flightstore_server.engine.queries import Query, Reader
from flightstore_server.engine.series import Dataset, SeriesView
from flightstore_server.engine.wide_reads import batch_rows_max
from flightstore_server.storage.rows import Int64s, ts_of

SUFFIX = "_right"
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class AsOf:
    """What is asked for: the rows of `left`, each with those columns of `right`.

    Of `right` all that is needed is read, whatever its range. Rows older than `tolerance_ns` do not
    count. `suffix` goes to columns that both sides have.
    """

    left: Query
    right: Query
    tolerance_ns: int | None = None
    suffix: str = SUFFIX


class Joined:
    """The rows of an as-of join, to be read as a Selection is."""

    def __init__(self, reader: Reader, wanted: AsOf) -> None:
        self._wanted = wanted
        self._left = reader.select(wanted.left)
        self._right = reader.select(replace(wanted.right, start=None, end=None))
        self._of = {str(view.series.instrument): view for view in self._right.views}
        self._taken = _taken(wanted.right, self._right.schema)
        self.schema = _joined_schema(self._left.schema, self._taken, wanted.suffix)
        self.problems: dict[str, FlightstoreError] = self._right.problems | self._left.problems

    @property
    def dataset(self) -> Dataset:
        return self._left.dataset

    @property
    def views(self) -> list[SeriesView]:
        return self._left.views

    def rows(self, view: SeriesView) -> Iterator[pa.RecordBatch]:
        """The rows of one of the views, with the columns of the right side behind their own."""
        right = self._of.get(str(view.series.instrument))
        if self._wanted.right.is_single:
            [right] = self._right.views
        walk: Walk | None = None
        for batch in self._slices(view):
            ts = ts_of(batch)
            if walk is None:
                walk = Walk(self._from(right, int(ts[0])), self._taken)
            columns = walk.columns(ts, self._wanted.tolerance_ns)
            yield pa.RecordBatch.from_arrays([*batch.columns, *columns], schema=self.schema)

    def _slices(self, view: SeriesView) -> Iterator[pa.RecordBatch]:
        rows_max = batch_rows_max(self.schema)
        for batch in self._left.rows(view):
            for at in range(0, batch.num_rows, rows_max):
                yield batch.slice(at, rows_max)

    def _from(self, right: SeriesView | None, first: int) -> Iterator[pa.RecordBatch]:
        """The rows of `right` from the one in force at `first` on."""
        if right is None:
            return
        # A bar is over after it was opened, so of two opened by then the first one is over.
        tail = 2 if self._wanted.right.label_close else 1
        yield from self._right.between(right, TS_MIN, first + 1, tail=tail)
        yield from self._right.between(right, first + 1, END)


class Walk:
    """Goes along the right side of a join as the rows of the left side come."""

    def __init__(self, batches: Iterator[pa.RecordBatch], taken: pa.Schema) -> None:
        self._taken = taken
        self._batches = batches
        self._current: pa.RecordBatch | None = None
        self._next = next(batches, None)

    def columns(self, ts: Int64s, tolerance_ns: int | None) -> list[pa.Array]:
        """The columns of the right side for rows at `ts`, which follow all those before."""
        pieces: list[list[pa.Array]] = []
        at = 0
        while True:
            until = len(ts)
            if self._next is not None:
                until = int(ts.searchsorted(ts_of(self._next)[0]))
            if at < until:
                pieces.append(self._piece(ts[at:until], tolerance_ns))
                at = until
            if at == len(ts):
                break
            self._current, self._next = self._next, next(self._batches, None)
        if len(pieces) == 1:
            return pieces[0]
        return [pa.concat_arrays(parts) for parts in zip(*pieces, strict=True)]

    def _piece(self, ts: Int64s, tolerance_ns: int | None) -> list[pa.Array]:
        """The same where all of `ts` is before the next batch: only the current one can count."""
        if self._current is None:
            return [pa.nulls(len(ts), field.type) for field in self._taken]
        since = ts_of(self._current)
        first = max(0, int(since.searchsorted(ts[0], "right")) - 1)
        since = since[first : int(since.searchsorted(ts[-1], "right"))]
        at = in_force(since, ts)
        valid = at >= 0
        if tolerance_ns is not None:
            # Unsigned, since all of time is longer than int64 can say.
            age = ts.view(np.uint64) - since[at].view(np.uint64)
            valid &= age <= np.uint64(tolerance_ns)
        rows, cut = _indices(at, valid), self._current.slice(first, len(since))
        # That the positions are inside is known, and looking again would take most of the time.
        return [pc.take(cut.column(n), rows, boundscheck=False) for n in self._taken.names]


def in_force(since: Int64s, ts: Int64s) -> Int64s:
    """For each of `ts` the position of the last of `since` at or before it, or -1; both rise."""
    if len(since) >= len(ts):
        return since.searchsorted(ts, "right") - 1
    # The fewer are looked up among the more: each holds from its own place to the next one's.
    places = np.concatenate([[0], ts.searchsorted(since), [len(ts)]])
    return np.repeat(np.arange(-1, len(since)), np.diff(places))


def _indices(at: Int64s, valid: Bools) -> pa.Array:
    """`at` for Arrow's take, null where it is not `valid`."""
    mask = None
    if not valid.all():
        mask = pa.py_buffer(np.packbits(valid, bitorder="little"))
        at = np.where(valid, at, 0)
    # pa.array() would import pandas to ask whether it is given one of its columns.
    return pa.Array.from_buffers(pa.int64(), len(at), [mask, pa.py_buffer(at)])


def _taken(query: Query, schema: pa.Schema) -> pa.Schema:
    """The columns that the right side gives: `ts` only if it is asked for by name."""
    return projected(schema, [n for n in schema.names if n != "ts" or "ts" in query.columns])


def _joined_schema(left: pa.Schema, taken: pa.Schema, suffix: str) -> pa.Schema:
    """The columns of the join. Raises BadRequest where `suffix` does not tell two apart."""
    fields = list(left)
    known = set(left.names)
    for field in taken:
        name = field.name + suffix if field.name in left.names else field.name
        if name in known:
            raise BadRequest(
                f"Two columns of the join would be called {shown(name)}: give another suffix."
            )
        known.add(name)
        fields.append(pa.field(name, field.type))
    return pa.schema(fields)
