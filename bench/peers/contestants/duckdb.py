"""DuckDB in this process: a database file, and the same rows as Parquet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa

from bench.peers import inputs
from bench.peers.contestant import Contestant, way
from bench.peers.contestants.duckdb_minutes import Minutes, minutes_of

_BARS = "ts TIMESTAMPTZ, open DOUBLE, high DOUBLE, low DOUBLE, close DOUBLE, volume DOUBLE"
_NAMED = f"symbol VARCHAR, {_BARS}"
_TRADES = "ts TIMESTAMPTZ, id VARCHAR, price DOUBLE, amount DOUBLE, side TINYINT"
_TAIL = "FROM (FROM {} ORDER BY ts DESC LIMIT 100) ORDER BY ts"
_DAY = "FROM {} WHERE ts >= ? AND ts < ?"
_DAY_START = datetime.fromtimestamp(inputs.DAY_START_NS // 10**9, UTC)
_ONE_DAY = [_DAY_START, _DAY_START + timedelta(days=1)]
# Of one instant the id decides, as in the right answer; without it any of them may be taken.
_EXACT = ("arg_min(price, (ts, id))", "arg_max(price, (ts, id))")
_ANY = ("arg_min(price, ts)", "arg_max(price, ts)")


class DuckDB(Minutes, Contestant):
    """All settings are the defaults: a commit syncs the log, all processors are used.

    Without ORDER BY rows come in the order of their insertion ("Order Preservation" in the
    documentation), which is what is asked here. Results are fetched as its "Python API" advises:
    by Arrow, `.pl()` and `.df()`. Rows go in from Arrow by a replacement scan, with the key and
    the conflict clause of "INSERT Statement".
    """

    durable: ClassVar[str] = "fsync of the log at each commit"

    def open(self) -> None:
        self.title = f"DuckDB {duckdb.__version__}"
        self._connect()

    def _connect(self) -> None:
        self._db = duckdb.connect(self.folder / "store.duckdb")
        self._db.execute("SET TimeZone = 'UTC'")

    def close(self) -> None:
        self._db.close()

    def stop(self) -> None:
        self.close()

    def start(self) -> None:
        self._connect()
        if self._db.sql("FROM trades ORDER BY ts DESC LIMIT 1").pl().is_empty():
            raise RuntimeError("The trades are gone.")

    def _create(self, name: str, columns: str, rows: pa.Table) -> None:
        self._db.execute(f"CREATE TABLE {name} ({columns})")
        self._insert(name, rows)

    def _insert(self, into: str, rows: pa.Table | pa.RecordBatch, select: str = "FROM new") -> None:
        self._db.register("new", rows)
        self._db.execute(f"INSERT INTO {into} {select}")
        self._db.unregister("new")

    def _load(self, name: str, columns: str) -> None:
        self._create(name, columns, inputs.table(self.inputs, name))
        self._db.execute(f"COPY {name} TO '{self._parquet(name)}'")

    def _parquet(self, name: str) -> str:
        return str(self.folder / f"{name}.parquet")

    def load_history(self) -> None:
        self._load("history", _BARS)

    def load_years(self) -> None:
        self._load("years", _BARS)

    def load_wide(self) -> None:
        self._load("wide", _NAMED)

    def load_joining(self) -> None:
        self._create("joining_trades", _TRADES, inputs.table(self.inputs, "joining_trades"))
        self._create("joining_bars", _BARS, inputs.table(self.inputs, "joining_bars"))

    def load_big(self) -> None:
        rows = inputs.table(self.inputs, "big")
        self._db.execute(f"CREATE TABLE big ({_NAMED})")
        for name in inputs.BIG:
            self._insert("big", rows, f"SELECT '{name}', * FROM new")

    def settle(self) -> None:
        self._db.execute("CHECKPOINT")

    def history_polars(self) -> pl.DataFrame:
        return self._db.sql("FROM history").pl()

    @way("history_polars", "ORDER BY")
    def history_polars_ordered(self) -> pl.DataFrame:
        return self._db.sql("FROM history ORDER BY ts").pl()

    @way("history_polars", "Parquet")
    def history_polars_parquet(self) -> pl.DataFrame:
        return self._db.sql(f"FROM '{self._parquet('history')}'").pl()

    def history_pandas(self) -> pd.DataFrame:
        return self._db.sql("FROM history").to_arrow_table().to_pandas()

    @way("history_pandas", "df")
    def history_pandas_df(self) -> pd.DataFrame:
        return self._db.sql("FROM history").df()

    @way("history_pandas", "Parquet")
    def history_pandas_parquet(self) -> pd.DataFrame:
        return self._db.sql(f"FROM '{self._parquet('history')}'").to_arrow_table().to_pandas()

    def wide_frame(self) -> pl.DataFrame:
        return self._db.sql("FROM wide").pl()

    @way("wide_frame", "Parquet")
    def wide_frame_parquet(self) -> pl.DataFrame:
        return self._db.sql(f"FROM '{self._parquet('wide')}'").pl()

    def wide_frames(self) -> dict[str, pd.DataFrame]:
        return dict(iter(self._db.sql("FROM wide").df().groupby("symbol", sort=False)))

    def new_trades(self) -> None:
        self._db.execute(f"CREATE TABLE trades ({_TRADES}, PRIMARY KEY (ts, id))")

    def write_main(self) -> None:
        self._put("main")

    def write_late(self) -> None:
        self._put("late")

    def _put(self, name: str) -> None:
        for batch in inputs.batches(self.inputs, name):
            self._insert("trades", batch, "FROM new ON CONFLICT DO NOTHING")

    def trades(self) -> pl.DataFrame:
        return self._db.sql("FROM trades").pl()

    def candles(self) -> pl.DataFrame:
        return self._db.sql(minutes_of("trades", *_EXACT)).pl()

    @way("candles", "any of an instant")
    def candles_any(self) -> pl.DataFrame:
        return self._db.sql(minutes_of("trades", *_ANY)).pl()

    def tail(self) -> pl.DataFrame:
        return self._db.sql(_TAIL.format("years")).pl()

    @way("tail", "Parquet")
    def tail_parquet(self) -> pl.DataFrame:
        return self._db.sql(_TAIL.format(f"'{self._parquet('years')}'")).pl()

    def day(self) -> pl.DataFrame:
        return self._db.sql(_DAY.format("years"), params=_ONE_DAY).pl()

    @way("day", "Parquet")
    def day_parquet(self) -> pl.DataFrame:
        source = f"'{self._parquet('years')}'"
        return self._db.sql(_DAY.format(source), params=_ONE_DAY).pl()

    def asof(self) -> Any:
        query = (
            "SELECT t.*, b.* EXCLUDE (ts) FROM joining_trades t"
            " ASOF LEFT JOIN joining_bars b ON t.ts >= b.ts ORDER BY t.ts"
        )
        return self._db.sql(query).pl()

    def read_big(self) -> int:
        return sum(batch.num_rows for batch in self._db.sql("FROM big").to_arrow_reader())
