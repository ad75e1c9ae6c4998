"""How the times of a file are read: units by magnitude, zones, exactness."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from flightstore.cli.loading.covering import Extent
from flightstore.cli.loading.times import reading_of
from flightstore_proto.errors import BadRequest
from flightstore_proto.timerange import to_ns

WHEN = to_ns("2024-02-01T12:30:00")


def read(values, unit: str = "auto", zone: str = "UTC", kind: pa.DataType | None = None):
    column = pa.array(values, kind)
    reading = reading_of(column, unit, zone)
    return str(reading), reading.convert(pa.chunked_array([column])).cast(pa.int64()).to_pylist()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([WHEN // 10**9], "seconds since 1970"),
        ([WHEN // 10**6], "milliseconds since 1970"),
        ([WHEN // 10**3], "microseconds since 1970"),
        ([WHEN], "nanoseconds since 1970"),
        ([str(WHEN // 10**6)], "milliseconds since 1970"),
        ([WHEN / 1e9], "seconds since 1970"),
        ([WHEN / 1e6], "milliseconds since 1970"),
        ([f"{WHEN // 10**9}.000"], "seconds since 1970"),
        ([f"{WHEN // 10**6}.0"], "milliseconds since 1970"),
        (["2024-02-01 12:30"], "text in UTC"),
        (["2024-02-01T12:30:00"], "text in UTC"),
        ([" 2024-02-01T12:30:00Z "], "text with its zone"),
        (["2024-02-01 12:30:00 UTC"], "text with its zone"),
        (["2024-02-01T13:30:00.000+01:00"], "text with its zone"),
        ([datetime(2024, 2, 1, 12, 30)], "timestamps in UTC"),
        ([datetime(2024, 2, 1, 12, 30, tzinfo=UTC)], "timestamps with their zone"),
    ],
)
def test_times_in_every_spelling_are_the_same_instant(values, said):
    assert read(values) == (said, [WHEN])


def test_a_date_is_its_first_instant():
    assert read([date(2024, 2, 1)])[1] == [to_ns("2024-02-01")]
    assert read(["2024-02-01"])[1] == [to_ns("2024-02-01")]


def test_decimals_are_exact_and_floats_as_good_as_they_are():
    assert read(["1364774820.123456789"])[1] == [1364774820_123456789]
    assert read([1364774820.123456])[1] == [1364774820_123456000]
    assert read(["1364774820123456789.0"], unit="ns")[1] == [1364774820_123456789]


def test_a_zone_holds_for_times_that_name_none():
    assert read(["2024-02-01 13:30:00"], zone="Europe/Berlin")[1] == [WHEN]
    assert read([datetime(2024, 2, 1, 13, 30)], zone="Europe/Berlin")[1] == [WHEN]
    assert read(["2024-02-01 12:30:00Z"], zone="Europe/Berlin")[1] == [WHEN]


def test_an_hour_that_happens_twice_is_refused():
    with pytest.raises(BadRequest, match="Not every time"):
        read(["2023-10-29 02:30:00"], zone="Europe/Berlin")


def test_an_unknown_zone_or_unit_is_refused():
    with pytest.raises(BadRequest, match=r"Did you mean .*Europe/Berlin"):
        read([WHEN], zone="Europe/Berln")
    with pytest.raises(BadRequest, match="--time-unit minutes"):
        read([WHEN], unit="minutes")


@pytest.mark.parametrize("values", [[20240201], [0], ["86400"], [WHEN, WHEN // 1000]])
def test_numbers_of_no_clear_unit_are_asked_about(values):
    with pytest.raises(BadRequest, match="settle it with --time-unit"):
        read(values)


def test_the_first_day_of_1970_is_read_when_its_unit_is_said():
    assert read([0, 86_400], unit="s")[1] == [0, 86_400 * 10**9]


def test_a_file_without_rows_needs_the_unit():
    with pytest.raises(BadRequest, match="no rows"):
        read([], kind=pa.int64())


def test_a_change_of_unit_on_the_way_is_refused():
    # Binance's dumps change from milliseconds to microseconds on 2025-01-01.
    for first, later in [(WHEN // 10**6, WHEN // 10**3), ("1706790600.5", "1706790600000.5")]:
        reading = reading_of(pa.array([first]), "auto", "UTC")
        with pytest.raises(BadRequest, match="later says"):
            reading.convert(pa.chunked_array([[later]]))


@pytest.mark.parametrize("values", [["yesterday"], ["01/02/2024"], ["2024-02-01", "x"], [True]])
def test_what_is_no_time_is_refused(values):
    with pytest.raises(BadRequest, match="time column"):
        read(values)


def test_a_time_that_stops_being_one_is_refused():
    reading = reading_of(pa.array(["2024-02-01 00:00:00"]), "auto", "UTC")
    with pytest.raises(BadRequest, match="Not every time is text in UTC"):
        reading.convert(pa.chunked_array([["2024-02-30 00:00:00"]]))
    with pytest.raises(BadRequest, match="1 rows have no time"):
        reading.convert(pa.chunked_array([["2024-02-01", None]]))


@pytest.mark.parametrize(
    ("last", "timeframe", "end"),
    [
        ("2024-02-01", "1m", "2024-02-01T00:01"),
        ("2024-02-01", "1d", "2024-02-02"),
        ("2023-12-01", "1M", "2024-01-01"),
        ("2024-01-01", "1y", "2025-01-01"),
        ("2024-02-01", "", "2024-02-01"),
    ],
)
def test_a_file_covers_up_to_the_end_of_its_last_bar(last, timeframe, end):
    extent = Extent()
    assert extent.covers(timeframe) is None
    for ns in (to_ns(last), to_ns("2020-01-01")):
        extent.add(pa.table({"ts": pa.array([ns], pa.timestamp("ns", "UTC"))}))
    assert extent.covers(timeframe) == (to_ns("2020-01-01"), to_ns(end))
