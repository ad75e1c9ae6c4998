"""InfluxDB 1.x: line protocol in; CSV out, which is faster than its own client by far.

Bars and trades are measurements with the symbol as their tag and all else as fields, as "Schema
design" of its documentation has it. A point is what its measurement, its tags and its time say, so
of trades in one millisecond only the last remains: "How does InfluxDB handle duplicate points?"
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import ClassVar

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from influxdb import DataFrameClient

from bench.peers import inputs
from bench.peers.contestant import Contestant, way
from bench.peers.contestants.influxdb_http import DATABASE, Connection, NotStored
from bench.peers.contestants.influxdb_lines import bar_lines, trade_lines
from bench.peers.contestants.influxdb_live import BARS, Live
from bench.peers.contestants.influxdb_server import Server

_TAGGED_BARS = BARS.insert(0, pa.field("tags", pa.dictionary(pa.int32(), pa.utf8())))
_TRADES = pa.schema(
    [("id", pa.utf8()), ("price", pa.float64()), ("amount", pa.float64()), ("side", pa.int8())]
)
_FIELDS = ", ".join(BARS.names)
_WIDE = f"SELECT {_FIELDS} FROM bars_1d GROUP BY symbol"
_TAG = "symbol="  # before the symbol among the tags
_SENDERS = 2  # a batch is formatted while another is taken in
_LOADS = 3  # of the same bars, at most
# "Shard group duration management" of "Schema design" advises 52 weeks in the place of seven days
# where data are kept for ever.
_MAKE = f"CREATE DATABASE {DATABASE} WITH DURATION INF REPLICATION 1 SHARD DURATION 52w"


class InfluxDB(Live, Contestant):
    durable: ClassVar[str] = "fsync of its log before each acknowledgement"

    def open(self) -> None:
        self._server = Server(self.folder)
        self.title = f"InfluxDB {self._server.version}"
        self._begin()
        self._db.rows(_MAKE)

    def close(self) -> None:
        self._end_live()
        self._hang_up()
        self._server.stop()

    def processes(self) -> list[int]:
        return [self._server.pid] if self._server.pid else []

    def _begin(self) -> None:
        self._server.start()
        self._db = Connection(self._server.port)
        self._client = DataFrameClient("127.0.0.1", self._server.port, database=DATABASE)

    def _hang_up(self) -> None:
        self._db.close()
        self._client.close()

    def settle(self) -> None:
        """Until all is in its files and nothing is compacted any more.

        What is in the cache is sorted and copied by each read: a tail took 500 times as long.
        """
        self._server.back_up()
        while self._db.compacting():
            time.sleep(0.1)

    def load_history(self) -> None:
        self._load("history", "bars_1m", inputs.HISTORY)

    def load_years(self) -> None:
        self._load("years", "bars_1m", inputs.YEARS)

    def load_wide(self) -> None:
        self._load("wide", "bars_1d")

    def _load(self, name: str, measurement: str, symbol: str | None = None) -> None:
        """All bars, counted; again if some are not there. Raises NotStored.

        Each ten seconds the server frees the caches of shards that were idle a moment before, and
        with them what came in since: it was acknowledged, but until the next start it is in the log
        alone, and a backup may end that. Sending a point again does no harm ("duplicate points").
        """
        rows = pl.DataFrame(inputs.table(self.inputs, name))
        if symbol is not None:
            rows = rows.with_columns(symbol=pl.lit(symbol))
        batches = list(rows.iter_slices(inputs.BATCH))
        of = f" WHERE symbol = '{symbol}'" if symbol else ""
        stored = 0
        for _ in range(_LOADS):
            self._send(partial(bar_lines, measurement), batches)
            ((_, stored),) = self._db.rows(f"SELECT count(close) FROM {measurement}{of}")
            if stored == rows.height:
                return
        raise NotStored(f"Of {rows.height:,} bars of {name}, InfluxDB has {stored:,}.")

    def history_polars(self) -> pl.DataFrame:
        return pl.DataFrame(self._history())

    def history_pandas(self) -> pd.DataFrame:
        return self._history().to_pandas()

    @way("history_pandas", "python client")
    def history_by_client(self) -> pd.DataFrame:
        # Times as numbers: as texts they take it far longer.
        found: pd.DataFrame = self._client.query(_of(inputs.HISTORY), epoch="ns")["bars_1m"]
        return found.rename_axis("ts")

    def _history(self) -> pa.Table:
        return self._db.table(_of(inputs.HISTORY), BARS)

    def wide_frame(self) -> pl.DataFrame:
        found = pl.DataFrame(self._db.table(_WIDE, _TAGGED_BARS))
        symbol = pl.col("tags").cast(pl.String).str.strip_prefix(_TAG).alias("symbol")
        return found.select(symbol, pl.exclude("tags"))

    def wide_frames(self) -> dict[str, pd.DataFrame]:
        table = self._db.table(_WIDE, _TAGGED_BARS)
        bars = table.drop_columns("tags").to_pandas()
        tags = table["tags"].unify_dictionaries().combine_chunks()
        numbers = tags.indices.to_numpy()
        ends = np.flatnonzero(np.diff(numbers, append=-1)) + 1  # one series after another
        starts = [0, *ends[:-1]]
        names = [tag.removeprefix(_TAG) for tag in tags.dictionary.to_pylist()]
        return {
            names[numbers[start]]: bars.iloc[start:end]
            for start, end in zip(starts, ends, strict=True)
        }

    def tail(self) -> pl.DataFrame:
        newest = f"{_of(inputs.YEARS)} ORDER BY time DESC LIMIT 100"
        return pl.DataFrame(self._db.table(newest, BARS)).reverse()

    def day(self) -> pl.DataFrame:
        start, end = inputs.DAY_START_NS, inputs.DAY_START_NS + inputs.DAY_NS
        within = f"{_of(inputs.YEARS)} AND time >= {start} AND time < {end}"
        return pl.DataFrame(self._db.table(within, BARS))

    def new_trades(self) -> None:
        """A first put makes the series."""

    def write_main(self) -> None:
        self._put("main")

    def write_late(self) -> None:
        self._put("late")

    def write_corrections(self) -> None:
        self._put("corrections")

    def _put(self, name: str) -> None:
        batches = [pl.DataFrame(batch) for batch in inputs.batches(self.inputs, name)]
        self._send(partial(trade_lines, inputs.TRADED), batches)

    def _send(self, lines: Callable[[pl.DataFrame], bytes], batches: list[pl.DataFrame]) -> None:
        """Each batch as one request, which is answered once it is durable; until all are."""

        def sent(some: list[pl.DataFrame]) -> None:
            with closing(Connection(self._server.port)) as db:
                for batch in some:
                    db.write(lines(batch))

        with ThreadPoolExecutor(_SENDERS) as pool:
            list(pool.map(sent, [batches[number::_SENDERS] for number in range(_SENDERS)]))

    def trades(self) -> pl.DataFrame:
        asked = f"SELECT id, price, amount, side FROM trades WHERE symbol = '{inputs.TRADED}'"
        return pl.DataFrame(self._db.table(asked, _TRADES))

    def stop(self) -> None:
        self._hang_up()
        self._server.stop()

    def kill(self) -> None:
        self._hang_up()
        self._server.kill()

    def start(self) -> None:
        self._begin()
        self._db.rows(f"SELECT last(price) FROM trades WHERE symbol = '{inputs.TRADED}'")


def _of(symbol: str) -> str:
    return f"SELECT {_FIELDS} FROM bars_1m WHERE symbol = '{symbol}'"
