"""The recorded market data (see its README), as the columns the store keeps."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.feather

from flightstore_proto.schemas import CANDLES, TRADES

BTC_FILE = "bitfinex/BTCUSD_1m_2013-04-01_2019-12-31.csv.xz"
BTC_ROWS = 2_630_217
SPOT_FILE = "binance_trades/spot_btcusdt_trades_raw.txt.xz"
SPOT_ROWS = 19_904


def bitfinex_bars(folder: Path, file: str = BTC_FILE) -> pa.Table:
    """Bars of one of the Bitfinex files, in its order."""
    with lzma.open(folder / file) as text:
        frame = pl.read_csv(text.read())
    times = frame["ts"].to_numpy() * 1_000_000
    columns = [pa.array(times, pa.timestamp("ns", "UTC"))]
    columns += [pa.array(frame[name].cast(pl.Float64).to_numpy()) for name in CANDLES.names[1:]]
    return pa.table(columns, schema=CANDLES)


def binance_trades(folder: Path, file: str = SPOT_FILE) -> pa.Table:
    """Trades of one of the websocket recordings, in the order of their ids."""
    rows = sorted(_trades(folder / file), key=lambda row: int(row[1]))
    columns = [pa.array(list(column)) for column in zip(*rows, strict=True)]
    return pa.table([c.cast(f.type) for c, f in zip(columns, TRADES, strict=True)], schema=TRADES)


def _trades(path: Path) -> Iterator[tuple[int, str, float, float, int]]:
    with lzma.open(path, "rt") as lines:
        for line in lines:
            said = json.loads(line.partition(" ")[2])["data"]
            side = -1 if said["m"] else 1  # the buyer was the maker: the taker sold
            price, amount = float(said["p"]), float(said["q"])
            yield said["T"] * 1_000_000, str(said["t"]), price, amount, side


def freqtrade(folder: Path, file: str) -> pa.Table:
    """One of the freqtrade files as it is."""
    return pyarrow.feather.read_table(folder / "freqtrade" / file)


def same_bits(one: pa.Table, other: pa.Table) -> bool:
    """Whether both hold the same values in the same order, floats compared bit for bit."""
    if one.schema.names != other.schema.names or one.num_rows != other.num_rows:
        return False
    return all(
        bool((_bits(one.column(name)) == _bits(other.column(name))).all())
        for name in one.schema.names
    )


def _bits(column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_string(column.type):
        return np.array(column.to_pylist(), object)
    values = column.to_numpy()
    return values.view(np.int64) if values.dtype.itemsize == 8 else values
