"""Rows as InfluxDB's line protocol, formatted column by column.

Times are milliseconds: "use the coarsest time precision possible", as its documentation says of
writing. All the inputs are whole milliseconds.
"""

from __future__ import annotations

import polars as pl

_BAR = ("open", "high", "low", "close", "volume")


def bar_lines(measurement: str, bars: pl.DataFrame) -> bytes:
    """Bars with a column `symbol`, whose names have nothing in them that needs an escape."""
    fields = [part for name in _BAR for part in (pl.lit(f",{name}="), pl.col(name))]
    fields[0] = pl.lit(f" {_BAR[0]}=")
    return _lines(bars, pl.lit(f"{measurement},symbol="), pl.col("symbol"), *fields)


def trade_lines(symbol: str, trades: pl.DataFrame) -> bytes:
    """Trades; their ids are texts, as exchanges give them, and `side` is an integer."""
    return _lines(
        trades,
        pl.lit(f'trades,symbol={symbol} id="'),
        pl.col("id"),
        pl.lit('",price='),
        pl.col("price"),
        pl.lit(",amount="),
        pl.col("amount"),
        pl.lit(",side="),
        pl.col("side"),
        pl.lit("i"),
    )


def _lines(rows: pl.DataFrame, *parts: pl.Expr) -> bytes:
    line = pl.concat_str(*parts, pl.lit(" "), pl.col("ts").dt.epoch("ms"))
    text: str = rows.select(line.str.join("\n")).item()
    return text.encode()
