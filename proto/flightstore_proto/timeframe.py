"""Timeframes in ccxt's spelling: a whole number and one of s, m, h, d, w, M, y.

Bars of s, m, h and d sit on multiples of their length since 1970-01-01 UTC; weeks start on Monday;
months and years on their first day, 00:00 UTC.

Bars by count are made of trades and have no grid: `1000tick` ends after so many trades, `50volume`
after so much was traded in base currency, `100000dollar` in quote currency.
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
# One spelling per number, since the text is part of a series' name: no zero at a fraction's end.
_COUNT_TEXT = re.compile(
    r"([1-9][0-9]{0,11}(?:\.[0-9]{0,8}[1-9])?|0\.[0-9]{0,8}[1-9])(tick|volume|dollar)"
)
# 1970-01-01 was a Thursday; weeks are counted from Monday, 1970-01-05.
_MONDAY_NS = 4 * DAY_NS
COMMON = ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d", "1w", "1M")


@dataclass(frozen=True, slots=True)
class Timeframe:
    """The spacing of a series' bars.

    `step_ns` is their distance in nanoseconds and `offset_ns` the first grid point after the epoch;
    for calendar units (`months` > 0) the distance varies and `step_ns` is 0.
    Bars by count have neither: `count` says of what (tick, volume, dollar) and `size` how much.
    """

    text: str
    step_ns: int
    offset_ns: int
    months: int
    count: str = ""
    size: float = 0.0

    @property
    def has_grid(self) -> bool:
        """Whether the times of its bars are known beforehand."""
        return not self.count

    def __str__(self) -> str:
        return self.text


@lru_cache(maxsize=1024)
def parse(text: str) -> Timeframe:
    """The timeframe spelled `text`. Raises BadTimeframe with near spellings."""
    match = _TEXT.fullmatch(text)
    if match is None and (counted := _by_count(text)) is not None:
        return counted
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


def _by_count(text: str) -> Timeframe | None:
    match = _COUNT_TEXT.fullmatch(text)
    if match is None or not float(match[1]) or (match[2] == "tick" and "." in match[1]):
        return None
    return Timeframe(text, 0, 0, 0, match[2], float(match[1]))
