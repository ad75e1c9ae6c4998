"""Sets of time as the catalog stores them: int128 pairs, since an end may be one past int64."""

from __future__ import annotations

from flightstore_proto.intervals import IntervalSet

_BYTES = 16


def encode(ranges: IntervalSet) -> bytes:
    bounds = (bound for interval in ranges for bound in interval)
    return b"".join(bound.to_bytes(_BYTES, "little", signed=True) for bound in bounds)


def decode(data: bytes) -> IntervalSet:
    bounds = [
        int.from_bytes(data[at : at + _BYTES], "little", signed=True)
        for at in range(0, len(data), _BYTES)
    ]
    return tuple(zip(bounds[::2], bounds[1::2], strict=True))
