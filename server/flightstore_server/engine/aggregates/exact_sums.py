"""Sums of floats that are exact: the float64 nearest to the true sum, in any order of the values.

A sum that is rounded only once does not depend on how rows were cut into batches, so a window that
is computed again has the same volume bit for bit.

`window_sums` splits every value at one power of two (Rump, Ogita, Oishi: Accurate Floating-Point
Summation, 2008): the high parts are multiples of a common unit and their sums are exact; the low
parts are so small that the error of their sums is known to be too small to matter, or else the
window is summed again by `math.fsum`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Float64s = NDArray[np.float64]
Int64s = NDArray[np.int64]

# Every float64 is a whole number of these: the smallest one above zero is 2**-1074.
_UNIT_BITS = 1074
# Outside of this the split itself could overflow, or its error bound underflow.
_SMALLEST, _LARGEST = 2.0**-900, 2.0**900
_SIGN_BIT = 1 << 63
# So many values, 2 MiB of them, are kept before they become one number.
_WAITING_MAX = 1 << 18
# Up to here Python's own loop is faster than several calls of numpy.
_FEW = 256


def window_sums(values: Float64s, firsts: Int64s) -> Float64s:
    """The sums of `values` cut at the positions `firsts`, each as `math.fsum` would round it.

    `firsts` rise strictly and begin with 0; the values are finite. A sum beyond the largest float
    is infinite.
    """
    lengths = ends_of(firsts, len(values)) - firsts
    unit = _common_unit(values, int(lengths.max()))
    if unit is None:
        return _one_by_one(values, firsts, lengths, np.arange(len(firsts)))
    high, low = _split(values, unit)
    highs, lows = np.add.reduceat(high, firsts), np.add.reduceat(low, firsts)
    sums = highs + lows
    added = sums - highs
    missed = (highs - (sums - added)) + (lows - added)
    # A low part is at most unit * 2**-53, so the sum of n of them is at most n² * unit * 2**-106
    # off; twice that covers the rounding here.
    error = lengths.astype(np.float64)
    error *= error * (unit * 2.0**-105)
    unproven = (sums + (missed + error) != sums) | (sums + (missed - error) != sums)
    at = np.flatnonzero(unproven)
    if len(at):
        sums[at] = _one_by_one(values, firsts, lengths, at)
    return sums


def ends_of(firsts: Int64s, rows: int) -> Int64s:
    """Where the parts of `rows` rows end that begin at each of `firsts`."""
    ends = np.empty(len(firsts), np.int64)
    ends[:-1] = firsts[1:]
    ends[-1] = rows
    return ends


def _common_unit(values: Float64s, most: int) -> float | None:
    """The power of two to split `values` at, so that the sum of `most` high parts is exact.

    High parts are multiples of unit * 2**-53, and no sum of `most` of them exceeds the unit. None
    if the values are too large or too small for that.
    """
    largest = _largest(values)
    if largest == 0:
        return 1.0
    if not _SMALLEST < largest < _LARGEST:
        return None
    return math.ldexp(1.0, math.frexp(largest)[1] + most.bit_length() + 1)


def _largest(values: Float64s) -> float:
    """The largest magnitude of `values`."""
    # Of floats that are not negative the bits are in order too, and the sign is the highest bit.
    bits = values.view(np.uint64).max()
    if bits < _SIGN_BIT:
        return float(bits.view(np.float64))
    return max(float(values.max()), -float(values.min()))


def _split(values: Float64s, unit: float) -> tuple[Float64s, Float64s]:
    high = values + unit
    high -= unit
    return high, values - high


def _one_by_one(values: Float64s, firsts: Int64s, lengths: Int64s, at: Int64s) -> Float64s:
    spans = zip(firsts[at].tolist(), lengths[at].tolist(), strict=True)
    return np.array([_sum(values[first : first + n]) for first, n in spans], np.float64)


def _sum(values: Float64s) -> float:
    try:
        return math.fsum(values.tolist())
    except OverflowError:  # perhaps only on the way
        return _nearest(_in_units(values.tolist()))


class ExactSum:
    """A sum to which values are added piece by piece, and which is rounded only when asked for."""

    __slots__ = ("_count", "_units", "_waiting")

    def __init__(self) -> None:
        self._units = 0
        self._waiting: list[Float64s] = []
        self._count = 0

    def add(self, values: Float64s) -> None:
        """Add all of `values`, which are finite; the array may be kept for a while."""
        self._waiting.append(values)
        self._count += len(values)
        if self._count > _WAITING_MAX:
            self._fold()

    def nearest(self) -> float:
        """The float64 nearest to the sum; infinite beyond the largest float."""
        if self._units == 0:
            if not self._waiting:
                return 0.0
            waiting = self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting)
            if len(waiting) <= _FEW:
                return _sum(waiting)
            return float(window_sums(waiting, np.zeros(1, np.int64))[0])
        self._fold()
        return _nearest(self._units)

    def plus(self, values: Float64s) -> ExactSum:
        """A new sum, of this one's values and `values`."""
        longer = ExactSum()
        longer._units, longer._count, longer._waiting = self._units, self._count, [*self._waiting]
        longer.add(values)
        return longer

    def reaches_after(self, values: Float64s, size: float) -> int:
        """With how many of `values` added, which are not negative, nearest() would be `size` or
        more; len(values) + 1 if with all of them it would not be. Changes nothing.
        """
        self._fold()
        units = self._units
        for count, value in enumerate(values, 1):  # one by one: few of many may be enough
            units += _in_units([float(value)])
            if _nearest(units) >= size:
                return count
        return len(values) + 1

    def _fold(self) -> None:
        for values in self._waiting:
            self._units += _in_units(_with_the_same_sum(values))
        self._waiting, self._count = [], 0


def _with_the_same_sum(values: Float64s) -> list[float]:
    """A few floats with exactly the sum of `values`."""
    few: list[float] = []
    while len(values) > _FEW:
        unit = _common_unit(values, len(values))
        if unit is None:
            break
        high, values = _split(values, unit)
        few.append(float(np.add.reduce(high)))
        values = values[values != 0]
    few += values.tolist()
    return few


def _in_units(values: list[float]) -> int:
    """The true sum of `values` as a number of units of 2**-1074."""
    total = 0
    for value in values:
        numerator, denominator = value.as_integer_ratio()
        total += numerator << (_UNIT_BITS + 1 - denominator.bit_length())
    return total


def _nearest(units: int) -> float:
    """The float64 nearest to so many units; Python rounds the quotient of integers once."""
    try:
        return units / (1 << _UNIT_BITS)
    except OverflowError:
        return math.inf if units > 0 else -math.inf
