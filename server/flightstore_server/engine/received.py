"""A put as it was received: rows, and what its commit says of the series they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class SeriesRows:
    """What a put says of one series: which of its rows, and what they complete."""

    instrument: str
    timeframe: str
    rows: int
    covers: Sequence[tuple[int, int]] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    free_grid: bool = False
    key: str = ""


@dataclass(frozen=True, slots=True)
class Put:
    """One put as received: batches, and the series their rows belong to, in order."""

    dataset: str
    batches: Sequence[pa.RecordBatch]
    series: Sequence[SeriesRows]
    put_id: int = 0
