"""The edges of calendars, of time itself, and of how little a series can hold."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest
from tests.support.rows import MINUTE, NOON_2024, Trade, bars_of, candles, trades, trades_of
from tests.support.serving import Serving

import flightstore as fs

BTC = "binance:BTC/USDT"
FIRST, LAST = -(2**63), 2**63 - 1
DAY = 86_400 * 10**9


def _ns(year: int, month: int, day: int = 1) -> int:
    return (datetime(year, month, day, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days * DAY


def _times(db: fs.Client, timeframe: str, **words: object) -> list[int]:
    table = db.candles(BTC, timeframe, output="arrow", **words)
    return [ts for ts, _ in bars_of(table.to_batches())]


@pytest.mark.parametrize(
    ("timeframe", "times"),
    [
        ("1m", [_ns(2024, 1) - MINUTE, _ns(2024, 1), _ns(2024, 1) + MINUTE]),
        ("1d", [_ns(2024, 2, 28), _ns(2024, 2, 29), _ns(2024, 3, 1)]),
        ("1d", [_ns(1969, 12, 31), _ns(1970, 1), _ns(1970, 1, 2)]),
        ("1h", [_ns(1850, 7, 3), _ns(1929, 10, 24)]),
        ("1w", [_ns(1969, 12, 29), _ns(2024, 1, 1), _ns(2024, 1, 8)]),
        ("1M", [_ns(1969, 12), _ns(2024, 2), _ns(2024, 3)]),
        ("3M", [_ns(2023, 10), _ns(2024, 1)]),
        ("1y", [_ns(1900, 1), _ns(2024, 1)]),
    ],
    ids=str,
)
def test_bars_at_the_edges_of_calendars_are_kept(
    serving: Serving, timeframe: str, times: list[int]
) -> None:
    serving.db.write(BTC, candles(times), timeframe=timeframe)
    assert _times(serving.db, timeframe) == times
    serving.tidy()
    assert _times(serving.db, timeframe) == times
    serving.restart()
    assert _times(serving.db, timeframe) == times


@pytest.mark.parametrize(("timeframe", "months"), [("1w", 0), ("1M", 12), ("3M", 4)])
def test_absent_bars_of_a_year_are_counted_by_the_calendar(
    db: fs.Client, timeframe: str, months: int
) -> None:
    ends = [_ns(2024, 1), _ns(2025, 1)] if months else [_ns(2024, 1), _ns(2024, 12, 30)]
    db.write(BTC, candles(ends), timeframe=timeframe)
    assert db.gaps(BTC, timeframe)["missing"].sum() == (months or 52) - 1


def test_february_of_a_leap_year_has_29_days(db: fs.Client) -> None:
    db.write(BTC, candles([_ns(2024, 2), _ns(2024, 3)]), timeframe="1d")
    assert db.gaps(BTC, "1d")["missing"].to_list() == [28]


def test_the_first_and_the_last_bar_that_time_can_hold_are_kept(serving: Serving) -> None:
    ends = [(FIRST // MINUTE + 1) * MINUTE, LAST // MINUTE * MINUTE]
    serving.db.write(BTC, candles(ends), timeframe="1m")
    for stage in (lambda: None, serving.tidy, serving.restart):
        stage()
        assert _times(serving.db, "1m") == ends
        assert _times(serving.db, "1m", tail=1) == ends[1:]
        assert _times(serving.db, "1m", end="1970") == ends[:1]
        assert serving.db.series()["rows"].to_list() == [2]
        gaps = serving.db.gaps(BTC, "1m")
        assert gaps["missing"].to_list() == [(ends[1] - ends[0]) // MINUTE - 1]


def test_nothing_is_missing_after_the_end_of_time(db: fs.Client) -> None:
    last = LAST // MINUTE * MINUTE
    covered = (last // 10**6 - 60_000, last // 10**6)
    db.write(BTC, candles([last - MINUTE]), timeframe="1m", covers=covered)
    assert db.gaps(BTC, "1m").height == 0


@pytest.mark.parametrize("ts", [FIRST, FIRST + 1, -1, 0, 1, LAST - 1, LAST])
def test_a_trade_can_happen_at_any_nanosecond(serving: Serving, ts: int) -> None:
    rows: list[Trade] = [(ts, "1", 1.0), (ts, "2", 2.0)]
    serving.db.write(BTC, trades(rows), dataset="trades")
    for stage in (lambda: None, serving.tidy, serving.restart):
        stage()
        assert trades_of(serving.db.trades(BTC, output="arrow").to_batches()) == rows


def test_trades_over_all_of_time_are_kept_in_order(serving: Serving) -> None:
    rows: list[Trade] = [(ts, "1", 1.0) for ts in (FIRST, FIRST + 1, -1, 0, NOON_2024, LAST)]
    serving.db.write(BTC, trades(rows[::-1]), dataset="trades")
    for stage in (lambda: None, serving.tidy, serving.restart):
        stage()
        assert trades_of(serving.db.trades(BTC, output="arrow").to_batches()) == rows
    serving.db.delete(
        BTC, dataset="trades", start="1969-12-31", end="1970-01-01T00:00:00.000000001"
    )
    left = trades_of(serving.db.trades(BTC, output="arrow").to_batches())
    assert left == [*rows[:2], *rows[4:]]


def test_a_series_without_rows_reads_as_none(serving: Serving) -> None:
    serving.db.write(BTC, None, timeframe="1m", covers=("2024-01-01", "2024-01-02"))
    for stage in (lambda: None, serving.tidy, serving.restart):
        stage()
        frame = serving.db.candles(BTC, "1m")
        assert frame.height == 0
        assert frame.columns == ["ts", "open", "high", "low", "close", "volume"]
        [row] = serving.db.series().to_dicts()
        assert (row["rows"], row["start"], row["end"]) == (0, None, None)


def test_a_series_of_one_row_reads_in_every_way(serving: Serving) -> None:
    serving.db.write(BTC, candles([NOON_2024]), timeframe="1m")
    for stage in (lambda: None, serving.tidy, serving.restart):
        stage()
        for words in ({}, {"limit": 1}, {"tail": 9}, {"start": "2024"}, {"end": "2025"}):
            assert _times(serving.db, "1m", **words) == [NOON_2024]
        for words in ({"start": "2025"}, {"end": "2024-01-01T12:00"}):
            assert _times(serving.db, "1m", **words) == []
        assert serving.db.gaps(BTC, "1m").height == 0


def test_an_empty_range_holds_nothing(db: fs.Client) -> None:
    db.write(BTC, candles([NOON_2024]), timeframe="1m")
    assert _times(db, "1m", start="2024-01-01T12:00", end="2024-01-01T12:00") == []


def test_bars_of_local_days_are_kept_with_a_free_grid(serving: Serving) -> None:
    """New York's midnights: 5 hours behind in winter, 4 in summer."""
    midnights = pl.datetime_range(
        datetime(2024, 3, 8), datetime(2024, 3, 13), "1d", time_zone="America/New_York", eager=True
    )
    times = midnights.dt.epoch("ns").to_list()
    with pytest.raises(fs.InvalidRows, match='grid="free"'):
        serving.db.write("nyse:IBM", candles(times), timeframe="1d")
    serving.db.write("nyse:IBM", candles(times), timeframe="1d", grid="free")
    serving.restart()
    serving.db.write("nyse:IBM", candles([times[0] + 1]), timeframe="1d")
    serving.tidy()
    found = serving.db.candles("nyse:IBM", "1d", output="arrow")
    assert [ts for ts, _ in bars_of(found.to_batches())] == sorted([*times, times[0] + 1])
    assert serving.db.series()["absent"].to_list() == [None]


def test_a_free_grid_has_gaps_only_where_nothing_is_covered(db: fs.Client) -> None:
    covered = ("2024-01-01", "2024-01-05")
    db.write(BTC, candles([NOON_2024 + 7]), timeframe="1d", grid="free", covers=covered)
    assert db.gaps(BTC, "1d").height == 0
    assert db.gaps(BTC, "1d", "2024-01-03", "2024-01-07")["missing"].to_list() == [0]
