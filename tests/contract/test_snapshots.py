"""A snapshot reads as it was made, whatever happens afterwards."""

from __future__ import annotations

import polars as pl
import pytest
from tests.support.rows import MINUTE, NOON_2024, candles, own
from tests.support.serving import Serving

import flightstore as fs

BTC, ETH = "binance:BTC/USDT", "binance:ETH/USDT"
TIMES = [NOON_2024 + minute * MINUTE for minute in range(20)]
MS = NOON_2024 // 10**6


@pytest.fixture
def pinned(serving: Serving) -> Serving:
    """Two series, partly in segments and partly in memory, and a snapshot `paper` of them."""
    db = serving.db
    db.write(BTC, candles(TIMES, 1.0), timeframe="1m", covers=(MS, MS + 20 * 60_000))
    db.flush()
    db.write(BTC, candles(TIMES[:3], 2.0), timeframe="1m")
    db.write(ETH, candles(TIMES, 3.0), timeframe="1m")
    db.snapshot("paper")
    return serving


def _all(db: fs.Client) -> list[pl.DataFrame]:
    return [
        db.candles([BTC, ETH], "1m", snapshot="paper"),
        db.candles(BTC, "1m", snapshot="paper", tail=5),
        db.coverage(BTC, "1m", snapshot="paper"),
        db.gaps(BTC, "1m", snapshot="paper"),
        db.series(snapshot="paper").select("symbol", "rows", "start", "end"),
    ]


def _corrected(served: Serving) -> None:
    served.db.write(BTC, candles(TIMES, 9.0), timeframe="1m")


def _range_deleted(served: Serving) -> None:
    served.db.delete(BTC, timeframe="1m", start=MS, end=MS + 5 * 60_000)


def _series_deleted(served: Serving) -> None:
    served.db.delete(ETH, timeframe="1m")


def _series_written_again(served: Serving) -> None:
    served.db.delete(ETH, timeframe="1m")
    served.tidy()
    served.db.write(ETH, candles(TIMES[:1], 7.0), timeframe="1m")


def _series_added(served: Serving) -> None:
    served.db.write("binance:ADA/USDT", candles(TIMES), timeframe="1m")


def _compacted(served: Serving) -> None:
    served.tidy()


def _restarted(served: Serving) -> None:
    served.restart()


CHANGES = [
    _corrected,
    _range_deleted,
    _series_deleted,
    _series_written_again,
    _series_added,
    _compacted,
    _restarted,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda f: f.__name__.strip("_"))
def test_it_reads_the_same_after(pinned: Serving, change: object) -> None:
    before = _all(pinned.db)
    change(pinned)  # type: ignore[operator]
    for one, other in zip(before, _all(pinned.db), strict=True):
        assert one.equals(other)


def test_it_reads_the_same_after_everything_together(pinned: Serving) -> None:
    before = _all(pinned.db)
    changes = [change for change in CHANGES if change is not _series_deleted]
    for change in (*changes, _compacted, _restarted, _compacted):
        change(pinned)
        for one, other in zip(before, _all(pinned.db), strict=True):
            assert one.equals(other)


def test_the_present_goes_on(pinned: Serving) -> None:
    _corrected(pinned)
    assert pinned.db.candles(BTC, "1m")["close"].unique().to_list() == [9.0]


def test_what_only_it_needed_goes_when_it_is_dropped(pinned: Serving) -> None:
    pinned.db.delete(BTC, timeframe="1m")
    pinned.db.delete(ETH, timeframe="1m")
    pinned.tidy()
    assert list((pinned.root / "segments").rglob("*.arrow"))
    pinned.db.drop_snapshot("paper")
    pinned.tidy()
    assert list((pinned.root / "segments").rglob("*.arrow")) == []


def test_snapshots_are_listed_with_their_time_and_lsn(pinned: Serving) -> None:
    lsn = pinned.db.status().last_lsn
    [found] = pinned.db.snapshots()
    assert (found.name, found.lsn) == ("paper", lsn)


def test_a_name_can_be_used_once(pinned: Serving) -> None:
    with pytest.raises(fs.BadRequest, match="drop it first"):
        pinned.db.snapshot("paper")


def test_a_dropped_snapshot_is_unknown_and_its_name_free(pinned: Serving) -> None:
    pinned.db.drop_snapshot("paper")
    with pytest.raises(fs.UnknownSnapshot):
        pinned.db.candles(BTC, "1m", snapshot="paper")
    pinned.db.snapshot("paper")


def test_a_snapshot_of_nothing_holds_nothing(db: fs.Client) -> None:
    db.snapshot("empty")
    db.write(BTC, candles(TIMES), timeframe="1m")
    assert db.series(snapshot="empty").height == 0
    with pytest.raises(fs.FlightstoreError):
        db.candles(BTC, "1m", snapshot="empty")


def test_a_column_added_later_is_null_in_it_or_absent(serving: Serving) -> None:
    db = serving.db
    db.write(BTC, own([NOON_2024], x=[1.0]), dataset="features", timeframe="1m")
    db.snapshot("paper")
    db.write(BTC, own([NOON_2024], x=[2.0], y=["a"]), dataset="features", timeframe="1m")
    for _ in range(2):
        rows = serving.db.read("features", BTC, "1m", snapshot="paper").to_dicts()
        assert [(row["x"], row.get("y")) for row in rows] == [(1.0, None)]
        serving.restart()
