"""What a polars predicate says of times and instruments, so that a server need not send the rest.

Expressions are taken apart and compared by polars' own means (`meta.pop`, `meta.eq`), since their
written forms change from version to version. What is not understood narrows nothing: the predicate
is applied to what comes in any case.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from flightstore_proto.timeframe import DAY_NS
from flightstore_proto.timerange import TS_MAX, TS_MIN

if TYPE_CHECKING:
    from polars._typing import ClosedInterval

_UNITS_NS = {"ns": 1, "us": 1_000, "ms": 1_000_000}
# `ts` may be cast to a coarser unit before it is compared: bounds leave room for what that cuts.
_ROOM_NS = 999_999
_TS = [
    pl.col("ts"),
    *(
        pl.col("ts").cast(pl.Datetime(unit, "UTC"), strict=strict)
        for unit in ("us", "ms")
        for strict in (True, False)
    ),
]
# Each comparison, and what it is with its sides exchanged.
_MIRRORED = {
    operator.ge: operator.le,
    operator.gt: operator.lt,
    operator.le: operator.ge,
    operator.lt: operator.gt,
    operator.eq: operator.eq,
}
_CLOSED: tuple[ClosedInterval, ...] = ("both", "left", "right", "none")


@dataclass(frozen=True, slots=True)
class Needed:
    """Rows outside of this cannot fit: `ts` from `low` to `high`, ns and inclusive, and names.

    Any names will do where they are None.
    """

    low: int = TS_MIN
    high: int = TS_MAX
    exchanges: frozenset[str] | None = None
    symbols: frozenset[str] | None = None

    @property
    def names_any(self) -> bool:
        """Whether it speaks of instruments."""
        return self.exchanges is not None or self.symbols is not None

    def fits(self, instrument: str) -> bool:
        """Whether rows of `instrument` can fit."""
        exchange, _, symbol = instrument.partition(":")
        return (self.exchanges is None or exchange in self.exchanges) and (
            self.symbols is None or symbol in self.symbols
        )

    def __and__(self, other: Needed) -> Needed:
        return Needed(
            max(self.low, other.low),
            min(self.high, other.high),
            _both(self.exchanges, other.exchanges),
            _both(self.symbols, other.symbols),
        )


def needed(predicate: pl.Expr | None) -> Needed:
    """What rows must be like to fit `predicate`, as far as it is understood."""
    found = Needed()
    for term in [] if predicate is None else _terms(predicate):
        found = found & _term(term)
    return found


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _terms(expression: pl.Expr) -> Iterator[pl.Expr]:
    """The expressions that must all hold."""
    waiting = [expression]
    while waiting:
        one = waiting.pop()
        parts = _parts(one)
        if len(parts) == 2 and (parts[0] & parts[1]).meta.eq(one):
            waiting += parts
        else:
            yield one


def _parts(expression: pl.Expr) -> list[pl.Expr]:
    return expression.meta.pop()[::-1]  # polars gives them from the last to the first


def _term(term: pl.Expr) -> Needed:
    parts = _parts(term)
    if len(parts) == 3:
        return _between(term, *parts)
    if len(parts) != 2:
        return Needed()
    left, right = parts
    if left.is_in(right).meta.eq(term):
        return _named(left, _texts(right))
    for comparison, mirrored in _MIRRORED.items():
        if comparison(left, right).meta.eq(term):
            return _compared(left, comparison, right) & _compared(right, mirrored, left)
    return Needed()


def _between(term: pl.Expr, column: pl.Expr, low: pl.Expr, high: pl.Expr) -> Needed:
    if not any(column.is_between(low, high, closed=c).meta.eq(term) for c in _CLOSED):
        return Needed()
    return _compared(column, operator.ge, low) & _compared(column, operator.le, high)


def _compared(column: pl.Expr, comparison: object, value: pl.Expr) -> Needed:
    if any(column.meta.eq(ts) for ts in _TS):
        ns = _instant(value)
        if ns is None:
            return Needed()
        low = TS_MIN if comparison in (operator.le, operator.lt) else ns
        high = TS_MAX if comparison in (operator.ge, operator.gt) else ns + _ROOM_NS
        return Needed(low, high)
    return _named(column, _texts(value)) if comparison is operator.eq else Needed()


def _named(column: pl.Expr, texts: frozenset[str] | None) -> Needed:
    if column.meta.eq(pl.col("exchange")):
        return Needed(exchanges=texts)
    return Needed(symbols=texts) if column.meta.eq(pl.col("symbol")) else Needed()


def _instant(value: pl.Expr) -> int | None:
    """The one time that `value` is, in ns UTC."""
    found = _evaluated(value)
    if found is None or len(found) != 1 or found.null_count():
        return None
    number = int(found.to_physical()[0]) if found.dtype.is_temporal() else 0
    if isinstance(found.dtype, pl.Datetime):
        return number * _UNITS_NS[found.dtype.time_unit]
    return number * DAY_NS if found.dtype == pl.Date else None


def _texts(value: pl.Expr) -> frozenset[str] | None:
    """The texts that `value` is, or is a list of."""
    found = _evaluated(value)
    if found is not None and isinstance(found.dtype, pl.List):
        found = found.explode()
    if found is None or found.dtype not in (pl.String, pl.Categorical, pl.Enum):
        return None
    return frozenset(found.cast(pl.String).drop_nulls())


def _evaluated(value: pl.Expr) -> pl.Series | None:
    """What `value` is, if it is made of nothing but literals."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        parts = one.meta.pop()
        if not parts and not one.meta.is_literal():
            return None
        waiting += parts
    try:
        return pl.select(value).to_series()
    except pl.exceptions.PolarsError:
        return None  # whoever applies the predicate is told what is wrong with it
