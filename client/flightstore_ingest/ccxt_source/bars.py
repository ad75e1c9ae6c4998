"""Candles from trades, for exchanges that keep no history of candles (Kraken).

Open, high, low and close in the order of (ts, id) and the sum of amounts, per bar; a bar without
trades is absent. Only whole bars are made, and what is kept of one that is not yet whole is one
row, however many trades it has.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import polars as pl
import pyarrow as pa

from flightstore_ingest.source import Page
from flightstore_proto.schemas import CANDLES
from flightstore_proto.timeframe import Timeframe

# As the store orders trades: numeric ids come in numeric order without being parsed.
_TRADE_ORDER = [pl.col("ts"), pl.col("id").str.len_bytes(), pl.col("id")]
# What the exchanges round volumes to. A sum of doubles has noise beyond, and the exchange's own
# bar would be a different row for it.
_VOLUME_DECIMALS = 8


def bars_of(trades: pa.Table, frame: Timeframe) -> pa.Table:
    """The bars that `trades` make, oldest first."""
    return _finished(_parts(trades, frame))


async def whole_bars(
    pages: AsyncGenerator[Page, None], frame: Timeframe, start: int, end: int
) -> AsyncGenerator[Page, None]:
    """Pages of the bars that open in [start, end) ns, from pages of trades.

    The trades are those of `span_of_bars`, oldest first, none of them twice. A bar is handed out
    when its last moment is covered.
    """
    first, _ = span_of_bars(frame, start, end)
    parts, at = _parts(None, frame), start
    async for page in pages:
        parts = _joined(parts, _parts(page.rows, frame)).filter(pl.col("ts") >= first)
        if page.covers is None:
            continue
        whole = _floor(page.covers[1], frame)
        upto = min(whole, end)
        if upto <= at:
            continue
        yield Page(_finished(parts.filter(pl.col("ts") < whole)), (at, upto))
        parts, at = parts.filter(pl.col("ts") >= whole), upto


def span_of_bars(frame: Timeframe, start: int, end: int) -> tuple[int, int]:
    """From the first to the last moment of the bars that open in [start, end) ns."""
    return _floor(start + frame.step_ns - 1, frame), _floor(end + frame.step_ns - 1, frame)


def _floor(ns: int, frame: Timeframe) -> int:
    return ns - (ns - frame.offset_ns) % frame.step_ns


def _parts(trades: pa.Table | None, frame: Timeframe) -> pl.DataFrame:
    """Bars of some trades, `ts` in ns: parts of bars that may have more of them."""
    if trades is None:
        return pl.DataFrame(schema=_PARTS)
    rows = pl.from_arrow(trades)
    assert isinstance(rows, pl.DataFrame)
    ts = pl.col("ts").dt.epoch("ns")
    opened = ts - (ts - frame.offset_ns) % frame.step_ns
    price = pl.col("price")
    return (
        rows.sort(_TRADE_ORDER)
        .group_by(opened.alias("ts"), maintain_order=True)
        .agg(
            price.first().alias("open"),
            price.max().alias("high"),
            price.min().alias("low"),
            price.last().alias("close"),
            pl.col("amount").sum().alias("volume"),
        )
    )


def _joined(earlier: pl.DataFrame, later: pl.DataFrame) -> pl.DataFrame:
    return (
        pl.concat([earlier, later])
        .group_by("ts", maintain_order=True)
        .agg(
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
        )
    )


def _finished(parts: pl.DataFrame) -> pa.Table:
    return parts.with_columns(pl.col("volume").round(_VOLUME_DECIMALS)).to_arrow().cast(CANDLES)


_PARTS = {"ts": pl.Int64} | dict.fromkeys(("open", "high", "low", "close", "volume"), pl.Float64)
