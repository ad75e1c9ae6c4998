"""What a trigger is: the class that users derive theirs from. See docs/triggers.md."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class TriggerBatch:
    """What was committed to one series: rows, or the deletion of a range.

    `rows` has the columns of the dataset (candles: ts, open, high, low, close, volume; trades: ts,
    id, price, amount, side), in the order of its keys, and at most 65,536 rows. A row whose key
    came before takes the place of the earlier one.

    `deleted` is None, or the half-open range [start, end) of ts, in nanoseconds since 1970, whose
    rows are gone; None is a bound that is open, two of them the whole series. `rows` is empty then.

    `timeframe` is empty in datasets without bars. `lsn` is the number of the last log record that
    may be part of the batch; it rises from batch to batch, or stays.
    """

    dataset: str
    instrument: str
    timeframe: str
    lsn: int
    rows: pa.RecordBatch
    deleted: tuple[int | None, int | None] | None = None

    @property
    def frame(self) -> pl.DataFrame:
        """The rows for polars, without a copy."""
        # The server imports this module too, and has no use for polars.
        import polars as pl

        return pl.DataFrame(self.rows)


class Trigger(ABC):
    """Made once per process, and called with one batch after another, never with two at a time.

    A batch counts as dealt with when `on_batch` returns. If it raises, or takes longer than
    `timeout_seconds`, or the process ends, it comes again: at least once, never skipped.
    """

    def __init__(self, options: Mapping[str, object]) -> None:  # noqa: B027  (nothing to keep)
        """`options` is the table of that name in the configuration."""

    @abstractmethod
    def on_batch(self, batch: TriggerBatch) -> None:
        """Deal with `batch`."""

    def close(self) -> None:  # noqa: B027  (most have nothing to free)
        """The server is stopping. Called after a batch, not always: processes also just end."""
