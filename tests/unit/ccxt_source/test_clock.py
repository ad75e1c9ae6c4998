"""What time it is at the exchange."""

from __future__ import annotations

import asyncio
from email.utils import format_datetime, formatdate
from time import monotonic, time_ns

import pytest

from flightstore_ingest.ccxt_source.clock import ExchangeClock, from_header

SECOND = 1_000_000_000
NOON = 1_700_049_600 * SECOND
NEAR = 20 * SECOND  # a machine may be busy


def is_near(ns: int, other: int) -> bool:
    return 0 <= ns - other < NEAR


@pytest.mark.parametrize("skew", [-86_400 * SECOND, 0, 86_400 * SECOND])
def test_the_clock_goes_by_what_the_exchange_told_and_not_by_this_machine(skew: int) -> None:
    clock = ExchangeClock()
    clock.told(NOON + skew)
    assert is_near(clock.now(), NOON + skew)


def test_a_clock_that_was_told_nothing_is_this_machines() -> None:
    before = time_ns()
    assert is_near(ExchangeClock().now(), before)


def test_a_fast_clock_runs_ahead() -> None:
    clock = ExchangeClock(speed=1e6)
    clock.told(NOON)
    first = clock.now()
    while clock.now() < first + 60 * SECOND:
        pass  # sixty microseconds


def test_a_header_sets_the_clock_of_an_exchange_that_tells_no_time() -> None:
    clock = ExchangeClock()
    clock.header(formatdate(NOON // SECOND, usegmt=True))
    assert is_near(clock.now(), NOON)


def test_a_header_does_not_unset_what_was_told_exactly() -> None:
    clock = ExchangeClock()
    clock.told(NOON)
    clock.header(formatdate(NOON // SECOND - 3_600, usegmt=True))
    assert is_near(clock.now(), NOON)


def test_a_header_within_its_own_second_leaves_the_clock_alone() -> None:
    clock = ExchangeClock()
    clock.header(formatdate(NOON // SECOND, usegmt=True))
    told, at = clock._told_ns, clock._at_ns
    clock.header(formatdate(clock.now() // SECOND, usegmt=True))
    assert (clock._told_ns, clock._at_ns) == (told, at)


@pytest.mark.parametrize("date", ["", "yesterday", "0", "Mon, 99 Foo 2023 25:00:00 GMT"])
def test_what_is_no_date_is_no_time(date: str) -> None:
    assert from_header(date) is None
    clock = ExchangeClock()
    clock.header(date)
    assert is_near(clock.now(), time_ns() - SECOND)


def test_a_date_without_a_zone_is_in_universal_time() -> None:
    """`-0000` means that the zone is not known; it must not become this machine's."""
    from datetime import datetime

    text = format_datetime(datetime(2023, 11, 15, 12))
    assert text.endswith("-0000")
    assert from_header(text) == NOON


def test_seconds_until_an_instant_are_real_ones() -> None:
    clock = ExchangeClock(speed=60)
    clock.told(NOON)
    assert 0 < clock.seconds_until(NOON + 3_600 * SECOND) <= 60
    assert clock.seconds_until(NOON - SECOND) == 0


def test_sleep_is_by_the_clock() -> None:
    began = monotonic()
    asyncio.run(asyncio.wait_for(ExchangeClock(speed=1e5).sleep(3_600), 10))
    assert monotonic() > began
