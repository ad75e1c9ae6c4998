"""Minutes as CSV, and the commands that import them."""

from __future__ import annotations

START_MS = 1_704_067_200_000  # 2024-01-01
HEADER = "ts,open,high,low,close,volume\n"
IMPORT = ("import", "--instrument", "a:BTC/USD")
MINUTES = (*IMPORT, "--timeframe", "1m")
TRADE = (*IMPORT, "--dataset", "trades")


def lines(count: int, start: int = 0) -> str:
    """Bars `start` to before `count`; a bar's volume is its number."""
    return "".join(f"{START_MS + i * 60_000},1.5,2,1,1.25,{i}\n" for i in range(start, count))
