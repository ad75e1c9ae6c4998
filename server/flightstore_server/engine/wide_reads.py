"""Reading many series as one stream: small series share batches, so that each is worth sending.

A stream of 7,700 batches of 870 rows costs several times what the same rows cost in 103 full
batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from flightstore_proto.errors import FlightstoreError
from flightstore_proto.schemas import BATCH_BYTES_MAX, BATCH_ROWS_MAX
from flightstore_server.engine.series import Dataset, SeriesView


class Selected(Protocol):
    """Series whose rows are to be read: a Selection, or what is made of one."""

    problems: dict[str, FlightstoreError]
    schema: pa.Schema

    @property
    def dataset(self) -> Dataset: ...
    @property
    def views(self) -> list[SeriesView]: ...
    def rows(self, view: SeriesView) -> Iterator[pa.RecordBatch]: ...


@dataclass(slots=True)
class Shared:
    """One batch and the series its rows belong to, as (position in the selection, rows)."""

    parts: list[pa.RecordBatch] = field(default_factory=list)
    series: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    problems: dict[str, FlightstoreError] = field(default_factory=dict)
    rows: int = 0

    def add(self, position: int, batch: pa.RecordBatch) -> None:
        self.parts.append(batch)
        self.series.append(position)
        self.counts.append(batch.num_rows)
        self.rows += batch.num_rows

    def batch(self, schema: pa.Schema) -> pa.RecordBatch:
        if not self.parts:
            return empty(schema)
        return self.parts[0] if len(self.parts) == 1 else pa.concat_batches(self.parts)


def shared_batches(selection: Selected) -> Iterator[Shared]:
    """The rows of every series of `selection`, in its order.

    A series whose file is damaged is reported with the next batch and does not hide the others.
    """
    rows_max = batch_rows_max(selection.schema)
    gathered = Shared()
    for position, view in enumerate(selection.views):
        try:
            for batch in selection.rows(view):
                if gathered.rows and gathered.rows + batch.num_rows > rows_max:
                    yield gathered
                    gathered = Shared()
                gathered.add(position, batch)
        except FlightstoreError as error:
            gathered.problems[str(view.series.instrument)] = error
    if gathered.rows or gathered.problems:
        yield gathered


def batch_rows_max(schema: pa.Schema) -> int:
    """How many rows of `schema` make a batch of at most 64 Ki rows and about 3 MiB."""
    row_bits = sum(160 if pa.types.is_string(f.type) else f.type.bit_width for f in schema)
    return max(1, min(BATCH_ROWS_MAX, BATCH_BYTES_MAX * 8 // row_bits))


def empty(schema: pa.Schema) -> pa.RecordBatch:
    """A batch of `schema` without rows."""
    return pa.RecordBatch.from_arrays([pa.nulls(0, f.type) for f in schema], schema=schema)
