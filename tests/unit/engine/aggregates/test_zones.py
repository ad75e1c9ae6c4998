"""Zones as tables, against the clock of zoneinfo itself."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightstore_proto.errors import BadRequest
from flightstore_server.engine.aggregates import zones

SECOND = 10**9
NAMES = ["America/New_York", "Africa/Freetown", "Africa/Casablanca", "Asia/Kolkata", "Pacific/Apia"]
SECONDS = st.integers(-6_000_000_000, 9_000_000_000)  # 1779 to 2255


@given(st.sampled_from(NAMES), SECONDS)
def test_the_table_says_what_the_clock_says(name: str, second: int) -> None:
    changes = zones.changes(name)
    change = changes[bisect_right([c.at for c in changes], second * SECOND) - 1]
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    assert timedelta(seconds=change.ahead // SECOND) == at.astimezone(ZoneInfo(name)).utcoffset()


@pytest.mark.parametrize("name", NAMES)
def test_the_clock_differs_on_both_sides_of_every_change(name: str) -> None:
    for before, change in pairwise(zones.changes(name)):
        assert before.at < change.at
        assert before.ahead != change.ahead


def test_an_offset_that_held_for_four_days_is_found() -> None:
    days = [c.at / SECOND / 86_400 for c in zones.changes("Africa/Freetown")]
    assert min(b - a for a, b in pairwise(days[1:])) < 4


def test_utc_never_changes() -> None:
    assert zones.changes("UTC") == (zones.Change(-(2**63), 0),)
    assert zones.changes("Etc/UTC") == zones.changes("UTC")


@pytest.mark.parametrize(
    "name", ["America/NewYork", "", "../../etc/passwd", "America", "localtime", "x" * 10_000]
)
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(BadRequest, match="is not a time zone"):
        zones.check(name)


def test_a_misspelled_zone_is_answered_with_near_names() -> None:
    with pytest.raises(BadRequest) as caught:
        zones.check("america/new york")
    assert caught.value.suggestions[0] == "America/New_York"
