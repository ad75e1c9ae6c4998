"""What tests of reads on the server's own machine share: a large series, and its files."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from tests.support.rows import MINUTE, NOON_2024, candles
from tests.support.serving import Serving

BTC, ETH = "binance:BTC/USDT", "binance:ETH/USDT"
ROWS = 140_000  # 6.7 MB, and 1.1 MB of `ts` alone: large enough to be mapped


def minutes(first: int, rows: int, close: float = 1.0) -> pa.RecordBatch:
    """Bars of the minutes from the `first` one after noon on."""
    return candles([NOON_2024 + (first + n) * MINUTE for n in range(rows)], close)


def segment_files(served: Serving) -> list[Path]:
    return sorted((served.root / "segments").rglob("*.arrow"))
