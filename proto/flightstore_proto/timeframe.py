"""Timeframes in ccxt's spelling: a whole number and one of s, m, h, d, w, M, y.

Bars of s, m, h and d sit on multiples of their length since 1970-01-01 UTC; weeks start on Monday;
months and years on their first day, 00:00 UTC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from flightstore_proto.errors import BadTimeframe, did_you_mean, near, shown

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS
_UNIT_NS = {
    "s": SECOND_NS,
    "m": 60 * SECOND_NS,
    "h": 3_600 * SECOND_NS,
    "d": DAY_NS,
    "w": 7 * DAY_NS,
}
_UNIT_MONTHS = {"M": 1, "y": 12}
_TEXT = re.compile(r"([1-9][0-9]{0,4})([smhdwMy])")
# 1970-01-01 was a Thursday; weeks are counted from Monday, 1970-01-05.
_MONDAY_NS = 4 * DAY_NS
COMMON = ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d", "1w", "1M")


@dataclass(frozen=True, slots=True)
class Timeframe:
    """The spacing of a series' bars.

    `step_ns` is their distance in nanoseconds and `offset_ns` the first grid point after the epoch;
    for calendar units (`months` > 0) the distance varies and `step_ns` is 0.
    """

    text: str
    step_ns: int
    offset_ns: int
    months: int

    def __str__(self) -> str:
        return self.text


@lru_cache(maxsize=1024)
def parse(text: str) -> Timeframe:
    """The timeframe spelled `text`. Raises BadTimeframe with near spellings."""
    match = _TEXT.fullmatch(text)
    if match is None:
        suggestions = near(text, COMMON)
        raise BadTimeframe(
            f"{shown(text)} is not a timeframe: write a number and one of s m h d w M y, "
            f"such as 1m or 4h.{did_you_mean(suggestions)}",
            suggestions=suggestions,
        )
    count, unit = int(match[1]), match[2]
    if unit in _UNIT_MONTHS:
        return Timeframe(text, 0, 0, count * _UNIT_MONTHS[unit])
    step_ns = count * _UNIT_NS[unit]
    return Timeframe(text, step_ns, _MONDAY_NS % step_ns if unit == "w" else 0, 0)
