"""Which windows of a derived series are noted as stale, taken, given back and frozen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.rows import DAY, MINUTE, NOON_2024

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto import instrument as instruments
from flightstore_proto.intervals import IntervalSet
from flightstore_proto.schemas import CANDLES
from flightstore_proto.timeframe import parse
from flightstore_proto.timerange import TS_MAX, TS_MIN
from flightstore_server.engine.aggregates import rules
from flightstore_server.engine.aggregates.derived import Derived, windows_of
from flightstore_server.engine.aggregates.windows import Windows
from flightstore_server.engine.series import Dataset, Series

FIVE = 5 * MINUTE
EVERYTHING = ((TS_MIN, TS_MAX + 1),)


@pytest.fixture
def derived() -> Derived:
    return derived_of("5m")


def derived_of(timeframe: str, zone: str = "") -> Derived:
    dataset = Dataset(1, "candles", CANDLES, key_has_id=False)
    base = Series(1, dataset, instruments.parse("binance:BTC/USDT"), parse("1m"), False)
    rule = rules.parse(pb.Rule(on="candles/*/1m", to=[timeframe], timezone=zone))
    return Derived(rule, base, rule.windows(parse(timeframe)))


def note(derived: Derived, *minutes: int) -> bool:
    ts = np.array([NOON_2024 + minute * MINUTE for minute in minutes], np.int64)
    return derived.note(ts, int(ts[0]), int(ts[-1]))


def in_fives(stale: IntervalSet) -> list[tuple[int, int]]:
    return [((low - NOON_2024) // FIVE, (high - NOON_2024) // FIVE) for low, high in stale]


def test_what_is_new_has_everything_to_be_computed(derived: Derived) -> None:
    derived.mark_everything()
    assert derived.unsettled() == EVERYTHING


def test_a_row_makes_its_window_stale(derived: Derived) -> None:
    assert derived.is_current
    note(derived, 7)
    assert not derived.is_current
    assert in_fives(derived.unsettled()) == [(1, 2)]


def test_rows_far_apart_make_only_their_own_windows_stale(derived: Derived) -> None:
    note(derived, 0, 3, 6, 100)
    assert in_fives(derived.unsettled()) == [(0, 2), (20, 21)]


def test_more_rows_of_one_window_are_noted_once(derived: Derived) -> None:
    assert not any(note(derived, minute % 5) for minute in range(10_000))
    assert in_fives(derived.unsettled()) == [(0, 1)]


def test_many_notes_are_worked_out_and_said_to_be_many(derived: Derived) -> None:
    many = [note(derived, 10 * number) for number in range(256)]
    assert many == [False] * 255 + [True]
    assert len(derived.stale) == 256


def test_a_window_that_was_taken_is_stale_again_after_the_next_row(derived: Derived) -> None:
    note(derived, 2)
    derived.take(TS_MIN, TS_MAX + 1)
    note(derived, 2)
    derived.finish(())
    assert in_fives(derived.unsettled()) == [(0, 1)]


def test_what_is_taken_is_busy_until_it_is_finished(derived: Derived) -> None:
    note(derived, 2, 12)
    assert in_fives(derived.take(NOON_2024 + MINUTE, NOON_2024 + 2 * MINUTE)) == [(0, 1)]
    assert in_fives(derived.stale) == [(2, 3)]
    assert in_fives(derived.unsettled()) == [(0, 1), (2, 3)]
    derived.finish(())
    assert in_fives(derived.unsettled()) == [(2, 3)]
    derived.take(TS_MIN, TS_MAX + 1)
    derived.finish(())
    assert derived.is_current


@pytest.mark.parametrize("given_back", [True, False])
def test_what_could_not_be_finished_is_stale_again(derived: Derived, given_back: bool) -> None:
    note(derived, 2)
    derived.take(TS_MIN, TS_MAX + 1)
    if given_back:
        derived.give_back()
    else:
        derived.finish(None)
    assert in_fives(derived.stale) == [(0, 1)]
    assert derived.busy == ()


def test_windows_whose_base_was_not_computed_itself_are_stale_again(derived: Derived) -> None:
    note(derived, 2, 7, 12)
    derived.take(TS_MIN, TS_MAX + 1)
    low = NOON_2024 + 6 * MINUTE
    derived.finish(((low, low + MINUTE),))
    assert in_fives(derived.stale) == [(1, 2)]


def test_a_range_marks_the_whole_windows_at_its_ends(derived: Derived) -> None:
    derived.mark(NOON_2024 + 4 * MINUTE, NOON_2024 + 11 * MINUTE)
    assert in_fives(derived.unsettled()) == [(0, 3)]
    derived.mark(TS_MIN, TS_MAX + 1)
    assert derived.unsettled() == EVERYTHING


def test_what_begins_before_the_floor_stays_as_it_is(derived: Derived) -> None:
    derived.freeze(NOON_2024 + FIVE)
    note(derived, 2, 7)
    assert in_fives(derived.unsettled()) == [(1, 2)]


def test_rows_touch_frozen_windows_too(derived: Derived) -> None:
    """Who follows from an older position was not told bars that were frozen since."""
    derived.freeze(NOON_2024 + FIVE)
    ts = np.array([NOON_2024, NOON_2024 + FIVE], np.int64)
    assert in_fives(derived.touches(ts)) == [(0, 2)]


def test_a_window_that_was_let_go_in_part_is_frozen_as_a_whole(derived: Derived) -> None:
    """Retention cuts at UTC days. Of a day in New York its evening was left, and a late trade had
    the day's bar computed from that evening alone."""
    derived.freeze(NOON_2024 + 2 * MINUTE)
    note(derived, 3)
    assert derived.unsettled() == ()
    derived.freeze(NOON_2024 - DAY)
    assert derived.floor == NOON_2024 + FIVE


def test_coverage_is_of_windows_that_are_covered_whole(derived: Derived) -> None:
    derived.base.coverage = ((NOON_2024 - 1, NOON_2024 + 12 * MINUTE), (0, 1))
    assert in_fives(derived.coverage()) == [(0, 2)]
    assert derived.coverage() is derived.coverage()


TIMEFRAMES = ["5m", "1h", "1d", "1w", "1M", "1y"]


@given(
    st.lists(st.integers(-(10**18), 2 * 10**18), min_size=1, max_size=50),
    st.sampled_from(TIMEFRAMES),
    st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata"]),
)
def test_the_windows_of_times_hold_them_and_hardly_more(
    times: list[int], timeframe: str, zone: str
) -> None:
    windows = Windows(parse(timeframe), zone)
    found = windows_of(np.array(times, np.int64), windows)
    assert all(any(low <= ts < high for low, high in found) for ts in times)
    starts = {windows.floor(ts) for ts in times}
    held = sum(len(windows.starts(low, high)) for low, high in found)
    assert len(starts) <= held <= len(starts) + 2
    assert all(windows.floor(low) == low and windows.floor(high) == high for low, high in found)
