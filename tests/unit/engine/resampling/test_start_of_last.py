"""Where the last so many windows of a range begin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightstore_proto.timeframe import parse
from flightstore_proto.timerange import to_ns
from flightstore_server.engine.aggregates.windows import Windows
from flightstore_server.engine.resampling.shaping import start_of_last

DAY = 86_400 * 10**9
WINDOWS = st.builds(
    Windows,
    st.sampled_from(["1h", "4h", "1d", "1w", "1M", "1y"]).map(parse),
    st.sampled_from(["UTC", "America/New_York", "Australia/Lord_Howe"]),
)


@given(
    WINDOWS,
    st.integers(0, 400 * DAY),
    st.integers(0, 400 * DAY),
    st.sampled_from([1, 2, 50, 10**9]),
)
def test_it_is_the_last_but_so_many_of_all_starts(
    windows: Windows, low: int, span: int, count: int
) -> None:
    first = windows.ceil(low)
    every = windows.starts(first, low + span).tolist() if first < low + span else [first]
    assert start_of_last(windows, low, low + span, count) == every[-min(count, len(every))]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Zurich"])
def test_a_great_many_are_counted_in_steps(zone: str) -> None:
    windows = Windows(parse("1m"), zone)
    start, end = to_ns("2020-01-01"), to_ns("2021-01-01")
    assert start_of_last(windows, start, end, 200_000) == end - 200_000 * 60 * 10**9
