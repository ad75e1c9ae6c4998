"""Runs of rows as batches to be sent: small ones share a batch, large ones are cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from flightstore_server.engine.series import Series


@dataclass(frozen=True, slots=True)
class Piece:
    """One batch, and the instruments that its rows belong to, as (name, rows)."""

    rows: pa.RecordBatch
    runs: tuple[tuple[str, int], ...]


def pieces(runs: Iterable[tuple[Series, pa.RecordBatch]], rows_max: int) -> Iterator[Piece]:
    """`runs` in their order, in batches of at most `rows_max` rows."""
    gathered: list[tuple[str, pa.RecordBatch]] = []
    rows = 0
    for series, batch in runs:
        for at in range(0, batch.num_rows, rows_max):
            part = batch.slice(at, rows_max)
            if rows + part.num_rows > rows_max and gathered:
                yield _joined(gathered)
                gathered, rows = [], 0
            gathered.append((str(series.instrument), part))
            rows += part.num_rows
    if gathered:
        yield _joined(gathered)


def _joined(gathered: list[tuple[str, pa.RecordBatch]]) -> Piece:
    parts = [part for _, part in gathered]
    rows = parts[0] if len(parts) == 1 else pa.concat_batches(parts)
    return Piece(rows, tuple((name, part.num_rows) for name, part in gathered))
