from __future__ import annotations

import time

from tests.unit.simulate.conftest import SECOND, START

from flightstore_ingest.simulate import Clock


def test_the_clock_begins_where_it_is_told_to() -> None:
    before = Clock(START).now()
    assert START <= before < START + 60 * SECOND


def test_by_default_it_is_the_present() -> None:
    assert abs(Clock().now() - time.time_ns()) < SECOND


def test_a_fast_clock_is_ahead_of_a_slow_one() -> None:
    anchor = time.time_ns() - 10 * SECOND  # both have run for ten seconds
    fast, slow = Clock(START, 600.0, anchor), Clock(START, 1.0, anchor)
    assert fast.now() - START >= 6_000 * SECOND
    assert 10 * SECOND <= slow.now() - START < 1_000 * SECOND


def test_a_clock_of_the_same_three_numbers_tells_the_same_time() -> None:
    one = Clock(START, 60.0)
    other = Clock(one.start_ns, one.speed, one.anchor_ns)
    assert abs(one.now() - other.now()) < 60 * SECOND


def test_a_frozen_clock_stands_until_it_is_moved() -> None:
    clock = Clock(START)
    clock.freeze(START + SECOND)
    assert clock.now() == clock.now() == START + SECOND
    clock.advance(5)
    assert clock.now() == START + SECOND + 5


def test_what_it_tells_may_be_wrong() -> None:
    clock = Clock()
    clock.freeze(START)
    clock.skew_ns = -SECOND
    assert (clock.now(), clock.told()) == (START, START - SECOND)
