"""The exchange's clock, as far as it can be told from here.

What is closed is decided by the exchange's clock: recorded machines ran more than a second behind
it, which is enough to take an unfinished bar for a finished one.
"""

from __future__ import annotations

import asyncio
from datetime import UTC
from email.utils import parsedate_to_datetime
from time import monotonic_ns, time_ns

from flightstore_proto.timeframe import SECOND_NS

# A `Date` header names a whole second: the clock behind it is on average half a second further.
_HALF_SECOND_NS = SECOND_NS // 2


class ExchangeClock:
    """Runs on from the last time the exchange told. Until then it is this machine's clock.

    speed  how fast the exchange's clock runs; other than 1 only for a simulated one
    """

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._told_ns, self._at_ns = time_ns(), monotonic_ns()
        self._exact = False

    def now(self) -> int:
        """ns since 1970-01-01 UTC by the exchange's clock."""
        return self._told_ns + int((monotonic_ns() - self._at_ns) * self.speed)

    def seconds_until(self, ns: int) -> float:
        """Real seconds until it is `ns`; 0 if that is past."""
        return max(ns - self.now(), 0) / SECOND_NS / self.speed

    def told(self, ns: int) -> None:
        """The exchange said it is `ns`.

        What the answer took on its way makes this clock late. That is the safe side: half of it
        added would make the clock early whenever the question had to wait for its turn.
        """
        self._told_ns, self._at_ns = ns, monotonic_ns()
        self._exact = True

    def header(self, date: str) -> None:
        """An answer's `Date` header: used while the exchange has not told its time exactly."""
        told_ns = None if self._exact else from_header(date)
        if told_ns is None:
            return
        told_ns += _HALF_SECOND_NS
        # Within the second the header can say, the clock at hand is finer.
        if abs(told_ns - self.now()) > SECOND_NS * max(self.speed, 1.0):
            self._told_ns, self._at_ns = told_ns, monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds` of this clock."""
        await asyncio.sleep(seconds / self.speed)


def from_header(date: str) -> int | None:
    """ns of a date as HTTP headers write it; None for anything else, such as a proxy's own idea."""
    try:
        told = parsedate_to_datetime(date)
    except ValueError:
        return None
    return int(told.replace(tzinfo=told.tzinfo or UTC).timestamp()) * SECOND_NS
