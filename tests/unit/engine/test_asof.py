"""A walk along both sides of an as-of join, wherever either is cut into batches."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from tests.support.rows import own
from tests.support.seeds import generator

from flightstore_proto.timerange import TS_MAX, TS_MIN
from flightstore_server.engine.asof import Walk, in_force


def _naive(left: list[int], right: list[int], tolerance: int | None) -> list[int | None]:
    """For each of `left` the position of the last of `right` at or before it."""
    found: list[int | None] = []
    for at in left:
        before = [i for i, since in enumerate(right) if since <= at]
        in_time = bool(before) and (tolerance is None or at - right[before[-1]] <= tolerance)
        found.append(before[-1] if in_time else None)
    return found


def _cut(rng: random.Random, length: int) -> list[tuple[int, int]]:
    borders = sorted({0, length, *(rng.randrange(length + 1) for _ in range(rng.randrange(8)))})
    return list(pairwise(borders))


def _walked(
    rng: random.Random, left: list[int], right: list[int], tolerance: int | None
) -> list[int | None]:
    rows = own(right, number=pa.array(range(len(right)), pa.int64()))
    batches: Iterator[pa.RecordBatch] = (
        rows.slice(low, high - low) for low, high in _cut(rng, len(right))
    )
    walk = Walk(batches, pa.schema([rows.schema.field("number")]))
    found: list[int | None] = []
    for low, high in _cut(rng, len(left)):
        [column] = walk.columns(np.array(left[low:high], np.int64), tolerance)
        found += column.to_pylist()
    return found


def test_a_walk_finds_what_a_search_through_all_rows_finds() -> None:
    rng = generator("walks")
    for _ in range(300):
        span = rng.choice([5, 50, 5_000])
        left = sorted(rng.randrange(span) for _ in range(rng.choice([1, 3, 40])))
        right = sorted(rng.randrange(span) for _ in range(rng.choice([0, 1, 3, 40, 200])))
        tolerance = rng.choice([None, 0, 1, span // 4])
        assert _walked(rng, left, right, tolerance) == _naive(left, right, tolerance)


@pytest.mark.parametrize("many", ["left", "right"])
def test_the_last_of_several_rows_at_one_time_is_in_force(many: str) -> None:
    since = np.array([3, 3, 7, 7, 7], np.int64)
    ts = np.array([2, 3, 4, 7, 9] if many == "right" else [2, 2, 3, 3, 4, 6, 7, 7, 9], np.int64)
    expected = since.searchsorted(ts, "right") - 1
    assert in_force(since, ts).tolist() == expected.tolist()


def test_ages_are_told_at_both_ends_of_time() -> None:
    rng = generator("ends of time")
    left, right = [TS_MIN, 0, TS_MAX], [TS_MIN, 5]
    assert _walked(rng, left, right, None) == [0, 0, 1]
    assert _walked(rng, left, right, TS_MAX) == [0, None, 1]
