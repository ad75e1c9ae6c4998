"""Columns as float64, which is what windows hold."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def is_numeric(kind: pa.DataType) -> bool:
    """Whether values of that type have a float64: numbers, truth values and times."""
    types = pa.types
    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_timestamp(kind)
    )


def floats(column: pa.Array) -> Floats:
    """`column` as float64, without a copy where it is that; what is null becomes NaN.

    False and true are 0 and 1. Times are what they count since 1970, nanoseconds in `ts`; whole
    numbers beyond 2^53, as these are, are rounded to what a float64 holds.
    """
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    if not pa.types.is_float64(column.type):
        column = column.cast(pa.float64(), safe=False)
    values: Floats = column.to_numpy(zero_copy_only=False)
    return values
