"""An exchange of which only the answers for candles are real: they come from a list.

It stands in for `flightstore_ingest.ccxt_source.exchange.Exchange`, and behaves like the worst of
what ccxt hides: short pages, pages from the wrong end, times ignored, empty answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from flightstore_ingest.ccxt_source.profiles import Profile, candle_page
from flightstore_ingest.source import Series

MS = 1_000_000
STEP_MS = {"1m": 60_000, "1d": 86_400_000}
BY_TIME = Profile(candle_page=50, candle_paging="window")


@dataclass
class ScriptedExchange:
    """Candles of one minute at `minutes` since the epoch, and of the days that have one.

    cap       rows per answer at most, whatever was asked for
    newest    whether a long answer is cut at its old end
    ignores   whether every answer is the newest page, of which ccxt leaves what was asked for
    failing   numbers of requests, from 0, that are answered with nothing
    """

    minutes: Iterable[int]
    profile: Profile = BY_TIME
    cap: int = 10_000
    newest: bool = False
    ignores: bool = False
    failing: frozenset[int] = frozenset()
    name: str = "scripted"

    def __post_init__(self) -> None:
        minutes = sorted(set(self.minutes))
        days = sorted({m // 1440 for m in minutes})
        self.bars = {"1m": [m * 60_000 for m in minutes], "1d": [d * 86_400_000 for d in days]}
        self.asked: list[tuple[str, int | None, int | None]] = []
        last = minutes[-1] if minutes else 0
        self.clock = SimpleNamespace(now=lambda: (last + 2) * 60_000 * MS)
        self.api = SimpleNamespace(timeframes={"1m": "1m", "1d": "1d"}, features={})

    def can(self, method: str) -> bool:
        return method == "fetchOHLCV"

    def candle_page(self, series: Series) -> int:
        return candle_page(self.profile, self.api.features, ":" in series.symbol)

    async def call(
        self,
        method: str,
        symbol: str,
        timeframe: str,
        since: int | None = None,
        limit: int | None = None,
        params: dict[str, Any] | None = None,
    ) -> list[list[Any]]:
        assert method == "fetch_ohlcv"
        number = len(self.asked)
        self.asked.append((timeframe, since, limit))
        if number in self.failing:
            return []
        found = [ts for ts in self.bars[timeframe] if self.ignores or ts >= (since or 0)]
        until = (params or {}).get("until")
        if until is None and since is not None and limit is not None:
            until = since + limit * STEP_MS[timeframe] - 1  # as window-limited exchanges do
        if until is not None and not self.ignores:
            found = [ts for ts in found if ts <= until]
        cut = min(limit or self.cap, self.cap)
        found = found[-cut:] if self.newest or self.ignores or since is None else found[:cut]
        # As ccxt does with every answer.
        return [[ts, 1.0, 2.0, 0.5, 1.5, 3.0] for ts in found if ts >= (since or 0)][:limit]
