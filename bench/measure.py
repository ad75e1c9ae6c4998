"""Measuring one thing against another in one run: interleaved, medians, and how far they spread.

A machine's speed changes from minute to minute. So contenders take turns, in an order that is drawn
anew for each round (the memory that one leaves behind is what the next finds). What is reported is
the ratio of their medians, beside the median and the quartiles of the ratios of single rounds.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

Seconds = list[float]


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as large one thing is as another.

    value      ratio of the medians
    low, high  quartiles of the ratios of single rounds; `paired` is their median
    """

    value: float
    low: float
    paired: float
    high: float


def interleaved(
    rounds: int, contenders: Mapping[str, Callable[[], object]], *, warmups: int = 1
) -> dict[str, Seconds]:
    """How long each contender took in each round; what it returns is dropped after the clock."""
    for _ in range(warmups):
        for work in contenders.values():
            work()
    taken: dict[str, Seconds] = {name: [] for name in contenders}
    for order in _orders(rounds, contenders):
        for name in order:
            taken[name].append(timed(contenders[name]))
    return taken


def _orders(rounds: int, names: Iterable[str]) -> Iterator[list[str]]:
    draw = random.Random(0)
    for _ in range(rounds):
        order = list(names)
        draw.shuffle(order)
        yield order


def timed(work: Callable[[], object]) -> float:
    """Seconds that `work` takes. Its result is kept until the clock has stopped."""
    gc.collect()
    start = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    del result
    return seconds


def alternating_calls(
    calls: int, contenders: Mapping[str, Callable[[], object]], *, block: int = 25
) -> dict[str, Seconds]:
    """As `interleaved`, for short work: blocks of calls take turns, each call is timed."""
    taken: dict[str, Seconds] = {name: [] for name in contenders}
    for order in _orders(max(2, calls // block), contenders):
        for name in order:
            work, times = contenders[name], taken[name]
            work()  # what another contender left cold is not this one's cost
            for _ in range(block):
                start = time.perf_counter()
                work()
                times.append(time.perf_counter() - start)
    return taken


def ratio(ours: Seconds, theirs: Seconds, *, block: int = 1) -> Ratio:
    """`ours` over `theirs`; `block`: calls that are too short to be compared one by one."""
    pairs = [a / b for a, b in zip(_blocks(ours, block), _blocks(theirs, block), strict=True)]
    return Ratio(statistics.median(ours) / statistics.median(theirs), *quartiles(pairs))


def _blocks(times: Seconds, size: int) -> Seconds:
    return [statistics.median(times[at : at + size]) for at in range(0, len(times), size)]


def inverse(ratio: Ratio) -> Ratio:
    """The same comparison the other way around: speeds instead of times."""
    return Ratio(1 / ratio.value, 1 / ratio.high, 1 / ratio.paired, 1 / ratio.low)


def quartiles(values: list[float]) -> tuple[float, float, float]:
    """The quarter, the middle and the three quarters of `values`."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high
