"""Time zones as tables: from which instant on a zone's clocks are how far ahead of UTC.

The zones are those of the IANA time zone database as `zoneinfo` finds it: the system's, or the
package `tzdata`.
"""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple

from flightstore_proto.errors import BadRequest, did_you_mean, near, shown
from flightstore_proto.timeframe import SECOND_NS
from flightstore_proto.timerange import TS_MIN

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Standard time came with the railways; no zone of the database changes before 1844.
_FIRST = datetime(1840, 1, 1, tzinfo=UTC)
_LAST = datetime(2262, 4, 12, tzinfo=UTC)  # where nanoseconds in int64 end
# The shortest time that any zone has kept its offset for is four days (Freetown, 1939).
_STEP = timedelta(days=3)
_SECOND = timedelta(seconds=1)
# Whatever the machine itself is set to: two machines would not agree on it.
_OF_THE_MACHINE = frozenset({"localtime"})


class Change(NamedTuple):
    """From `at` (ns since 1970 UTC) on, local time is UTC plus `ahead` ns."""

    at: int
    ahead: int


@lru_cache(maxsize=64)
def changes(name: str) -> tuple[Change, ...]:
    """When the zone's offset changed or will change, oldest first, in 1677 to 2262.

    The first holds from TS_MIN on. Raises BadRequest with near names if there is no such zone.
    """
    if name == "UTC":  # known without a database
        return (Change(TS_MIN, 0),)
    zone = _zone(name)
    found = [Change(TS_MIN, _ahead(zone, _FIRST))]
    probe = _FIRST
    while probe < _LAST:
        found += _changes_between(zone, probe, probe + _STEP)
        probe += _STEP
    return tuple(found)


def check(name: str) -> None:
    """Raise BadRequest with near names unless `name` is a time zone, such as Europe/Zurich."""
    _zone(name)


def _zone(name: str) -> tzinfo:
    names = _names()
    if name not in names:
        suggestions = near(name, sorted(names))
        raise BadRequest(
            f"{shown(name)} is not a time zone of the IANA database, such as America/New_York or "
            f"UTC.{did_you_mean(suggestions)}",
            suggestions=suggestions,
        )
    return zoneinfo.ZoneInfo(name)


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones()) - _OF_THE_MACHINE


def _changes_between(zone: tzinfo, low: datetime, high: datetime) -> list[Change]:
    """The changes after `low`, up to and including `high`; both are whole seconds."""
    found: list[Change] = []
    ahead, last = _ahead(zone, low), _ahead(zone, high)
    while ahead != last:
        before, after = low, high
        while after - before > _SECOND:
            middle = before + (after - before) // _SECOND // 2 * _SECOND
            if _ahead(zone, middle) == ahead:
                before = middle
            else:
                after = middle
        low, ahead = after, _ahead(zone, after)
        found.append(Change((after - _EPOCH) // _SECOND * SECOND_NS, ahead))
    return found


def _ahead(zone: tzinfo, at: datetime) -> int:
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None
    return offset // _SECOND * SECOND_NS
