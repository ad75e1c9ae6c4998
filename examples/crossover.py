"""A moving-average crossover over many series and 100 pairs of parameters.

    python examples/crossover.py 'binance:*/USDT' --timeframe 1h --start 2020
    python examples/crossover.py 'binance:*/USDT' --timeframe 1h --start 2020 --ray

The server is --uri, or $FLIGHTSTORE_URI, or the one on this machine. With --ray the cluster of
$RAY_ADDRESS does the work, or one that is started on this machine, and otherwise processes do.
"""

from __future__ import annotations

import argparse
from typing import Any

import polars as pl

import flightstore as fs

FEE = 0.001  # of what changes hands, at each change of the position
GRID = {"fast": range(5, 55, 5), "slow": range(60, 260, 20)}  # 10 x 10


def crossover(bars: pl.DataFrame, *, fast: int, slow: int) -> dict[str, Any]:
    """Hold the asset while the mean of `fast` closes is above that of `slow`, from the next bar on.

    return, drawdown  of the equity, as a share; drawdown: the deepest fall from a peak, at most 0
    trades            how often it was bought
    """
    close = bars["close"]
    above = close.rolling_mean(fast) > close.rolling_mean(slow)
    held = above.shift(1).fill_null(value=False).cast(pl.Int8)  # known only when the bar is over
    changed = held.diff().fill_null(0)
    gained = (close.pct_change().fill_null(0) * held) - (changed.abs() * FEE)
    equity = (1 + gained).cum_prod()
    return {
        "return": equity[-1] - 1 if len(equity) else 0.0,
        "drawdown": (equity / equity.cum_max() - 1).min(),
        "trades": (changed > 0).sum(),
    }


def best_of(results: pl.DataFrame) -> pl.DataFrame:
    """The parameters that would have been best over all series, the best first."""
    return (
        results.group_by("fast", "slow")
        .agg(
            pl.col("return").median().alias("median return"),
            pl.col("drawdown").min().alias("worst drawdown"),
            pl.col("trades").mean().alias("trades per series"),
        )
        .sort("median return", "fast", "slow", descending=[True, False, False])
    )


def main() -> None:
    """Plan, sweep, show."""
    asked = arguments()
    with fs.connect(asked.uri) as db:
        parts = db.plan(
            asked.instruments,
            asked.timeframe,
            asked.start,
            asked.end,
            by="instrument",
            columns=["close"],
            closed=True,
            snapshot=asked.snapshot,
        )
    series = sum(len(part.instruments) for part in parts)
    print(f"{series} series, about {sum(part.rows for part in parts):,} bars, {len(parts)} parts")
    if asked.ray:
        from flightstore.ray import sweep
    else:
        from flightstore import sweep
    results = sweep(crossover, parts, GRID, workers=asked.workers)
    print(f"{results.height:,} backtests")
    with pl.Config(tbl_rows=10):
        print(best_of(results).head(10))
    if asked.output:
        results.write_parquet(asked.output)


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("instruments", nargs="+", help="names or patterns, in quotes")
    parser.add_argument("--timeframe", default="1h")
    parser.add_argument("--start", help="such as 2020, 2020-06-01 or -90d")
    parser.add_argument("--end")
    parser.add_argument("--snapshot", help="read the data as pinned by it: repeatable results")
    parser.add_argument("--uri")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--ray", action="store_true", help="on a Ray cluster")
    parser.add_argument("--output", help="a Parquet file for all results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
