"""Bars computed as plainly as possible: one row after another, with datetime, zoneinfo and fsum."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

# ts, open, high, low, close, volume
Bar = tuple[int, float, float, float, float, float]
# ts, price, amount
Trade = tuple[int, float, float]
Span = tuple[int, int]

_EPOCH = datetime(1970, 1, 1)
_MONDAY = datetime(1970, 1, 5)
_LENGTHS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def window(ts: int, timeframe: str, zone: str = "UTC", offset: timedelta = timedelta()) -> Span:
    """The window that holds `ts`, as [start, end). Clocks must not be changed at its borders."""
    seconds = timedelta(seconds=ts // 10**9)
    local = (_EPOCH + seconds).replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    first, next_one = _floor(local.replace(tzinfo=None, fold=0) - offset, timeframe)
    return _utc(first + offset, zone), _utc(next_one + offset, zone)


def _floor(local: datetime, timeframe: str) -> tuple[datetime, datetime]:
    number, unit = int(timeframe[:-1]), timeframe[-1]
    if unit == "M":
        month = (local.year * 12 + local.month - 1) // number * number
        return _month(month), _month(month + number)
    length = timedelta(**{_LENGTHS[unit]: number})
    origin = _MONDAY if unit == "w" else _EPOCH
    first = origin + (local - origin) // length * length
    return first, first + length


def _month(number: int) -> datetime:
    return datetime(number // 12, number % 12 + 1, 1)


def _utc(local: datetime, zone: str) -> int:
    at = local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None)
    return (at - _EPOCH) // timedelta(seconds=1) * 10**9


def bars(rows: Iterable[Bar], start_of: Callable[[int], int]) -> list[Bar]:
    """The bars of sorted `rows`, each at the start of its window."""
    groups = groupby(rows, key=lambda row: start_of(row[0]))
    return [_joined(start, list(group)) for start, group in groups]


def of_trades(trades: Iterable[Trade]) -> list[Bar]:
    """Each trade as a bar of its own."""
    return [(ts, price, price, price, price, amount) for ts, price, amount in trades]


def _joined(ts: int, rows: list[Bar]) -> Bar:
    high, low = max(row[2] for row in rows), min(row[3] for row in rows)
    return ts, rows[0][1], high, low, rows[-1][4], math.fsum(row[5] for row in rows)


def counted(trades: Iterable[Trade], timeframe: str, day_of: Callable[[int], int]) -> list[Bar]:
    """Bars by count: a new one after so many trades, so much volume or so much money of a day."""
    match = re.fullmatch(r"([0-9.]+)(tick|volume|dollar)", timeframe)
    assert match is not None
    found: list[Bar] = []
    for _, group in groupby(trades, key=lambda trade: day_of(trade[0])):
        earliest = -(2**63)
        rows: list[Trade] = []
        for trade in group:
            rows.append(trade)
            if _size(rows, match[2]) >= float(match[1]):
                found.append(_counted(rows, earliest))
                earliest, rows = found[-1][0] + 1, []
        if rows:
            found.append(_counted(rows, earliest))
    return found


def _size(rows: list[Trade], kind: str) -> float:
    if kind == "tick":
        return len(rows)
    return math.fsum(amount if kind == "volume" else abs(p * amount) for _, p, amount in rows)


def _counted(rows: list[Trade], earliest: int) -> Bar:
    return _joined(max(rows[0][0], earliest), of_trades(rows))
