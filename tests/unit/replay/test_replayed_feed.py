"""Real recordings through the whole service: what the store has in the end is the file."""

from __future__ import annotations

import lzma
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.support.serving import Serving
from tests.unit.replay.feeding import all_ended, backfilled, covered, run_until

from flightstore_ingest.errors import Refused
from flightstore_ingest.replay import recording

WANTED = datetime(2019, 10, 10, tzinfo=UTC)
BARS_END = datetime(2019, 10, 13, 11, 20, tzinfo=UTC)
TRADES_END = datetime(2019, 10, 13, 11, 19, 28, 844_000, tzinfo=UTC)
KEEP = [{"symbols": ["*"], "candles": ["1m"], "trades": True, "since": "2019-10-10"}]


def section(market_data: Path, **settings: Any) -> dict[str, Any]:
    folder = market_data / "freqtrade"
    files = {
        "XRP/ETH": [str(folder / "XRP_ETH-1m.feather"), str(folder / "XRP_ETH-trades.feather")]
    }
    return {"source": "replay", "settings": {"files": files} | settings, "keep": KEEP}


def assert_all_of_it(store: Serving, market_data: Path) -> None:
    folder = market_data / "freqtrade"
    candles = pl.read_ipc(folder / "XRP_ETH-1m.feather").rename({"date": "ts"})
    assert store.db.candles("v:XRP/ETH", "1m").equals(candles)
    trades = pl.read_ipc(folder / "XRP_ETH-trades.feather")
    kept = store.db.trades("v:XRP/ETH")
    assert kept.get_column("id").sort().equals(trades.get_column("id").sort())
    assert kept.get_column("ts").dt.epoch("ms").equals(trades.get_column("timestamp"))
    assert kept.get_column("amount").sum() == pytest.approx(trades.get_column("amount").sum())
    assert covered(store, "v:XRP/ETH", "1m") == [(WANTED, BARS_END)]
    assert covered(store, "v:XRP/ETH") == [(WANTED, TRADES_END)]


@pytest.mark.data
def test_one_backfill_at_full_speed_stores_all_of_every_file(
    store: Serving, market_data: Path
) -> None:
    feed = backfilled(store, "v", section(market_data, speed="max"))
    assert all_ended(feed)
    assert_all_of_it(store, market_data)


@pytest.mark.data
def test_a_second_backfill_fetches_the_last_trade_only(store: Serving, market_data: Path) -> None:
    """Nobody knows whether it was the only one of its time."""
    backfilled(store, "v", section(market_data, speed="max"))
    feed = backfilled(store, "v", section(market_data, speed="max"))
    assert [keeper.progress.rows for keeper in feed.keepers] == [0, 1]
    assert_all_of_it(store, market_data)


@pytest.mark.data
def test_history_and_live_rows_together_are_the_file(store: Serving, market_data: Path) -> None:
    played = section(market_data, speed=7200, start="2019-10-13T08:00")
    feed = run_until(store, "v", played, all_ended)
    assert all(keeper.progress.rows_live for keeper in feed.keepers)
    assert_all_of_it(store, market_data)


@pytest.mark.data
def test_a_recording_that_is_over_leaves_its_past_to_be_fetched(
    store: Serving, market_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The quarter before the clock's start takes longer to fetch than half an hour to play."""
    monkeypatch.setattr(recording, "PAGE_ROWS", 1_000)
    path = market_data / "bitfinex" / "ETHUSD_1m_2019Q4.csv.xz"
    played = {
        "source": "replay",
        "settings": {"files": {"ETH/USD": str(path)}, "speed": 36_000, "start": "2019-12-31T23:30"},
        "keep": [{"symbols": ["ETH/USD"], "candles": ["1m"], "since": "2019-10"}],
    }
    run_until(store, "v", played, all_ended)
    recorded = pl.read_csv(lzma.decompress(path.read_bytes()))
    kept = store.db.candles("v:ETH/USD", "1m")
    assert kept.get_column("ts").dt.epoch("ms").equals(recorded.get_column("ts"))
    assert kept.drop("ts").equals(recorded.drop("ts").cast(pl.Float64))


def test_a_recording_that_is_not_there_is_said_once_and_for_all(store: Serving) -> None:
    gone = {"source": "replay", "settings": {"files": {"A/B": "gone.csv"}}, "keep": KEEP}
    with pytest.raises(Refused, match=r"v:A/B: there is no file .*gone\.csv"):
        backfilled(store, "v", gone)
