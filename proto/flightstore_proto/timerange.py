"""Times as users say them, and half-open ranges of them, as nanoseconds since 1970-01-01 UTC.

Accepted: ISO 8601 text (`2024`, `2024-02`, `2024-02-01T12:30`, with or without zone), `now`, text
relative to now (`-30d`, `+2h`), `date`, `datetime`, integers as milliseconds (as ccxt gives them),
pandas and polars scalars, numpy datetimes. Naive times are UTC.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from flightstore_proto.errors import BadRange, shown
from flightstore_proto.timeframe import DAY_NS, SECOND_NS

# What a timestamp[ns] column can hold; a range's end may be one past the last.
TS_MIN = -(2**63)
TS_MAX = 2**63 - 1
_RELATIVE = re.compile(r"([+-])([0-9]{1,6})(ms|s|m|h|d|w)")
_RELATIVE_NS = {
    "ms": 1_000_000,
    "s": SECOND_NS,
    "m": 60 * SECOND_NS,
    "h": 3_600 * SECOND_NS,
    "d": DAY_NS,
    "w": 7 * DAY_NS,
}
_FRACTION = re.compile(r"(.*:[0-9]{2})[.,]([0-9]{1,9})(.*)")
_PARTIAL = re.compile(r"(-?[0-9]{4})(?:-([0-9]{2}))?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Half-open [start, end) in nanoseconds; None is unbounded."""

    start: int | None = None
    end: int | None = None

    @property
    def low(self) -> int:
        """The first nanosecond of the range as a number."""
        return TS_MIN if self.start is None else self.start

    @property
    def high(self) -> int:
        """One past the last nanosecond of the range as a number."""
        return TS_MAX + 1 if self.end is None else self.end

    def __str__(self) -> str:
        left = "-∞" if self.start is None else format_ns(self.start)
        right = "∞" if self.end is None else format_ns(self.end)
        return f"[{left}, {right})"


ALL = TimeRange()


def time_range(start: Any = None, end: Any = None, *, now_ns: int | None = None) -> TimeRange:
    """The range from `start` to before `end`, each in any accepted form or None for unbounded.

    Raises BadRange if either cannot be understood or the end lies before the start.
    """
    now = time.time_ns() if now_ns is None else now_ns
    low = None if start is None else to_ns(start, now_ns=now)
    high = None if end is None else to_ns(end, now_ns=now)
    return checked(TimeRange(low, high))


def checked(window: TimeRange) -> TimeRange:
    """`window` if it does not run backwards; raises BadRange otherwise."""
    if window.high < window.low:
        raise BadRange(
            f"The range ends ({format_ns(window.high)}) before it starts "
            f"({format_ns(window.low)}); swap start and end."
        )
    return window


def to_ns(value: Any, *, now_ns: int | None = None) -> int:
    """`value` as nanoseconds since 1970-01-01 UTC. Raises BadRange if it is not a time."""
    ns = _convert(value, time.time_ns() if now_ns is None else now_ns)
    if not TS_MIN <= ns <= TS_MAX + 1:
        raise BadRange(f"{shown(value)} is outside 1677-09-21 to 2262-04-11.")
    return ns


def _convert(value: Any, now_ns: int) -> int:
    if isinstance(value, str):
        return _from_text(value.strip(), now_ns)
    if isinstance(value, bool):
        raise BadRange(f"{value} is not a time.")
    if isinstance(value, int):
        return value * 1_000_000
    # pandas.Timestamp is a datetime too, but only its own value keeps the nanoseconds.
    if type(value).__module__.startswith("pandas"):
        return _from_pandas(value)
    if isinstance(value, datetime):
        return _from_datetime(value)
    if isinstance(value, date):
        return _from_datetime(datetime(value.year, value.month, value.day))
    return _from_number_like(value)


def _from_pandas(value: Any) -> int:
    stamp = value.as_unit("ns") if hasattr(value, "as_unit") else None
    if stamp is None or stamp.value == TS_MIN:  # NaT
        raise BadRange(f"{shown(value)} is not a time.")
    return int(stamp.value)


def _from_datetime(value: datetime) -> int:
    aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value
    delta = aware - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * SECOND_NS + delta.microseconds * 1_000


def _from_number_like(value: Any) -> int:
    """numpy integers are milliseconds; numpy datetimes carry their unit."""
    if type(value).__module__ == "numpy":
        if type(value).__name__ == "datetime64":
            number = int(value.astype("datetime64[ns]").astype("int64"))
            if number != TS_MIN:  # NaT
                return number
        elif hasattr(value, "__index__"):
            return int(value.__index__()) * 1_000_000
    raise BadRange(
        f"{shown(value)} ({type(value).__name__}) is not a time: "
        "give ISO text, a date or datetime, or an integer of milliseconds."
    )


def _from_text(text: str, now_ns: int) -> int:
    if text == "now":
        return now_ns
    if relative := _RELATIVE.fullmatch(text):
        sign = -1 if relative[1] == "-" else 1
        return now_ns + sign * int(relative[2]) * _RELATIVE_NS[relative[3]]
    if partial := _PARTIAL.fullmatch(text):
        text = f"{partial[1]}-{partial[2] or '01'}-01"
    nanos = 0
    if fraction := _FRACTION.fullmatch(text):
        # datetime keeps six digits; the other three are added afterwards.
        digits = fraction[2].ljust(9, "0")
        text, nanos = f"{fraction[1]}.{digits[:6]}{fraction[3]}", int(digits[6:])
    try:
        return _from_datetime(datetime.fromisoformat(text)) + nanos
    except (ValueError, OverflowError):
        raise BadRange(
            f"{shown(text)} is not a time: write 2024-02-01, 2024-02-01T12:30:00Z or -30d."
        ) from None


def format_ns(ns: int) -> str:
    """`ns` as ISO text in UTC with as many fraction digits as it needs."""
    seconds, fraction = divmod(ns, SECOND_NS)
    days, second = divmod(seconds, 86_400)
    day = date.fromordinal(days + 719_163)  # ordinal of 1970-01-01
    clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    tail = f".{fraction:09}".rstrip("0") if fraction else ""
    return f"{day.isoformat()}T{clock}{tail}Z"
