"""chDB: ClickHouse in this process, with MergeTree tables in a folder."""

from __future__ import annotations

from typing import Any, ClassVar

import chdb
import pandas as pd
import polars as pl
import pyarrow as pa
from chdb.session import Session

from bench.peers import inputs
from bench.peers.contestant import Contestant, way
from bench.peers.contestants.chdb_minutes import Minutes, minutes_of

_BARS = (
    "ts DateTime64(9, 'UTC'), open Float64, high Float64, low Float64, close Float64,"
    " volume Float64"
)
_NAMED = f"symbol LowCardinality(String), {_BARS}"
_TRADES = "ts DateTime64(9, 'UTC'), id String, price Float64, amount Float64, side Int8"
# What is handed over in this process needs no compression ("Arrow format" in the documentation).
_PLAIN = " SETTINGS output_format_arrow_compression_method = 'none'"
_TIME = "fromUnixTimestamp64Nano(toInt64({}), 'UTC')"
_DAY_START = _TIME.format(inputs.DAY_START_NS)
_DAY_END = _TIME.format(inputs.DAY_START_NS + inputs.DAY_NS)
# Of one instant the id decides, as in the right answer; without it any of them may be taken.
# Time and id as one number are compared in a quarter of the time that the tuple (ts, id) takes.
_KEY = "bitShiftLeft(toUInt128(toUnixTimestamp64Nano(ts)), 64) + toUInt64(id)"
_EXACT = (f"argMin(price, {_KEY})", f"argMax(price, {_KEY})")
_ANY = ("argMin(price, ts)", "argMax(price, ts)")


class ChDB(Minutes, Contestant):
    """All settings are the defaults of chDB.

    Trades are in a ReplacingMergeTree, read with FINAL: "Deduplication strategies" in ClickHouse's
    documentation. Symbols are LowCardinality ("Schema design"), Arrow tables go in by the table
    function `Python` ("How to query Apache Arrow with chDB").
    """

    durable: ClassVar[str] = "nothing: parts are left to the page cache (fsync_after_insert = 0)"

    def open(self) -> None:
        self.title = f"chDB {chdb.__version__}, ClickHouse {chdb.engine_version}"
        self._connect()
        self._session.query("CREATE DATABASE bench ENGINE = Atomic")
        self._session.query("USE bench")

    def _connect(self) -> None:
        self._session = Session(str(self.folder / "store"))

    def close(self) -> None:
        self._session.close()

    def stop(self) -> None:
        self.close()

    def start(self) -> None:
        self._connect()
        self._session.query("USE bench")
        if self._polars("SELECT * FROM trades ORDER BY ts DESC LIMIT 1").is_empty():
            raise RuntimeError("The trades are gone.")

    def _create(self, name: str, columns: str, order: str, kind: str = "MergeTree") -> None:
        query = f"CREATE TABLE {name} ({columns}) ENGINE = {kind} ORDER BY {order}"
        self._session.query(query)

    def _insert(self, into: str, rows: pa.Table, columns: str = "*") -> None:
        """`Python(rows)` finds the table by the name that it has here."""
        self._session.query(f"INSERT INTO {into} SELECT {columns} FROM Python(rows)")

    def load_history(self) -> None:
        self._create("history", _BARS, "ts")
        self._insert("history", inputs.table(self.inputs, "history"))

    def load_years(self) -> None:
        self._create("years", _BARS, "ts")
        self._insert("years", inputs.table(self.inputs, "years"))

    def load_wide(self) -> None:
        self._create("wide", _NAMED, "(symbol, ts)")
        self._insert("wide", inputs.table(self.inputs, "wide"))

    def load_joining(self) -> None:
        """With the symbol: its as-of join wants a column that is the same in both."""
        symbol = f"'{inputs.TRADED}' AS symbol, *"
        named = _TRADES.replace("ts ", "symbol LowCardinality(String), ts ", 1)
        self._create("joining_trades", named, "(symbol, ts, id)")
        self._insert("joining_trades", inputs.table(self.inputs, "joining_trades"), symbol)
        self._create("joining_bars", _NAMED, "(symbol, ts)")
        self._insert("joining_bars", inputs.table(self.inputs, "joining_bars"), symbol)

    def load_big(self) -> None:
        rows = inputs.table(self.inputs, "big")
        self._create("big", _NAMED, "(symbol, ts)")
        for name in inputs.BIG:
            self._insert("big", rows, f"'{name}' AS symbol, *")

    def settle(self) -> None:
        """Merge what the background would merge sooner or later; not 4 GB of rows in order."""
        parts = "SELECT DISTINCT table FROM system.parts WHERE database = 'bench' AND active"
        for name in self._polars(parts)["table"]:
            if name != "big":
                self._session.query(f"OPTIMIZE TABLE {name} FINAL")

    def _arrow(self, query: str) -> pa.Table:
        return self._session.query(query + _PLAIN, "ArrowTable")

    def _polars(self, query: str) -> pl.DataFrame:
        return pl.DataFrame(self._arrow(query))

    def history_polars(self) -> pl.DataFrame:
        return self._polars("SELECT * FROM history ORDER BY ts")

    def history_pandas(self) -> pd.DataFrame:
        return self._session.query("SELECT * FROM history ORDER BY ts", "DataFrame")

    @way("history_pandas", "Arrow")
    def history_pandas_arrow(self) -> pd.DataFrame:
        return self._arrow("SELECT * FROM history ORDER BY ts").to_pandas()

    def wide_frame(self) -> pl.DataFrame:
        return self._polars("SELECT * FROM wide ORDER BY symbol, ts")

    def wide_frames(self) -> dict[str, pd.DataFrame]:
        frame = self._session.query("SELECT * FROM wide ORDER BY symbol, ts", "DataFrame")
        return dict(iter(frame.groupby("symbol", sort=False)))

    def new_trades(self) -> None:
        self._create("trades", _TRADES, "(ts, id)", "ReplacingMergeTree")

    def write_main(self) -> None:
        self._put("main")

    def write_late(self) -> None:
        self._put("late")

    def _put(self, name: str) -> None:
        for batch in inputs.batches(self.inputs, name):
            self._insert("trades", pa.Table.from_batches([batch]))

    def trades(self) -> pl.DataFrame:
        return self._polars("SELECT * FROM trades FINAL ORDER BY ts, id")

    def candles(self) -> pl.DataFrame:
        return self._polars(minutes_of("trades FINAL", *_EXACT))

    @way("candles", "any of an instant")
    def candles_any(self) -> pl.DataFrame:
        return self._polars(minutes_of("trades FINAL", *_ANY))

    def tail(self) -> pl.DataFrame:
        newest = "SELECT * FROM years ORDER BY ts DESC LIMIT 100"
        return self._polars(f"SELECT * FROM ({newest}) ORDER BY ts")

    def day(self) -> pl.DataFrame:
        of_day = f"ts >= {_DAY_START} AND ts < {_DAY_END}"
        return self._polars(f"SELECT * FROM years WHERE {of_day} ORDER BY ts")

    def asof(self) -> Any:
        query = (
            "SELECT t.* EXCEPT symbol, b.* EXCEPT (symbol, ts) FROM joining_trades t"
            " ASOF LEFT JOIN joining_bars b ON t.symbol = b.symbol AND t.ts >= b.ts ORDER BY t.ts"
        )
        return self._polars(query)

    def read_big(self) -> int:
        with self._session.send_query("SELECT * FROM big" + _PLAIN, "Arrow") as stream:
            return sum(batch.num_rows for batch in stream.record_batch())
