"""Deleting ranges and whole series, and writing them again."""

from __future__ import annotations

import pytest
from tests.support.rows import MINUTE, NOON_2024, bars_of, candles, trades, trades_of
from tests.support.serving import Serving

import flightstore as fs

BTC = "binance:BTC/USDT"


def _times(first: int, last: int) -> list[int]:
    return [NOON_2024 + minute * MINUTE for minute in range(first, last)]


def _ms(minute: int) -> int:
    return (NOON_2024 + minute * MINUTE) // 10**6


def _minutes(db: fs.Client) -> list[int]:
    bars = bars_of(db.candles(BTC, "1m", output="arrow").to_batches())
    return [(ts - NOON_2024) // MINUTE for ts, _ in bars]


@pytest.fixture(params=["in memory", "in a segment", "in both"])
def filled(request: pytest.FixtureRequest, serving: Serving) -> Serving:
    """Minutes 0 to 19."""
    serving.db.write(BTC, candles(_times(0, 20), 1.0), timeframe="1m")
    if request.param != "in memory":
        serving.db.flush()
    if request.param == "in both":
        serving.db.write(BTC, candles(_times(5, 15), 2.0), timeframe="1m")
    return serving


@pytest.mark.parametrize(
    ("start", "end", "left"),
    [
        (5, 8, [*range(5), *range(8, 20)]),
        (None, 5, [*range(5, 20)]),
        (15, None, [*range(15)]),
        (0, 20, []),
        (7, 7, [*range(20)]),
        (100, 200, [*range(20)]),
    ],
)
def test_rows_in_the_range_are_gone_and_no_others(
    filled: Serving, start: int | None, end: int | None, left: list[int]
) -> None:
    bounds = {"start": start, "end": end}
    given = {name: _ms(at) for name, at in bounds.items() if at is not None}
    ack = filled.db.delete(BTC, timeframe="1m", **given)
    assert ack.rows == 20 - len(left)
    assert _minutes(filled.db) == left
    filled.restart()
    assert _minutes(filled.db) == left
    filled.tidy()
    assert _minutes(filled.db) == left


def test_a_range_can_be_deleted_twice(filled: Serving) -> None:
    first = filled.db.delete(BTC, timeframe="1m", start=_ms(3), end=_ms(6))
    second = filled.db.delete(BTC, timeframe="1m", start=_ms(3), end=_ms(6))
    assert (first.rows, second.rows) == (3, 0)


def test_rows_written_after_a_delete_stay(filled: Serving) -> None:
    filled.db.delete(BTC, timeframe="1m", start=_ms(5), end=_ms(10))
    filled.db.write(BTC, candles(_times(6, 8), 7.0), timeframe="1m")
    filled.restart()
    assert _minutes(filled.db) == [*range(5), 6, 7, *range(10, 20)]
    filled.tidy()
    assert _minutes(filled.db) == [*range(5), 6, 7, *range(10, 20)]


def test_a_deleted_series_is_unknown(filled: Serving) -> None:
    ack = filled.db.delete(BTC, timeframe="1m")
    assert ack.rows == 20
    assert filled.db.series().height == 0
    with pytest.raises(fs.UnknownInstrument):
        filled.db.candles(BTC, "1m")
    filled.restart()
    with pytest.raises(fs.UnknownInstrument):
        filled.db.candles(BTC, "1m")


@pytest.mark.parametrize("stage", ["", "flush", "restart"])
def test_a_deleted_series_can_be_written_again_and_is_new(filled: Serving, stage: str) -> None:
    filled.db.describe(BTC, metadata={"unit": "base"}, timeframe="1m")
    filled.db.delete(BTC, timeframe="1m")
    if stage == "flush":
        filled.db.flush()
    elif stage:
        filled.restart()
    filled.db.write(BTC, candles(_times(3, 5)), timeframe="1m")
    assert _minutes(filled.db) == [3, 4]
    assert filled.db.series()["metadata"].to_list() == ["{}"]
    filled.tidy()
    filled.restart()
    assert _minutes(filled.db) == [3, 4]


def test_deleting_one_series_leaves_the_others(db: fs.Client) -> None:
    for name in (BTC, "binance:ETH/USDT"):
        for timeframe in ("1m", "1h"):
            db.write(name, candles([NOON_2024]), timeframe=timeframe)
    db.delete(BTC, timeframe="1m")
    left = db.series().select("symbol", "timeframe").rows()
    assert sorted(left) == [("BTC/USDT", "1h"), ("ETH/USDT", "1h"), ("ETH/USDT", "1m")]


def test_a_deletion_takes_all_trades_of_one_time_or_none(db: fs.Client) -> None:
    rows = [(NOON_2024 + ns, str(n), 1.0) for ns in (0, 1) for n in range(3)]
    db.write(BTC, trades(rows), dataset="trades")
    db.flush()
    db.delete(BTC, dataset="trades", start=_ms(0), end="2024-01-01T12:00:00.000000001")
    assert trades_of(db.trades(BTC, output="arrow").to_batches()) == rows[3:]


def test_deleting_what_is_not_there_is_an_error(db: fs.Client) -> None:
    db.write(BTC, candles([NOON_2024]), timeframe="1m")
    with pytest.raises(fs.UnknownInstrument, match="Did you mean binance:BTC/USDT"):
        db.delete("binance:BTC/USD", timeframe="1m")


def test_files_of_deleted_rows_are_removed(serving: Serving) -> None:
    serving.db.write(BTC, candles(_times(0, 20)), timeframe="1m")
    serving.db.flush()
    serving.db.delete(BTC, timeframe="1m")
    serving.tidy()
    assert list((serving.root / "segments").rglob("*.arrow")) == []
