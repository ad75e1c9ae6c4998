"""Times as users say them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightstore_proto.errors import BadRange
from flightstore_proto.timerange import TS_MAX, TS_MIN, format_ns, time_range, to_ns

NOW = 1_700_000_000_123_456_789
Y2024 = 1_704_067_200 * 10**9
HOUR = 3_600 * 10**9


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("2024", Y2024),
        ("2024-01", Y2024),
        ("2024-01-01", Y2024),
        (" 2024-01-01 ", Y2024),
        ("2024-01-01T00:00", Y2024),
        ("2024-01-01 01:00", Y2024 + HOUR),
        ("2024-01-01T00:00Z", Y2024),
        ("2024-01-01T01:00+01:00", Y2024),
        ("2024-01-01T00:00:00.5", Y2024 + 500_000_000),
        ("2024-01-01T00:00:00.123456789Z", Y2024 + 123_456_789),
        ("2024-01-01T00:00:00.000000001+00:00", Y2024 + 1),
        ("now", NOW),
        ("-30d", NOW - 30 * 24 * HOUR),
        ("+2h", NOW + 2 * HOUR),
        ("-5ms", NOW - 5_000_000),
        (1_704_067_200_000, Y2024),
        (np.int64(1_704_067_200_000), Y2024),
        (0, 0),
        (-1, -1_000_000),
        (date(2024, 1, 1), Y2024),
        (datetime(2024, 1, 1), Y2024),
        (datetime(2024, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), Y2024),
        (pd.Timestamp("2024-01-01T00:00:00.000000001"), Y2024 + 1),
        (pd.Timestamp("2024-01-01", tz="Europe/Berlin"), Y2024 - HOUR),
        (np.datetime64("2024-01-01", "D"), Y2024),
        (np.datetime64(Y2024 + 1, "ns"), Y2024 + 1),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("2024-02-29", Y2024 + 59 * 24 * HOUR),
    ],
    ids=str,
)
def test_a_time_is_understood(said: object, expected: int) -> None:
    assert to_ns(said, now_ns=NOW) == expected


@pytest.mark.parametrize(
    "said",
    [
        "",
        "yesterday",
        "2024-13",
        "2023-02-29",
        "-30x",
        "24:00",
        "12345",
        True,
        1.5,
        pytest.param(object(), id="object"),
        pd.NaT,
        np.datetime64("NaT"),
        b"2024",
        "-9999999d",
        "\x00",
    ],
    ids=repr,
)
def test_what_is_no_time_is_refused(said: object) -> None:
    with pytest.raises(BadRange):
        to_ns(said, now_ns=NOW)


@pytest.mark.parametrize("said", ["1600", "2300", "0001-01-01", 10**16, -(10**16), date(1, 1, 1)])
def test_times_that_nanoseconds_cannot_say_are_refused(said: object) -> None:
    with pytest.raises(BadRange, match="outside 1677-09-21 to 2262-04-11"):
        to_ns(said)


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    try:
        assert TS_MIN <= to_ns(text, now_ns=NOW) <= TS_MAX + 1
    except BadRange as error:
        assert error.message.endswith(".")


@given(st.integers(TS_MIN, TS_MAX))
def test_a_time_that_was_written_out_is_read_back(ns: int) -> None:
    assert to_ns(format_ns(ns)) == ns


@given(st.datetimes(datetime(1678, 1, 1), datetime(2262, 1, 1)))
def test_iso_text_means_what_python_says(moment: datetime) -> None:
    delta = moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    assert to_ns(moment.isoformat()) == delta // timedelta(microseconds=1) * 1_000


def test_an_end_before_the_start_is_refused() -> None:
    with pytest.raises(BadRange, match="swap start and end"):
        time_range("2024-02", "2024-01")


def test_an_empty_range_is_a_range() -> None:
    window = time_range("2024", "2024")
    assert window.low == window.high == Y2024


def test_absent_bounds_reach_to_the_ends_of_time() -> None:
    window = time_range()
    assert (window.low, window.high) == (TS_MIN, TS_MAX + 1)
    assert str(window) == "[-∞, ∞)"
