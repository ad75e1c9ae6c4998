"""Which bars can be made of which others, and on whose calendar."""

from __future__ import annotations

import re
from functools import lru_cache

from flightstore_proto import timeframe as timeframes
from flightstore_proto.errors import BadRequest, shown
from flightstore_proto.timeframe import DAY_NS, SECOND_NS, Timeframe
from flightstore_server.engine.aggregates import zones
from flightstore_server.engine.aggregates.windows import Windows

# A zone, and how much later than midnight its days begin (ns). Bars of equal calendars have the
# same borders.
Calendar = tuple[str, int]
UTC = "UTC"
PLAIN: Calendar = (UTC, 0)
_OFFSET = re.compile(r"([0-9]{1,4})([smh])")
_OFFSET_NS = {"s": SECOND_NS, "m": 60 * SECOND_NS, "h": 3_600 * SECOND_NS}
# Since then no zone is ahead of UTC by a fraction of a minute; Liberia was the last.
_WHOLE_MINUTES_SINCE = 737 * DAY_NS  # 1972-01-08


def offset_ns(text: str) -> int:
    """An offset such as 17h or 90m, in ns; empty is none. Raises BadRequest beyond a day."""
    if not text:
        return 0
    match = _OFFSET.fullmatch(text)
    if match is None or int(match[1]) * _OFFSET_NS[match[2]] >= DAY_NS:
        raise BadRequest(f"{shown(text)} is not an offset within a day: write 17h, or 90m.")
    return int(match[1]) * _OFFSET_NS[match[2]]


def windows(target: Timeframe, calendar: Calendar) -> Windows:
    """The stretches of time that are computed as one: bars, or days of bars by count."""
    frame = timeframes.parse("1d") if target.count else target
    return Windows(frame, *calendar)


def fits(base: Timeframe, target: Timeframe, calendar: Calendar) -> bool:
    """Whether each bar of `target` is a whole number of bars of `base`, on UTC's grid."""
    if base.count or target.count or not _is_multiple(base, target):
        return False
    return is_on_utc_grid(base, calendar)


def check(base: Timeframe, target: Timeframe, zone: str, offset: str) -> None:
    """Raise a BadRequest that says why, unless the one fits() the other."""
    for frame in (target, base):
        if frame.count:
            raise BadRequest(
                f"Bars by count ({frame.text}) are made of trades, and nothing of them; name "
                'trades as their source: on = "trades/..." in a rule.'
            )
    if not _is_multiple(base, target):
        raise BadRequest(
            f"Bars of {target.text} cannot be made of bars of {base.text}: name a longer timeframe "
            "that is a whole number of them."
        )
    if not is_on_utc_grid(base, (zone, offset_ns(offset))):
        raise BadRequest(
            f"Bars of {base.text} may lie across the day's end in {zone}"
            f"{f' from {offset}' if offset else ''}; make {target.text} of shorter ones."
        )


@lru_cache(maxsize=1024)
def is_on_utc_grid(frame: Timeframe, calendar: Calendar) -> bool:
    """Whether bars of `frame` begin at the same times by `calendar` as they do in UTC."""
    if calendar == PLAIN:
        return True
    if not frame.step_ns:
        return False
    zone, offset = calendar
    changes = zones.changes(zone)
    before = [change for change in changes if change.at <= _WHOLE_MINUTES_SINCE]
    since = [before[-1], *changes[len(before) :]]
    return all((change.ahead - offset) % frame.step_ns == 0 for change in since)


def _is_multiple(base: Timeframe, target: Timeframe) -> bool:
    if base.months:
        return target.months > base.months and target.months % base.months == 0
    if target.months:
        return DAY_NS % base.step_ns == 0
    whole = target.step_ns > base.step_ns and target.step_ns % base.step_ns == 0
    # Weeks begin on Monday and days do not care; a week made of weeks must agree with them.
    return whole and target.offset_ns % base.step_ns == base.offset_ns
