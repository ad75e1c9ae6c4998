"""What is known complete, and what is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from tests.support.rows import MINUTE, NOON_2024, candles, trades
from tests.support.serving import Serving

import flightstore as fs
from flightstore_server.engine.limits import Limits

BTC = "binance:BTC/USDT"
DAY = "2024-01-01"


def _times(*minutes: int) -> list[int]:
    return [NOON_2024 + minute * MINUTE for minute in minutes]


def _ms(minute: int) -> int:
    return (NOON_2024 + minute * MINUTE) // 10**6


def _spans(frame: pl.DataFrame) -> list[tuple[int, ...]]:
    """start, end and, of gaps, missing; as minutes."""
    frame = frame.drop("reason", strict=False).with_columns(
        ((pl.col("start", "end").cast(pl.Int64) - NOON_2024) // MINUTE).cast(pl.Int64)
    )
    return frame.rows()


def test_rows_alone_say_nothing_about_what_is_missing_between_them(db: fs.Client) -> None:
    db.write(BTC, candles(_times(0, 1, 5)), timeframe="1m")
    assert _spans(db.coverage(BTC, "1m")) == []
    assert _spans(db.gaps(BTC, "1m")) == [(2, 5, 3)]


def test_a_covered_range_has_no_gaps(db: fs.Client) -> None:
    db.write(BTC, candles(_times(0, 5)), timeframe="1m", covers=(_ms(0), _ms(10)))
    assert _spans(db.coverage(BTC, "1m")) == [(0, 10)]
    assert _spans(db.gaps(BTC, "1m")) == []


def test_a_covered_range_needs_no_rows(db: fs.Client) -> None:
    db.write(BTC, None, timeframe="1m", covers=(_ms(3), _ms(6)))
    assert _spans(db.coverage(BTC, "1m")) == [(3, 6)]
    assert db.candles(BTC, "1m").height == 0


def test_covered_ranges_that_touch_become_one(db: fs.Client) -> None:
    for first in (0, 10, 5):
        db.write(BTC, None, timeframe="1m", covers=(_ms(first), _ms(first + 5)))
    assert _spans(db.coverage(BTC, "1m")) == [(0, 15)]


def test_several_ranges_can_be_covered_at_once(db: fs.Client) -> None:
    pairs = [(_ms(0), _ms(2)), (_ms(5), _ms(7))]
    db.write(BTC, None, timeframe="1m", covers=pairs)
    assert _spans(db.coverage(BTC, "1m")) == [(0, 2), (5, 7)]


def test_coverage_can_be_asked_for_a_part_of_time(db: fs.Client) -> None:
    db.write(BTC, None, timeframe="1m", covers=(_ms(0), _ms(10)))
    assert _spans(db.coverage(BTC, "1m", _ms(4), _ms(20))) == [(4, 10)]


def test_gaps_reach_into_a_range_that_was_asked_for(db: fs.Client) -> None:
    db.write(BTC, candles(_times(5)), timeframe="1m")
    assert _spans(db.gaps(BTC, "1m", _ms(0), _ms(8))) == [(0, 5, 5), (6, 8, 2)]


def test_what_has_not_happened_yet_is_not_missing(db: fs.Client) -> None:
    db.write(BTC, candles(_times(0)), timeframe="1m")
    found = db.gaps(BTC, "1m", "now", "2200")
    assert found.height == 0


def test_a_strict_read_of_a_covered_range_is_served(db: fs.Client) -> None:
    db.write(BTC, candles(_times(0, 5)), timeframe="1m", covers=(_ms(0), _ms(10)))
    assert db.candles(BTC, "1m", _ms(0), _ms(10), strict=True).height == 2


def test_a_strict_read_of_every_bar_is_served_without_coverage(db: fs.Client) -> None:
    db.write(BTC, candles(_times(0, 1, 2)), timeframe="1m")
    assert db.candles(BTC, "1m", _ms(0), _ms(3), strict=True).height == 3


def test_a_strict_read_names_what_is_missing(db: fs.Client) -> None:
    db.write(BTC, candles(_times(0, 2)), timeframe="1m")
    with pytest.raises(fs.MissingCoverage, match="2024-01-01T12:01:00Z to 2024-01-01T12:02:00Z"):
        db.candles(BTC, "1m", _ms(0), _ms(3), strict=True)


def test_trades_are_complete_only_where_they_are_covered(db: fs.Client) -> None:
    db.write(BTC, trades([(NOON_2024, "1", 1.0)]), dataset="trades", covers=(_ms(0), _ms(1)))
    assert db.trades(BTC, _ms(0), _ms(1), strict=True).height == 1
    with pytest.raises(fs.MissingCoverage):
        db.trades(BTC, _ms(0), _ms(2), strict=True)


def test_a_deleted_range_is_no_longer_covered(db: fs.Client) -> None:
    db.write(BTC, candles(_times(*range(10))), timeframe="1m", covers=(_ms(0), _ms(10)))
    db.delete(BTC, timeframe="1m", start=_ms(3), end=_ms(5))
    assert _spans(db.coverage(BTC, "1m")) == [(0, 3), (5, 10)]
    assert _spans(db.gaps(BTC, "1m")) == [(3, 5, 2)]


@pytest.mark.parametrize("stage", ["restart", "flush", "flush and restart"])
def test_coverage_survives(serving: Serving, stage: str) -> None:
    serving.db.write(BTC, candles(_times(0)), timeframe="1m", covers=(_ms(0), _ms(10)))
    if "flush" in stage:
        serving.db.flush()
    if "restart" in stage:
        serving.restart()
    assert _spans(serving.db.coverage(BTC, "1m")) == [(0, 10)]


def test_rows_and_the_range_they_complete_are_refused_together(db: fs.Client) -> None:
    bad = candles(_times(0, 1), [1.0, 2.0]).to_pydict() | {"volume": [1.0, -1.0]}
    with pytest.raises(fs.InvalidRows):
        db.write(BTC, bad, timeframe="1m", covers=(_ms(0), _ms(10)))
    assert db.series().height == 0


def test_a_large_frame_is_covered_only_once_all_of_it_is_there(tmp_path: Path) -> None:
    """Its last part is refused: rows of earlier parts may be there, coverage may not."""
    served = Serving(tmp_path / "data", replace(Limits(), put_bytes_max=1 << 20))
    rows = candles(range(0, 60_000 * MINUTE, MINUTE))
    with pytest.raises(fs.Overloaded):
        served.db.write(BTC, rows, timeframe="1m", covers=(0, 60_000 * 60_000))
    assert served.db.series().height == 0
    served.close()


def test_the_catalog_counts_absent_bars(db: fs.Client) -> None:
    db.write(BTC, candles(_times(0, 1, 5)), timeframe="1m", covers=(_ms(0), _ms(9)))
    [row] = db.series().to_dicts()
    assert (row["rows"], row["absent"]) == (3, 3)
    assert row["covered_until"].isoformat() == f"{DAY}T12:09:00+00:00"
