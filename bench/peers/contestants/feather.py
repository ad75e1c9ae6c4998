"""Plain Feather files and polars: what many use who have no database at all."""

from __future__ import annotations

from typing import ClassVar

import pandas as pd
import polars as pl
import pyarrow as pa

from bench.peers import inputs
from bench.peers.contestant import Contestant


class Feather(Contestant):
    """One file per series, uncompressed, read whole."""

    durable: ClassVar[str] = "one fdatasync at the end of a file"

    def open(self) -> None:
        self.title = f"Feather files, polars {pl.__version__}"

    def _write(self, name: str, rows: pa.Table) -> None:
        with pa.ipc.new_file(self.folder / f"{name}.arrow", rows.schema) as writer:
            writer.write_table(rows)

    def load_history(self) -> None:
        self._write("history", inputs.table(self.inputs, "history"))

    def load_years(self) -> None:
        self._write("years", inputs.table(self.inputs, "years"))

    def history_polars(self) -> pl.DataFrame:
        return pl.read_ipc(self.folder / "history.arrow")

    def history_pandas(self) -> pd.DataFrame:
        return pd.read_feather(self.folder / "history.arrow")

    def tail(self) -> pl.DataFrame:
        return pl.read_ipc(self.folder / "years.arrow").tail(100)

    def day(self) -> pl.DataFrame:
        return inputs.day(pl.read_ipc(self.folder / "years.arrow"))
