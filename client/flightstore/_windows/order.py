"""The order of windows: a random permutation that takes no memory, and shards of it.

A number is written in two digits, and each digit is changed in turn by what a hash makes of the
other (a Feistel network; with digits of any base, as in Black and Rogaway, "Ciphers with Arbitrary
Finite Domains", 2002). Each step can be undone, so the whole is a permutation of all two-digit
numbers. Those beyond the last window are sent through again until they are not.

Only whole numbers below 2^64 take part: the order is the same on every machine, for ever.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from math import isqrt

import numpy as np
from numpy.typing import NDArray

UInt64s = NDArray[np.uint64]
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Order:
    """The windows of one shard, in the order of one epoch.

    Of `total` windows, shard (i, n) has every n-th of the same order, beginning with the i-th.
    """

    total: int
    shuffle: bool
    seed: int
    shard: tuple[int, int]
    epoch: int = 0

    def __len__(self) -> int:
        return len(range(self.shard[0], self.total, self.shard[1]))

    def at_epoch(self, epoch: int) -> Order:
        """The same windows in the order of another epoch."""
        return replace(self, epoch=epoch)

    def numbers(self, span: range) -> UInt64s:
        """Which windows of all come at the places `span` of this shard."""
        first, step = self.shard
        places = np.arange(span.start, span.stop, dtype=np.uint64)
        places = np.uint64(first) + np.uint64(step) * places
        return self._permuted(places) if self.shuffle else places

    def _permuted(self, places: UInt64s) -> UInt64s:
        keys = _keys(self.seed, self.epoch)
        found = _scattered(places, self.total, keys)
        beyond = np.flatnonzero(found >= self.total)
        while len(beyond):  # at most as often as there are numbers beyond, fewer than one in a root
            found[beyond] = _scattered(found[beyond], self.total, keys)
            beyond = beyond[found[beyond] >= self.total]
        return found


def _scattered(numbers: UInt64s, total: int, keys: list[int]) -> UInt64s:
    """A permutation of the two-digit numbers, of which the first `total` are those asked for."""
    high_base = np.uint64(isqrt(total - 1) + 1)
    low_base = np.uint64(-(-total // int(high_base)))
    high, low = np.divmod(numbers, low_base)
    for first, second in zip(keys[::2], keys[1::2], strict=True):
        high = (high + _mixed(low, first)) % high_base
        low = (low + _mixed(high, second)) % low_base
    return high * low_base + low


def _mixed(values: UInt64s, key: int) -> UInt64s:
    """A hash of each value, in 32 bits so that it can be added to a digit: the upper half of
    what SplitMix64 ends with (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
    Generators", 2014)."""
    z = values + np.uint64(key)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (z ^ (z >> np.uint64(31))) >> np.uint64(32)


def _keys(seed: int, epoch: int) -> list[int]:
    """One key per half round, each from all of `seed` and `epoch`."""
    words = [
        hashlib.blake2b(f"{seed} {epoch} {turn}".encode(), digest_size=8).digest()
        for turn in range(2 * _ROUNDS)
    ]
    return [int.from_bytes(word, "little") for word in words]
