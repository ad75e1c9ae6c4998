"""Bars made of trades, or long bars of short ones."""

from __future__ import annotations

import polars as pl
import pyarrow as pa

from flightstore_ingest.simulate.columns import Bar, BarColumns, Trade, TradeColumns
from flightstore_proto.errors import BadTimeframe
from flightstore_proto.timeframe import Timeframe, parse


def grid(timeframe: str) -> Timeframe:
    """`timeframe` if its bars are all of one length. Raises BadTimeframe for months and years."""
    found = parse(timeframe)
    if found.months:
        raise BadTimeframe(f"The simulation has no bars of {timeframe}: write s, m, h, d or w.")
    return found


def open_time(ts: int, step: Timeframe) -> int:
    """The open time of the bar that `ts` falls into."""
    return ts - (ts - step.offset_ns) % step.step_ns


def bar_of(ts: int, trades: list[Trade], decimals: int) -> Bar:
    """The bar that opened at `ts`, with at least one trade so far."""
    prices = [t.price for t in trades]
    bought = [t for t in trades if t.side > 0]
    return Bar(
        ts,
        prices[0],
        max(prices),
        min(prices),
        prices[-1],
        round(sum(t.amount for t in trades), decimals),
        len(trades),
        sum(t.price * t.amount for t in trades),
        round(sum(t.amount for t in bought), decimals),
        sum(t.price * t.amount for t in bought),
        trades[0].id,
        trades[-1].id,
    )


def bars_of_trades(trades: TradeColumns, first: int, step: Timeframe, decimals: int) -> list[Bar]:
    """Bars of all trades from index `first` on, for which it should be the first of its bar.

    Volumes are rounded to the `decimals` of amounts: the sum of decimal numbers is one itself.
    """
    names = ["ts", "id", "price", "amount", "side"]
    frame = pl.DataFrame(pl.from_arrow(pa.table(trades.arrow(first), names=names)))
    price, amount = pl.col("price"), pl.col("amount")
    bought = pl.col("side") > 0
    grouped = frame.group_by(_open_time(step), maintain_order=True).agg(
        price.first().alias("open"),
        price.max().alias("high"),
        price.min().alias("low"),
        price.last().alias("close"),
        amount.sum().alias("volume"),
        pl.len().cast(pl.Int64).alias("trades"),
        (price * amount).sum().alias("quote"),
        amount.filter(bought).sum().alias("buy"),
        (price * amount).filter(bought).sum().alias("buy_quote"),
        pl.col("id").first().alias("first_id"),
        pl.col("id").last().alias("last_id"),
    )
    return [
        bar._replace(volume=round(bar.volume, decimals), buy=round(bar.buy, decimals))
        for bar in map(Bar._make, grouped.rows())
    ]


def bars_of_bars(bars: BarColumns, step: Timeframe) -> BarColumns:
    """Bars of the longer `step`, of which those of `bars` are whole parts."""
    frame = pl.DataFrame(pl.from_arrow(pa.table(bars.arrow(), names=list(Bar._fields))))
    grouped = frame.group_by(_open_time(step), maintain_order=True).agg(
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        *(pl.col(name).sum() for name in ("volume", "trades", "quote", "buy", "buy_quote")),
        pl.col("first_id").first(),
        pl.col("last_id").last(),
    )
    return BarColumns(map(Bar._make, grouped.rows()))


def _open_time(step: Timeframe) -> pl.Expr:
    ts = pl.col("ts")
    return (ts - (ts - step.offset_ns) % step.step_ns).alias("ts")
