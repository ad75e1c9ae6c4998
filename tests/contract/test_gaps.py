"""Why rows are absent, as a client is told."""

from __future__ import annotations

import polars as pl
from tests.support.rows import MINUTE, NOON_2024, candles, trades
from tests.support.serving import Serving

import flightstore as fs

BTC = "binance:BTC/USDT"
Row = tuple[int, int, int, str]


def _ms(minute: int) -> int:
    return (NOON_2024 + minute * MINUTE) // 10**6


def _at(minute: int) -> str:
    return f"2024-01-01T12:{minute:02}:00Z"


def _write(db: fs.Client, minutes: list[int], covers: object = None, **metadata: str) -> None:
    rows = candles([NOON_2024 + minute * MINUTE for minute in minutes])
    db.write(BTC, rows, timeframe="1m", covers=covers, metadata=metadata)


def _gaps(db: fs.Client, *window: int, confirmed: bool = True) -> list[Row]:
    """start, end, missing, reason; times as minutes."""
    found = db.gaps(BTC, "1m", *map(_ms, window), confirmed=confirmed)
    minutes = (pl.col("start", "end").cast(pl.Int64) - NOON_2024) // MINUTE
    return found.with_columns(minutes).rows()


def test_what_nobody_vouches_for_is_not_fetched(db: fs.Client) -> None:
    _write(db, [0, 5])
    assert _gaps(db) == _gaps(db, confirmed=False) == [(1, 5, 4, "not fetched")]


def test_confirmed_absences_are_listed_only_when_asked_for(db: fs.Client) -> None:
    _write(db, [0, 5], covers=(_ms(0), _ms(6)))
    assert _gaps(db, confirmed=False) == []
    assert _gaps(db) == [(1, 5, 4, "no trades")]


def test_a_gap_is_split_where_the_coverage_ends(db: fs.Client) -> None:
    _write(db, [0, 9], covers=(_ms(3), _ms(6)))
    assert _gaps(db) == [
        (1, 3, 2, "not fetched"),
        (3, 6, 3, "no trades"),
        (6, 9, 3, "not fetched"),
    ]
    assert _gaps(db, confirmed=False) == [(1, 3, 2, "not fetched"), (6, 9, 3, "not fetched")]


def test_before_its_listing_the_exchange_has_nothing(db: fs.Client) -> None:
    _write(db, [8], listed=_at(5))
    assert _gaps(db, 0, 10) == [
        (0, 5, 5, "before listing"),
        (5, 8, 3, "not fetched"),
        (9, 10, 1, "not fetched"),
    ]


def test_the_bar_in_which_a_market_is_listed_is_its_first(db: fs.Client) -> None:
    _write(db, [8], listed="2024-01-01T12:05:59Z")
    assert _gaps(db, 0, 8) == [(0, 5, 5, "before listing"), (5, 8, 3, "not fetched")]


def test_after_its_end_the_exchange_has_nothing(db: fs.Client) -> None:
    _write(db, [0], ended=_at(3))
    assert _gaps(db, 0, 6) == [(1, 3, 2, "not fetched"), (3, 6, 3, "after delisting")]


def test_the_life_of_a_market_says_more_than_coverage(db: fs.Client) -> None:
    _write(db, [4], covers=(_ms(0), _ms(10)), listed=_at(3), ended=_at(6))
    assert _gaps(db) == [
        (0, 3, 3, "before listing"),
        (3, 4, 1, "no trades"),
        (5, 6, 1, "no trades"),
        (6, 10, 4, "after delisting"),
    ]


def test_where_quiet_minutes_have_bars_an_absent_one_is_an_outage(db: fs.Client) -> None:
    _write(db, [0, 5], covers=(_ms(0), _ms(6)), quiet_bars="flat")
    assert _gaps(db) == [(1, 5, 4, "exchange outage")]


def test_a_run_too_long_for_chance_is_likely_an_outage(db: fs.Client) -> None:
    _write(db, [*range(300), 302, *range(340, 640)], covers=(_ms(0), _ms(640)))
    assert _gaps(db) == [(300, 302, 2, "no trades"), (303, 340, 37, "likely an outage")]


def test_a_quiet_market_has_long_runs_without_trades(db: fs.Client) -> None:
    _write(db, list(range(0, 5_000, 40)), covers=(_ms(0), _ms(5_000)))
    assert {reason for *_, reason in _gaps(db)} == {"no trades"}


def test_metadata_that_are_no_times_are_not_in_the_way(db: fs.Client) -> None:
    _write(db, [0, 2], listed="long ago", ended="-")
    assert _gaps(db) == [(1, 2, 1, "not fetched")]


def test_trades_are_missing_only_where_nobody_vouches_for_them(db: fs.Client) -> None:
    rows = trades([(NOON_2024, "1", 1.0)])
    covers = [(_ms(0), _ms(1)), (_ms(3), _ms(4))]
    db.write(BTC, rows, dataset="trades", covers=covers, metadata={"listed": _at(0)})
    found = db.gaps(BTC, "", _ms(-1), _ms(4), dataset="trades", confirmed=True)
    assert found.select("missing", "reason").rows() == [(0, "before listing"), (0, "not fetched")]


def test_months_are_split_by_the_calendar(db: fs.Client) -> None:
    metadata = {"listed": "2023-03-15", "ended": "2023-10-15"}
    db.write(BTC, None, timeframe="1M", covers=("2023-01", "2023-08"), metadata=metadata)
    found = db.gaps(BTC, "1M", "2023", "2024", confirmed=True)
    assert found.select("missing", "reason").rows() == [
        (2, "before listing"),
        (5, "no trades"),
        (3, "not fetched"),
        (2, "after delisting"),
    ]


def test_an_end_beyond_all_time_is_unbounded(serving: Serving) -> None:
    last = (2**63 - 1) // MINUTE * MINUTE
    serving.db.write(BTC, candles([last - 5 * MINUTE]), timeframe="1m")
    found = serving.db.gaps(BTC, "1m", start=(last - 9 * MINUTE) // 10**6)
    assert found.select("missing").rows() == [(4,)]
    serving.db.write(BTC, trades([(2**63 - 1, "1", 1.0)]), dataset="trades")
    [row] = serving.db.gaps(BTC, dataset="trades").rows()
    assert row[1:] == (None, 0, "not fetched")


def test_more_gaps_than_fit_a_batch_are_all_listed(db: fs.Client) -> None:
    _write(db, list(range(0, 160_000, 2)))
    found = db.gaps(BTC, "1m")
    assert (found.height, found["missing"].sum()) == (79_999, 79_999)


def test_gaps_of_a_snapshot_are_those_of_its_time(db: fs.Client) -> None:
    _write(db, [0, 5])
    db.snapshot("then")
    _write(db, [1, 2, 3, 4])
    assert db.gaps(BTC, "1m", snapshot="then").height == 1
    assert db.gaps(BTC, "1m").height == 0
