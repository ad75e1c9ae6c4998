"""Recordings: what had happened by when, in pages that claim no more than they hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.replay.recordings import (
    BARS,
    MINUTE,
    START,
    TICKS,
    bars,
    recording,
    ticks,
)

from flightstore_ingest.replay import recording as module
from flightstore_ingest.replay.recording import Recording
from flightstore_ingest.source import Page


def times(page: Page) -> list[int]:
    return [each.value for each in page.rows.column("ts")]


def ranges(played: Recording, start: int, end: int) -> list[tuple[int, int] | None]:
    return [page.covers for page in played.pages(start, end)]


def test_one_small_page_covers_all_that_was_asked_for() -> None:
    played = recording(BARS, bars(60))
    [page] = played.pages(START + 10 * MINUTE, START + 20 * MINUTE)
    assert times(page) == [START + i * MINUTE for i in range(10, 20)]
    assert page.covers == (START + 10 * MINUTE, START + 20 * MINUTE)


@given(
    gaps=st.lists(st.integers(0, 2), min_size=1, max_size=40),
    start=st.integers(-3, 45),
    length=st.integers(1, 45),
)
def test_pages_make_up_the_range_and_no_time_is_in_two(
    gaps: list[int], start: int, length: int
) -> None:
    at = [sum(gaps[: i + 1]) for i in range(len(gaps))]
    played = recording(TICKS, ticks([START + t for t in at]))
    low, high = START + start, START + start + length
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PAGE_ROWS", 3)
        pages = list(played.pages(low, high))
    assert [ts for page in pages for ts in times(page)] == [
        START + t for t in at if start <= t < start + length
    ]
    edge = low
    for page in pages:
        before, edge = edge, page.covers[1] if page.covers else edge
        assert page.covers is None or page.covers[0] == before
        assert all(before <= ts < edge for ts in times(page) if ts != played.end)
    assert edge == max(min(high, played.end), low)


def test_bars_are_complete_to_the_close_of_the_last_one() -> None:
    played = recording(BARS, bars(60))
    assert ranges(played, START, START + 120 * MINUTE) == [(START, START + 60 * MINUTE)]


def test_the_last_trade_is_there_and_its_time_is_not_claimed() -> None:
    played = recording(TICKS, ticks([START, START + 5]))
    [page] = played.pages(START, START + 100)
    assert (times(page), page.covers) == ([START, START + 5], (START, START + 5))


def test_after_its_end_a_recording_says_nothing() -> None:
    assert not ranges(recording(BARS, bars(60)), START + 60 * MINUTE, START + 90 * MINUTE)


def test_a_bar_has_happened_once_it_closes() -> None:
    played = recording(BARS, bars(60))
    assert played.known(START + MINUTE - 1) == START
    assert played.known(START + MINUTE) == START + MINUTE
    assert played.due(START) == START + MINUTE


def test_a_trade_has_happened_at_its_time() -> None:
    played = recording(TICKS, ticks([START, START + 5]))
    assert played.known(START) == START + 1
    assert played.due(START + 1) == START + 5
    assert played.due(START + 6) is None
