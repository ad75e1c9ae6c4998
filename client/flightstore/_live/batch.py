"""What a live stream hands out: rows that are new or changed, and ranges that are gone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from flightstore._identity import ArrowColumns, Runs
from flightstore._layouts import long
from flightstore._reading import Fetched

if TYPE_CHECKING:
    import pandas as pd

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# New names must not change the type of the columns in the middle of a stream.
_WIDTH = pa.int32()


@dataclass(frozen=True, slots=True)
class Deleted:
    """Rows of `instrument` that are there no longer: those in the half-open range of times.

    start_ns, end_ns  the range in nanoseconds since 1970-01-01 UTC; None is unbounded, and both
                      are where the whole series was deleted
    """

    instrument: str
    start_ns: int | None
    end_ns: int | None

    @property
    def is_whole_series(self) -> bool:
        """Whether nothing of the series is left."""
        return self.start_ns is None and self.end_ns is None

    @property
    def start(self) -> datetime | None:
        """`start_ns` in UTC, cut to microseconds."""
        return _moment(self.start_ns)

    @property
    def end(self) -> datetime | None:
        """`end_ns` in UTC, cut to microseconds."""
        return _moment(self.end_ns)


@dataclass(frozen=True, eq=False)
class LiveBatch:
    """What changed of one selection, from `Client.live`. First `deletes` apply, then the rows.

    A row takes the place of an earlier one with the same instrument and key: `ts`, for trades `ts`
    and `id`. A bar that is still open comes again whenever it changes.

    lsn       everything up to it is in this batch or an earlier one: give it as `after_lsn` to go
              on from here. In the history it is the LSN as of which that is read, and no such place
    history   rows that were there when the stream began
    bridged   rows that were read again because the log no longer reached back to where the stream
              broke off; changes made in between to older rows are not in the stream
    dataset, timeframe  of all rows
    deletes   ranges whose rows are gone, a list of Deleted
    """

    lsn: int
    history: bool
    bridged: bool
    dataset: str
    timeframe: str
    deletes: list[Deleted]
    _batch: pa.RecordBatch
    _runs: Runs
    _is_single: bool

    @cached_property
    def rows(self) -> pa.RecordBatch:
        """The rows, as from `Client.batches`: for a list or a pattern with `exchange` and `symbol`
        in front. Those of one instrument ascend by key."""
        if self._is_single:
            return self._batch
        return ArrowColumns(self._runs.instruments, _WIDTH).prepended(self._batch, self._runs)

    @cached_property
    def frame(self) -> pl.DataFrame:
        """The rows as a polars frame, as `Client.read` returns them."""
        frame: pl.DataFrame = long(self._fetched, "polars")
        return frame

    def to_pandas(self) -> pd.DataFrame:
        """The rows as a pandas frame with `ts` as its index."""
        frame: pd.DataFrame = long(self._fetched, "pandas")
        return frame

    @cached_property
    def instruments(self) -> list[str]:
        """The names of all that have rows or deletes here, each once."""
        deleted = [gone.instrument for gone in self.deletes]
        return list(dict.fromkeys([*self._runs.instruments, *deleted]))

    @property
    def _fetched(self) -> Fetched:
        return Fetched(
            pa.Table.from_batches([self._batch]), None if self._is_single else self._runs
        )

    def __len__(self) -> int:
        rows: int = self._batch.num_rows
        return rows

    def __repr__(self) -> str:
        what = f"{self.dataset} {self.timeframe}".rstrip()
        said = [f"{len(self)} rows of {what}", f"lsn {self.lsn}"]
        said += [f"{len(self.deletes)} deletes"] if self.deletes else []
        said += [word for word in ("history", "bridged") if getattr(self, word)]
        return f"<LiveBatch: {', '.join(said)}>"


def _moment(ns: int | None) -> datetime | None:
    return None if ns is None else _EPOCH + timedelta(microseconds=ns // 1_000)
