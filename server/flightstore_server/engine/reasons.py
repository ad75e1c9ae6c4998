"""Why grid points have no bar: judged by the coverage, and by what the metadata say of the market.

The words and the order in which they hold are explained in flightstore_proto/reasons.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flightstore_proto import metadata
from flightstore_proto.errors import BadRange
from flightstore_proto.reasons import (
    AFTER_DELISTING,
    BEFORE_LISTING,
    LIKELY_OUTAGE,
    NO_TRADES,
    NOT_FETCHED,
    OUTAGE,
    REASONS,
)
from flightstore_proto.timeframe import Timeframe
from flightstore_proto.timerange import TS_MAX, to_ns
from flightstore_server.engine import grid
from flightstore_server.storage.rows import Int64s

Bools = NDArray[np.bool_]
Codes = NDArray[np.int8]  # positions in REASONS
_CODE = {reason: np.int8(code) for code, reason in enumerate(REASONS)}
_OUTAGE_POINTS_MIN = 30
_CHANCE_MIN = 1e-30
_SURROUNDINGS = 10_000  # points on either side: markets are busy at times, and quiet for years


@dataclass(frozen=True, slots=True)
class Market:
    """What a series' metadata say of its market; None where they say nothing.

    It has grid points from `first` to before `end`; `flat`: quiet ones have bars, too.
    """

    first: int | None
    end: int | None
    flat: bool

    @classmethod
    def of(cls, texts: Mapping[str, str], timeframe: Timeframe | None) -> Market:
        first, end = _time(texts, metadata.LISTED), _time(texts, metadata.ENDED)
        if timeframe is not None:
            # The bar in which the market was listed is its first.
            first = None if first is None else grid.floor(first, timeframe)
            end = None if end is None else grid.ceil(end, timeframe)
        return cls(first, end, texts.get(metadata.QUIET_BARS) == metadata.FLAT)

    def before(self, points: Int64s) -> Bools:
        """Which of `points` come before the market's life."""
        return np.zeros(len(points), np.bool_) if self.first is None else points < self.first

    def after(self, points: Int64s) -> Bools:
        """Which of `points` come after the market's life."""
        return np.zeros(len(points), np.bool_) if self.end is None else points >= self.end


def _time(texts: Mapping[str, str], key: str) -> int | None:
    """Whatever somebody wrote there must not prevent an answer."""
    try:
        time = to_ns(texts[key]) if key in texts else None
    except BadRange:
        return None
    return time if time is None else min(time, TS_MAX)


def reasons(
    starts: Int64s, missing: Int64s, covered: Bools, bars_before: Int64s, bars: int, market: Market
) -> Codes:
    """Why each of the ranges from `starts` has `missing` grid points without a bar.

    No range crosses a bound of the market's life, and each is `covered` entirely or not at all.
    There are `bars` in all that was looked at, of which `bars_before` come before each range.
    """
    before, after = market.before(starts), market.after(starts)
    quiet = covered & ~before & ~after
    found = np.full(len(starts), _CODE[NOT_FETCHED])
    if market.flat:
        found[quiet] = _CODE[OUTAGE]
    else:
        too_long = _is_beyond_chance(missing[quiet], bars_before[quiet], bars)
        found[quiet] = np.where(too_long, _CODE[LIKELY_OUTAGE], _CODE[NO_TRADES])
    found[after] = _CODE[AFTER_DELISTING]
    found[before] = _CODE[BEFORE_LISTING]
    return found


def _is_beyond_chance(missing: Int64s, bars_before: Int64s, bars: int) -> Bools:
    """Which runs of `missing` points are too long for a market as busy as theirs was around them.

    A run counts as a part of its own surroundings, so that where little is known of them, nothing
    is said to be unusual.
    """
    if not len(missing):
        return np.zeros(0, np.bool_)
    # Points that are known are numbered from 0; between a run's first and last all are absent.
    absent = np.cumsum(missing)
    first = bars_before + absent - missing
    last = first + missing
    low = np.maximum(first - _SURROUNDINGS, 0)
    high = np.minimum(last + _SURROUNDINGS, bars + absent[-1])
    points = np.column_stack((first, last)).ravel()
    absent_before = np.column_stack((absent - missing, absent)).ravel()
    found = np.interp(high, points, absent_before) - np.interp(low, points, absent_before)
    chance = missing * np.log(found / (high - low))
    beyond: Bools = (missing >= _OUTAGE_POINTS_MIN) & (chance < np.log(_CHANCE_MIN))
    return beyond
