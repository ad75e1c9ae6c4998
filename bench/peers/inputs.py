"""The rows that every contestant is given, as Arrow files in one folder, and the right answers.

    history         1.27 M minute bars of BTC/USDT                               ts, open ... volume
    wide            7,700 symbols of 870 daily bars, one after another           symbol, ts, ...
    years           five years of minute bars of ETH/USDT, 2,629,440 rows
    main, late      5.5 M trades of thirty days, in batches of 50,000: a tenth was drawn at random,
                    shuffled and put into `late`; about a third share their millisecond with another
    joining_trades  1 M trades, and
    joining_bars    200,000 minute bars of the same time
    corrections     1,000 trades of those thirty days, with ids of their own, in one batch
    big             2 M bars, one per second: 96 MB. Loaded under each of `BIG`, that is 4 GB

All are made from fixed seeds. A quick run has a tenth of the rows, and all corrections. W7 has a
folder of its own, in which `main` is a fifth of what it is elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from bench import inputs as made
from flightstore_proto.schemas import TRADES

BATCH = 50_000
TRADES_MAIN, TRADES_LATE = 5_000_000, 500_000
DAY_NS = made.DAY_NS
TRADED_NS = 30 * DAY_NS
YEARS_ROWS = (5 * 365 + 1) * 1_440  # 2020 was a leap year
HISTORY, YEARS, TRADED = "bench:BTC/USDT", "bench:ETH/USDT", "bench:TRADED/USDT"
BIG = [f"bench:BIG{number:02}/USDT" for number in range(42)]
BIG_ROWS = 2_000_000
CORRECTIONS = 1_000
DAY_START_NS = made.START_NS + 900 * DAY_NS  # W5's day, in the middle of the five years
KEY = ["ts", "id"]


class Inputs:
    """The files, made when they are first asked for. `share`: of how many rows one is kept."""

    def __init__(self, folder: Path, share: int = 1) -> None:
        self.folder, self.share = folder, share

    def make(self, *names: str) -> None:
        """Write the files of these names, unless they are there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            if not self.path(name).exists():
                _MAKERS[name](self)

    def path(self, name: str) -> Path:
        return path(self.folder, name)

    def rows(self, *names: str) -> int:
        """How many rows some files have together."""
        self.make(*names)
        return sum(table(self.folder, name).num_rows for name in names)

    def frame(self, *names: str) -> pl.DataFrame:
        """The rows of some files together."""
        self.make(*names)
        frame = pl.from_arrow(pa.concat_tables(table(self.folder, name) for name in names))
        assert isinstance(frame, pl.DataFrame)
        return frame

    def write(self, name: str, rows: pa.Table, batch: int = made.BATCH_ROWS_MAX) -> None:
        with pa.ipc.new_file(self.path(name), rows.schema) as writer:
            writer.write_table(rows.combine_chunks(), max_chunksize=batch)


def path(folder: Path, name: str) -> Path:
    return folder / f"{name}.arrow"


def table(folder: Path, name: str) -> pa.Table:
    """The rows of a file, mapped and not read."""
    return pa.ipc.open_file(pa.memory_map(str(path(folder, name)))).read_all()


@cache
def batches(folder: Path, name: str) -> list[pa.RecordBatch]:
    """The batches of a file as they were written, in memory: reading them is nobody's cost."""
    with pa.OSFile(str(path(folder, name))) as file:
        reader = pa.ipc.open_file(file)
        return [reader.get_batch(number) for number in range(reader.num_record_batches)]


def wide_names(share: int = 1) -> list[str]:
    """The symbols of `wide`, in order."""
    return [f"S{number:05}/USD" for number in range(made.WIDE_SERIES // share)]


def _history(of: Inputs) -> None:
    of.write("history", made.bars(made.HISTORY_ROWS // of.share, made.MINUTE_NS))


def _years(of: Inputs) -> None:
    of.write("years", made.bars(YEARS_ROWS, made.MINUTE_NS, seed=1))


def _wide(of: Inputs) -> None:
    parts = []
    for number, name in enumerate(wide_names(of.share)):
        rows = made.wide_series(number)
        symbol = pa.array([name], pa.utf8()).take(pa.nulls(rows.num_rows, pa.int32()).fill_null(0))
        parts.append(rows.add_column(0, "symbol", symbol))
    of.write("wide", pa.concat_tables(parts))


def _trades(of: Inputs) -> None:
    rows = (TRADES_MAIN + TRADES_LATE) // of.share
    everything = trades(rows)
    late = np.zeros(rows, bool)
    draw = np.random.default_rng(5)
    late[draw.choice(rows, TRADES_LATE // of.share, replace=False)] = True
    of.write("main", everything.filter(pa.array(~late)), BATCH)
    shuffled = draw.permutation(np.flatnonzero(late))
    of.write("late", everything.take(pa.array(shuffled)), BATCH)


def trades(rows: int) -> pa.Table:
    """Trades of an exchange that tells milliseconds: one order often makes several at once."""
    draw = np.random.default_rng(4)
    orders = np.repeat(np.arange(rows), draw.geometric(0.6, rows))[:rows]
    ms = np.sort(draw.integers(0, TRADED_NS // 10**6, rows))
    price = 100 * np.exp(np.cumsum(draw.normal(0, 1e-5, rows)))
    columns = [
        pa.array(made.START_NS + ms[orders] * 10**6).cast(pa.timestamp("ns", "UTC")),
        pa.array(np.arange(rows) + 10**9).cast(pa.utf8()),
        pa.array(price),
        pa.array(draw.exponential(0.1, rows)),
        pa.array(draw.choice(np.array([-1, 1], np.int8), rows)),
    ]
    return pa.Table.from_arrays(columns, schema=TRADES)


def _corrections(of: Inputs) -> None:
    draw = np.random.default_rng(6)
    rows = trades(CORRECTIONS)
    ms = np.sort(draw.integers(0, TRADED_NS // 10**6, CORRECTIONS))
    ts = pa.array(made.START_NS + ms * 10**6).cast(pa.timestamp("ns", "UTC"))
    ids = pa.array(np.arange(CORRECTIONS) + 2 * 10**9).cast(pa.utf8())
    columns = [ts, ids, *rows.columns[2:]]
    of.write("corrections", pa.Table.from_arrays(columns, schema=TRADES), BATCH)


def _big(of: Inputs) -> None:
    of.write("big", made.bars(BIG_ROWS // of.share, 10**9, seed=2))


def _joining(of: Inputs) -> None:
    left, right = made.joining(5 * of.share)
    of.write("joining_trades", left, BATCH)
    of.write("joining_bars", right)


_MAKERS: dict[str, Callable[[Inputs], None]] = {
    "history": _history,
    "wide": _wide,
    "years": _years,
    "main": _trades,
    "late": _trades,
    "corrections": _corrections,
    "big": _big,
    "joining_trades": _joining,
    "joining_bars": _joining,
}


def day(years: pl.DataFrame) -> pl.DataFrame:
    """The right answer to W5's question for one day."""
    start = pl.lit(DAY_START_NS).cast(pl.Datetime("ns", "UTC"))
    end = pl.lit(DAY_START_NS + DAY_NS).cast(pl.Datetime("ns", "UTC"))
    return years.filter(pl.col("ts") >= start, pl.col("ts") < end)


def joined(folder: Path) -> pl.DataFrame:
    """The right answer to W6's question."""
    bars = pl.DataFrame(table(folder, "joining_bars"))
    return pl.DataFrame(table(folder, "joining_trades")).join_asof(bars, on="ts")


def candles(trades: pl.DataFrame) -> pl.DataFrame:
    """Minute bars of trades; of one instant, the numeric id decides what came first and last."""
    ordered = trades.sort("ts", pl.col("id").cast(pl.Int64))
    return ordered.group_by(pl.col("ts").dt.truncate("1m"), maintain_order=True).agg(
        open=pl.col("price").first(),
        high=pl.col("price").max(),
        low=pl.col("price").min(),
        close=pl.col("price").last(),
        volume=pl.col("amount").sum(),
    )
