"""PostgreSQL: what most who need a database take first; psycopg, and ADBC where rows are many."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any, ClassVar

import adbc_driver_postgresql.dbapi
import pandas as pd
import polars as pl
import psycopg
import pyarrow as pa

from bench.peers import inputs
from bench.peers.contestant import Contestant, way
from bench.peers.contestants import postgresql_rows as rows
from bench.peers.contestants import postgresql_sql as sql
from bench.peers.contestants.postgresql_live import Live
from bench.peers.contestants.postgresql_server import Server

_BAR = {
    "ts": pl.Datetime("us", "UTC"),
    **dict.fromkeys(["open", "high", "low", "close", "volume"], pl.Float64),
}
_DAY = datetime.fromtimestamp(inputs.DAY_START_NS / 10**9, UTC)


class PostgreSQL(Live, Contestant):
    """One table of bars and one of trades, the symbol by its number in a third."""

    durable: ClassVar[str] = "fdatasync of its log before each commit"

    def open(self) -> None:
        self._server = Server(self.folder)
        self._server.start()
        self._connect()
        release = self._db.execute("show server_version").fetchone()
        assert release is not None
        self.title = f"PostgreSQL {release[0].split()[0]}, psycopg {version('psycopg')}"
        self._db.execute(sql.TABLES)

    def _connect(self) -> None:
        self._db = psycopg.connect(self._server.address, autocommit=True)
        self._arrow = adbc_driver_postgresql.dbapi.connect(self._server.address, autocommit=True)
        self._db.execute(sql.ARRIVING)
        self._prepared = self._db.cursor(binary=True)

    def _disconnect(self) -> None:
        self._hang_up()
        self._db.close()
        self._arrow.close()

    def close(self) -> None:
        self._disconnect()
        self._server.stop()

    def processes(self) -> list[int]:
        return [self._server.pid] if self._server.pid else []

    def stop(self) -> None:
        self.close()

    def kill(self) -> None:
        self._server.kill()
        self._disconnect()

    def start(self) -> None:
        self._server.start()
        self._connect()
        if self._db.execute("select from trades limit 1").fetchone() is None:
            raise RuntimeError("The trades are gone.")

    def _id(self, name: str) -> int:
        """The number of a symbol, which is given to it if it is new."""
        self._db.execute("insert into symbols (name) values (%s) on conflict do nothing", [name])
        found = self._db.execute("select id from symbols where name = %s", [name]).fetchone()
        assert found is not None
        return int(found[0])

    def _load(self, table: str, loaded: pa.Table) -> None:
        with self._arrow.cursor() as cursor:
            cursor.adbc_ingest(table, loaded, mode="append")

    def _load_candles(self, loaded: pa.Table) -> None:
        self._load("candles", loaded)
        self._db.execute(sql.CANDLES_KEY)

    def load_history(self) -> None:
        self._history = self._id(inputs.HISTORY)
        self._load_candles(rows.bars(self.inputs, "history", self._history))

    def load_years(self) -> None:
        self._years = self._id(inputs.YEARS)
        self._load_candles(rows.bars(self.inputs, "years", self._years))

    def load_wide(self) -> None:
        names = inputs.table(self.inputs, "wide")["symbol"].unique().to_pylist()
        self._load_candles(rows.wide(self.inputs, {name: self._id(name) for name in names}))

    def load_joining(self) -> None:
        traded = self._id(inputs.TRADED)
        self._load("trades", rows.trades(self.inputs, "joining_trades", traded))
        self._load_candles(rows.bars(self.inputs, "joining_bars", traded))

    def load_big(self) -> None:
        for name in inputs.BIG:
            self._load("candles", rows.bars(self.inputs, "big", self._id(name)))
        self._db.execute(sql.CANDLES_KEY)

    def settle(self) -> None:
        self._db.execute("vacuum analyze")
        self._db.execute("checkpoint")

    def _table(self, question: str) -> pa.Table:
        with self._arrow.cursor() as cursor:
            cursor.execute(question)
            return cursor.fetch_arrow_table()

    def _frame(self, question: str) -> pl.DataFrame:
        frame = pl.from_arrow(self._table(question))
        assert isinstance(frame, pl.DataFrame)
        return frame

    @way("history_polars", "ADBC")
    def history_polars(self) -> pl.DataFrame:
        return self._frame(sql.history(self._history))

    @way("history_pandas", "ADBC")
    def history_pandas(self) -> pd.DataFrame:
        return self._table(sql.history(self._history)).to_pandas()

    @way("history_pandas", "fetch loop")
    def history_pandas_looped(self) -> pd.DataFrame:
        return self._looped(binary=False)

    @way("history_pandas", "fetch loop, binary")
    def history_pandas_looped_binary(self) -> pd.DataFrame:
        return self._looped(binary=True)

    def _looped(self, *, binary: bool) -> pd.DataFrame:
        with self._db.cursor(binary=binary) as cursor:
            found = cursor.execute(sql.history(self._history)).fetchall()
        return pd.DataFrame(found, columns=list(_BAR))

    @way("wide_frame", "ADBC")
    def wide_frame(self) -> pl.DataFrame:
        return self._frame(sql.WIDE)

    @way("wide_frames", "ADBC")
    def wide_frames(self) -> dict[str, pd.DataFrame]:
        """One question: thousands of small ones take longer than to cut its answer."""
        found = self._frame(sql.WIDE)
        whole, first, frames = found.drop("symbol").to_pandas().set_index("ts"), 0, {}
        for length, name in found["symbol"].rle().struct.unnest().iter_rows():
            frames[name] = whole.iloc[first : first + length]
            first += length
        return frames

    def new_trades(self) -> None:
        self._traded = self._id(inputs.TRADED)

    def write_main(self) -> None:
        self._put("main")

    def write_late(self) -> None:
        self._put("late")

    def write_corrections(self) -> None:
        self._put("corrections")

    def _put(self, name: str) -> None:
        for batch in inputs.batches(self.inputs, name):
            with self._db.transaction(), self._db.cursor() as cursor:
                with cursor.copy(sql.COPY_ARRIVING) as copy:
                    copy.write(rows.copied(batch))
                cursor.execute(sql.TAKE_ARRIVING, [self._traded])

    def trades(self) -> pl.DataFrame:
        return self._frame(sql.trades(self._traded))

    def candles(self) -> pl.DataFrame:
        return self._frame(sql.candles(self._traded))

    def _asked(self, question: str, parameters: list[Any]) -> pl.DataFrame:
        found = self._prepared.execute(question, parameters, prepare=True).fetchall()
        return pl.DataFrame(found, schema=_BAR, orient="row")

    @way("tail", "prepared")
    def tail(self) -> pl.DataFrame:
        return self._asked(sql.TAIL, [self._years]).reverse()

    @way("day", "prepared")
    def day(self) -> pl.DataFrame:
        return self._asked(sql.DAY, [self._years, _DAY, _DAY + timedelta(days=1)])

    @way("day", "ADBC")
    def day_adbc(self) -> pl.DataFrame:
        return self._frame(sql.day(self._years, _DAY))

    def asof(self) -> pl.DataFrame:
        return self._frame(sql.asof(self._id(inputs.TRADED)))

    def read_big(self) -> int:
        numbers = ", ".join(str(self._id(name)) for name in inputs.BIG)
        question = f"select {sql.BAR} from candles where symbol_id in ({numbers})"
        with self._arrow.cursor() as cursor:
            cursor.execute(question)
            return sum(batch.num_rows for batch in cursor.fetch_record_batch())
