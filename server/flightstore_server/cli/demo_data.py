"""Market data for the demo: a seeded random walk, shaped like the real thing and plainly not it."""

from __future__ import annotations

import numpy as np
import polars as pl

MINUTE_NS = 60 * 10**9
_START_NS = 1_577_836_800 * 10**9  # 2020-01-01


def candles(rows: int, *, seed: int, step_ns: int = MINUTE_NS) -> pl.DataFrame:
    """`rows` bars from 2020-01-01 on, with the columns of the candles dataset."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.0005, rows)))
    opened = np.concatenate([[100.0], close[:-1]])
    spread = np.abs(random.normal(0, 0.0003, (2, rows)))
    return pl.DataFrame(
        {
            "ts": _times(_START_NS + np.arange(rows) * step_ns),
            "open": opened,
            "high": np.maximum(opened, close) * (1 + spread[0]),
            "low": np.minimum(opened, close) * (1 - spread[1]),
            "close": close,
            "volume": random.exponential(3.0, rows),
        }
    )


def trades(rows: int, *, seed: int) -> pl.DataFrame:
    """`rows` trades from 2020-01-01 on; a good part share their millisecond, as real ones do."""
    random = np.random.default_rng(seed)
    milliseconds = np.cumsum(random.poisson(0.7, rows))
    return pl.DataFrame(
        {
            "ts": _times(_START_NS + milliseconds * 10**6),
            "id": np.arange(1, rows + 1).astype(str),
            "price": 100 * np.exp(np.cumsum(random.normal(0, 0.00002, rows))),
            "amount": random.exponential(0.2, rows),
            "side": random.choice(np.array([-1, 1], np.int8), rows),
        }
    )


def _times(ns: np.ndarray) -> pl.Series:
    return pl.Series(ns.astype(np.int64)).cast(pl.Datetime("ns", "UTC"))
