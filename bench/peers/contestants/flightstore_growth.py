"""flightstore with more and more in it: what W9 loads, and the same small questions each time."""

from __future__ import annotations

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from bench import inputs as made
from bench.peers import inputs
from bench.peers.contestants.flightstore_live import Feed

_BARS = 100
_SERIES_A_PUT = 500


class Growth(Feed):
    """W9: `load_series` and `load_older` make it grow, the rest is asked."""

    _shift_ns = 0

    def load_series(self, series: int) -> None:
        """So many series of 100 minute bars, that nobody asks for."""
        rows = made.bars(_BARS, made.MINUTE_NS)
        for first in range(0, series, _SERIES_A_PUT):
            numbers = range(first, min(first + _SERIES_A_PUT, series))
            frames = {f"more:S{number:05}/USD": rows for number in numbers}
            self._db.write_many(frames, timeframe="1m")

    def load_older(self, times: int) -> None:
        """`times` as many bars as W1's series has, before its first."""
        step = inputs.table(self.inputs, "history").num_rows
        for number in range(times, 0, -1):
            start = made.START_NS - number * step * made.MINUTE_NS
            rows = made.bars(step, made.MINUTE_NS, start_ns=start, seed=number)
            self._db.write(inputs.HISTORY, rows, timeframe="1m")

    def newest_history(self) -> pl.DataFrame:
        return self._db.candles(inputs.HISTORY, "1m", pd.Timestamp(made.START_NS))

    def newest_bars(self) -> pl.DataFrame:
        return self._db.candles(inputs.HISTORY, "1m", tail=100)

    def put_batch(self) -> None:
        self._put_later(rows=inputs.BATCH)

    def put_row(self) -> None:
        self._put_later(rows=1)

    def _put_later(self, rows: int) -> None:
        """The first rows of `main`, thirty days later each time; until they are durable."""
        self._shift_ns += inputs.TRADED_NS
        first = inputs.table(self.inputs, "main").slice(0, rows).combine_chunks().to_batches()[0]
        later = pc.add(first.column("ts").cast(pa.int64()), self._shift_ns)
        ts = later.cast(first.schema.field("ts").type)
        batch = pa.RecordBatch.from_arrays([ts, *first.columns[1:]], schema=first.schema)
        self._feed().write(inputs.TRADED, batch).result()
