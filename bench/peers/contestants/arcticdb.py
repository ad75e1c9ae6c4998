"""ArcticDB on LMDB, in this process."""

from __future__ import annotations

from typing import Any, ClassVar

import arcticdb
import pandas as pd
import polars as pl
import pyarrow as pa
from arcticdb import QueryBuilder, ReadRequest, WritePayload
from arcticdb.exceptions import ArcticException
from arcticdb.version_store.library import MergeStrategy

from bench.peers import inputs
from bench.peers.contestant import Contestant, way

_BARS = ["open", "high", "low", "close", "volume"]
_INSERT_NEW = MergeStrategy(matched="do_nothing", not_matched_by_target="insert")
_MINUTES = {
    "open": ("price", "first"),
    "high": ("price", "max"),
    "low": ("price", "min"),
    "close": ("price", "last"),
    "volume": ("amount", "sum"),
}


class ArcticDB(Contestant):
    """A library with default options; a symbol for each series, indexed by time.

    It takes pandas frames and gives pandas, polars or Arrow. `append` takes what is not older than
    the newest row ("Library API" in the documentation) and removes no duplicates. What it refuses
    goes to `merge_experimental`, which inserts the rows that are not there by time and id; of its
    documented ways it is the only one that keeps the others (`update` replaces a whole range).
    """

    durable: ClassVar[str] = "fdatasync in each transaction of LMDB"

    def open(self) -> None:
        self.title = f"ArcticDB {arcticdb.__version__}, LMDB"
        self._library = self._arctic().create_library("bench")
        self._frames: dict[str, list[pd.DataFrame]] = {}

    def _arctic(self) -> arcticdb.Arctic:
        return arcticdb.Arctic(f"lmdb://{self.folder}/arctic")

    def close(self) -> None:
        """The file is closed with the last reference to it."""
        del self._library

    def stop(self) -> None:
        self.close()

    def start(self) -> None:
        self._library = self._arctic().get_library("bench")
        if self._library.tail("trades", 1).data.empty:
            raise RuntimeError("The trades are gone.")

    def _write(self, name: str) -> None:
        self._library.write(name, _pandas(inputs.table(self.inputs, name)))

    def load_history(self) -> None:
        self._write("history")

    def load_years(self) -> None:
        self._write("years")

    def load_wide(self) -> None:
        wide = inputs.table(self.inputs, "wide").to_pandas().set_index("ts")
        parts = dict(iter(wide.groupby("symbol", sort=False)))
        self._names = list(parts)
        self._library.write_batch([WritePayload(name, part) for name, part in parts.items()])

    def load_joining(self) -> None:
        self._write("joining_trades")
        self._write("joining_bars")

    def load_big(self) -> None:
        rows = _pandas(inputs.table(self.inputs, "big"))
        for name in inputs.BIG:
            self._library.write(name, rows)

    def settle(self) -> None:
        for name in ("trades", "history", "years"):
            if self._library.has_symbol(name):
                self._library.prune_previous_versions(name)
        if self._library.has_symbol("trades") and self._library.is_symbol_fragmented("trades"):
            self._library.defragment_symbol_data("trades", prune_previous_versions=True)

    def _polars(self, name: str, **options: Any) -> pl.DataFrame:
        return self._library.read(name, output_format="POLARS", **options).data

    def history_polars(self) -> pl.DataFrame:
        return self._polars("history")

    def history_pandas(self) -> pd.DataFrame:
        return self._library.read("history").data

    def wide_frame(self) -> pl.DataFrame:
        """The symbol is a column of each, so that it is in what they are joined to."""
        every = [ReadRequest(name) for name in self._names]
        joined = QueryBuilder().concat("outer")
        return self._library.read_batch_and_join(every, joined, output_format="POLARS").data

    @way("wide_frame", "read_batch, polars concat")
    def wide_frame_concat(self) -> pl.DataFrame:
        found = self._library.read_batch(list(self._names), output_format="POLARS")
        return pl.concat([item.data for item in found])

    def wide_frames(self) -> dict[str, pd.DataFrame]:
        every = [ReadRequest(name, columns=_BARS) for name in self._names]
        return {item.symbol: item.data for item in self._library.read_batch(every)}

    def new_trades(self) -> None:
        """Its users have pandas frames: making them of the rows is nobody's cost."""
        for name in ("main", "late", "corrections"):
            if inputs.path(self.inputs, name).exists():
                batches = inputs.batches(self.inputs, name)
                self._frames[name] = [_pandas(pa.Table.from_batches([batch])) for batch in batches]

    def write_main(self) -> None:
        self._put("main")

    def write_late(self) -> None:
        self._put("late")

    def _put(self, name: str) -> None:
        for rows in self._frames[name]:
            try:
                self._library.append("trades", rows)
            except ArcticException:  # older than the newest row, or not in order
                ordered = rows.sort_index(kind="stable")
                self._library.merge_experimental("trades", ordered, _INSERT_NEW, on=["id"])

    def trades(self) -> pl.DataFrame:
        return self._polars("trades")

    def candles(self) -> pl.DataFrame:
        """Of one instant, what came in first is the first: there is no way to say otherwise."""
        return self._polars("trades", query_builder=QueryBuilder().resample("1min").agg(_MINUTES))

    @way("candles", "read, polars")
    def candles_polars(self) -> pl.DataFrame:
        ordered = self._polars("trades", columns=["id", "price", "amount"]).sort("ts", "id")
        return ordered.group_by_dynamic("ts", every="1m").agg(
            open=pl.col("price").first(),
            high=pl.col("price").max(),
            low=pl.col("price").min(),
            close=pl.col("price").last(),
            volume=pl.col("amount").sum(),
        )

    def tail(self) -> pl.DataFrame:
        return self._library.tail("years", 100, output_format="POLARS").data

    def day(self) -> pl.DataFrame:
        start = pd.Timestamp(inputs.DAY_START_NS)
        last = pd.Timestamp(inputs.DAY_START_NS + inputs.DAY_NS - 1)  # both ends are included
        return self._polars("years", date_range=(start, last))

    def asof(self) -> pl.DataFrame:
        """It has no such join: both are read, and polars joins them."""
        return self._polars("joining_trades").join_asof(self._polars("joining_bars"), on="ts")

    def read_big(self) -> int:
        return sum(
            self._library.read(name, output_format="PYARROW").data.num_rows for name in inputs.BIG
        )


def _pandas(rows: pa.Table) -> pd.DataFrame:
    return rows.to_pandas().set_index("ts")
