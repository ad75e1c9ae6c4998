"""Plain Feather files and polars: what many use who have no database at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

import pandas as pd
import polars as pl
import pyarrow as pa

from bench.peers import inputs
from bench.peers.contestant import Contestant
from flightstore_proto.schemas import TRADES


class Feather(Contestant):
    """One file per series, uncompressed.

    Trades are appended to a stream of record batches, which has neither a key nor an order: what
    is sent again is there twice, and readers sort.
    """

    durable: ClassVar[str] = "fdatasync after each batch"

    def open(self) -> None:
        self.title = f"Feather files, polars {pl.__version__}"

    def close(self) -> None:
        if hasattr(self, "_stream"):
            self._stream.close()

    def _file(self, name: str) -> Path:
        return self.folder / f"{name.replace('/', '-')}.arrow"

    def _write(self, name: str, rows: pa.Table) -> None:
        with pa.ipc.new_file(self._file(name), rows.schema) as writer:
            writer.write_table(rows)

    def _copy(self, name: str) -> None:
        self._write(name, inputs.table(self.inputs, name))

    def load_history(self) -> None:
        self._copy("history")

    def load_years(self) -> None:
        self._copy("years")

    def load_wide(self) -> None:
        (self.folder / "wide").mkdir()
        wide = pl.DataFrame(inputs.table(self.inputs, "wide"))
        self._symbols = {
            symbol: self.folder / "wide" / f"{symbol.replace('/', '-')}.arrow"
            for symbol in wide["symbol"].unique(maintain_order=True)
        }
        for (symbol,), rows in wide.partition_by("symbol", as_dict=True).items():
            table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
            with pa.ipc.new_file(self._symbols[symbol], table.schema) as writer:
                writer.write_table(table)

    def load_joining(self) -> None:
        self._copy("joining_trades")
        self._copy("joining_bars")

    def load_big(self) -> None:
        rows = inputs.table(self.inputs, "big")
        for name in inputs.BIG:
            self._write(name, rows)

    def history_polars(self) -> pl.DataFrame:
        return pl.read_ipc(self._file("history"))

    def history_pandas(self) -> pd.DataFrame:
        return pd.read_feather(self._file("history"))

    def wide_frame(self) -> pl.DataFrame:
        return pl.concat([pl.read_ipc(path) for path in self._symbols.values()], rechunk=True)

    def wide_frames(self) -> dict[str, pd.DataFrame]:
        return {symbol: pd.read_feather(path) for symbol, path in self._symbols.items()}

    def new_trades(self) -> None:
        self._stream = self._file("trades").open("wb")
        self._writer = pa.ipc.new_stream(self._stream, TRADES)

    def write_main(self) -> None:
        self._put("main")

    def write_late(self) -> None:
        self._put("late")

    def _put(self, name: str) -> None:
        for batch in inputs.batches(self.inputs, name):
            self._writer.write_batch(batch)
            self._stream.flush()
            os.fdatasync(self._stream.fileno())

    def trades(self) -> pl.DataFrame:
        with pa.memory_map(str(self._file("trades"))) as file:
            return pl.DataFrame(pa.ipc.open_stream(file).read_all())

    def candles(self) -> pl.DataFrame:
        ordered = self.trades().sort("ts", "id")
        return ordered.group_by_dynamic("ts", every="1m").agg(
            open=pl.col("price").first(),
            high=pl.col("price").max(),
            low=pl.col("price").min(),
            close=pl.col("price").last(),
            volume=pl.col("amount").sum(),
        )

    def tail(self) -> pl.DataFrame:
        return pl.scan_ipc(self._file("years")).tail(100).collect()

    def day(self) -> pl.DataFrame:
        return inputs.day(pl.read_ipc(self._file("years")))

    def asof(self) -> pl.DataFrame:
        bars = pl.read_ipc(self._file("joining_bars"))
        return pl.read_ipc(self._file("joining_trades")).join_asof(bars, on="ts")

    def read_big(self) -> int:
        """By reads into memory: of a mapped file nothing would be read before it is used."""
        rows = 0
        for name in inputs.BIG:
            with pa.OSFile(str(self._file(name))) as file:
                reader = pa.ipc.open_file(file)
                for number in range(reader.num_record_batches):
                    rows += reader.get_batch(number).num_rows
        return rows
