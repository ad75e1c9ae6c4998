"""flightstore: over the wire, and mapped where the client is on the server's machine."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, ClassVar

import pandas as pd
import polars as pl

import flightstore as fs
from bench.peers import inputs
from bench.peers.contestant import Contestant, way
from bench.peers.contestants.flightstore_growth import Growth
from bench.peers.contestants.flightstore_live import Live
from bench.peers.contestants.flightstore_server import Server

_SERIES_A_PUT = 500  # of the wide rows


class Flightstore(Live, Growth, Contestant):
    durable: ClassVar[str] = "fdatasync before each acknowledgement"

    def open(self) -> None:
        self.title = f"flightstore {version('flightstore')}"
        self._serve()

    def _serve(self) -> None:
        self._server = Server(self.folder / "store")
        self._db = fs.connect(self._server.uri, same_host=False)
        self._mapping = fs.connect(self._server.uri, same_host=True)

    def close(self) -> None:
        self._hang_up()
        self._db.close()
        self._mapping.close()
        self._server.stop()

    def processes(self) -> list[int]:
        return [self._server.pid]

    def stop(self) -> None:
        self.close()

    def kill(self) -> None:
        self._server.kill()
        self.close()

    def start(self) -> None:
        self._serve()
        if self._db.trades(inputs.TRADED, tail=1).is_empty():
            raise RuntimeError("The trades are gone.")

    def load_history(self) -> None:
        self._db.write(inputs.HISTORY, inputs.table(self.inputs, "history"), timeframe="1m")

    def load_years(self) -> None:
        self._db.write(inputs.YEARS, inputs.table(self.inputs, "years"), timeframe="1m")

    def load_wide(self) -> None:
        wide = pl.DataFrame(inputs.table(self.inputs, "wide"))
        names = wide["symbol"].unique(maintain_order=True)
        for first in range(0, len(names), _SERIES_A_PUT):
            some = wide.filter(pl.col("symbol").is_in(names[first : first + _SERIES_A_PUT]))
            parts = some.partition_by("symbol", as_dict=True, include_key=False)
            frames = {f"wide:{symbol}": part for (symbol,), part in parts.items()}
            self._db.write_many(frames, timeframe="1d")

    def load_joining(self) -> None:
        rows = inputs.table(self.inputs, "joining_trades")
        self._db.write(inputs.TRADED, rows, dataset="trades")
        rows = inputs.table(self.inputs, "joining_bars")
        self._db.write(inputs.TRADED, rows, timeframe="1m")

    def load_big(self) -> None:
        rows = inputs.table(self.inputs, "big")
        for name in inputs.BIG:
            self._db.write(name, rows, timeframe="1s")

    def settle(self) -> None:
        self._db.flush()

    def history_polars(self) -> pl.DataFrame:
        return self._db.candles(inputs.HISTORY, "1m")

    @way("history_polars", "same host")
    def history_polars_mapped(self) -> pl.DataFrame:
        return self._mapping.candles(inputs.HISTORY, "1m")

    def history_pandas(self) -> pd.DataFrame:
        return self._db.candles(inputs.HISTORY, "1m", output="pandas")

    @way("history_pandas", "same host")
    def history_pandas_mapped(self) -> pd.DataFrame:
        return self._mapping.candles(inputs.HISTORY, "1m", output="pandas")

    def wide_frame(self) -> pl.DataFrame:
        return self._db.candles("wide:*", "1d")

    @way("wide_frame", "same host")
    def wide_frame_mapped(self) -> pl.DataFrame:
        return self._mapping.candles("wide:*", "1d")

    def wide_frames(self) -> dict[str, pd.DataFrame]:
        found = self._db.candles("wide:*", "1d", output="pandas", layout="dict")
        return {name.partition(":")[2]: found[name] for name in found}

    def new_trades(self) -> None:
        """A first put makes the series."""

    def write_main(self) -> None:
        self._put("main")

    def write_late(self) -> None:
        self._put("late")

    def trades(self) -> pl.DataFrame:
        return self._db.trades(inputs.TRADED)

    def candles(self) -> pl.DataFrame:
        return self._db.candles(inputs.TRADED, "1m", resample_from="trades")

    def tail(self) -> pl.DataFrame:
        return self._db.candles(inputs.YEARS, "1m", tail=100)

    @way("tail", "same host")
    def tail_mapped(self) -> pl.DataFrame:
        return self._mapping.candles(inputs.YEARS, "1m", tail=100)

    def day(self) -> pl.DataFrame:
        start, end = inputs.DAY_START_NS, inputs.DAY_START_NS + inputs.DAY_NS
        return self._db.candles(inputs.YEARS, "1m", pd.Timestamp(start), pd.Timestamp(end))

    def asof(self) -> Any:
        left = fs.Rows("trades", inputs.TRADED)
        return self._db.asof(left, fs.Rows("candles", inputs.TRADED, "1m"))

    def read_big(self) -> int:
        with self._db.batches(inputs.BIG, "1s") as batches:
            return sum(batch.num_rows for batch in batches)
