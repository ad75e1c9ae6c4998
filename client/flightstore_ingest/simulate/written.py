"""How several exchanges write times and numbers as text."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from flightstore_proto.timeframe import SECOND_NS

MINUTE_NS = 60 * SECOND_NS


def rfc3339(ns: int, digits: int = 6) -> str:
    """2023-09-10T13:47:41.447577Z, cut after `digits` (1 to 9) of a second."""
    minute, rest = divmod(ns, MINUTE_NS)
    second, part = divmod(rest, SECOND_NS)
    return f"{_minute(minute)}:{second:02d}.{part // 10 ** (9 - digits):0{digits}d}Z"


@lru_cache(maxsize=4096)
def _minute(minute: int) -> str:
    """Most of the text, and most of the work: remembered, for rows come close together."""
    return f"{datetime.fromtimestamp(minute * 60, UTC):%Y-%m-%dT%H:%M}"


def from_rfc3339(text: str) -> int:
    """ns since the epoch of a time as above, or of one in whole seconds. Raises ValueError."""
    moment, _, rest = text.removesuffix("Z").partition(".")
    second = int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp())
    return second * SECOND_NS + int(f"{rest:0<9}"[:9])


def plain(value: float, decimals: int) -> str:
    """`value` with at most `decimals` digits after the point: no exponent, no zeros at the end."""
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
