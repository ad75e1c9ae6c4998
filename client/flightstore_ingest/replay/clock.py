"""Time as it went by in a recording."""

from __future__ import annotations

import asyncio
from time import monotonic_ns

from flightstore_proto.timeframe import SECOND_NS

# Rows that are due within this many real seconds travel together.
TICK_SECONDS = 0.01


class ReplayClock:
    """It is `start` ns when this is made; from then on `speed` seconds go by in each second."""

    def __init__(self, start: int, speed: float) -> None:
        self._start, self._speed, self._made = start, speed, monotonic_ns()

    def now(self) -> int:
        """ns since 1970-01-01 UTC."""
        return self._start + int((monotonic_ns() - self._made) * self._speed)

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds` of this clock."""
        await asyncio.sleep(seconds / self._speed)

    async def until(self, ns: int) -> None:
        """Wait until it is `ns` or later."""
        while (left := ns - self.now()) > 0:
            await asyncio.sleep(max(left / SECOND_NS / self._speed, TICK_SECONDS))
