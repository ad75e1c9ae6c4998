"""Retention: rows that are too old go, others stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.rows import MINUTE, candles, trades
from tests.support.serving import Serving

import flightstore as fs
from flightstore_server.engine.retention import RetentionRule

DAY = 86_400 * 10**9
BTC, ETH = "binance:BTC/USDT", "binance:ETH/USDT"


def _days_ago(days: int) -> int:
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    return int((noon - timedelta(days=days)).timestamp()) * 10**9


@pytest.fixture
def aged(serving: Serving) -> Serving:
    """A row of each of the last ten days at noon, as trades and as candles of two coins."""
    times = [_days_ago(days) for days in range(9, -1, -1)]
    for name in (BTC, ETH):
        rows = [(ts, str(n), 1.0) for n, ts in enumerate(times)]
        serving.db.write(name, trades(rows), dataset="trades")
        serving.db.write(name, candles(times), timeframe="1m")
    return serving


def _counts(db: fs.Client) -> dict[tuple[str, str], int]:
    rows = db.series().select("dataset", "symbol", "rows").rows()
    return {(dataset, symbol): count for dataset, symbol, count in rows}


def test_rows_older_than_their_age_are_gone_in_whole_days(aged: Serving) -> None:
    aged.restart(retention=[RetentionRule("trades", 3.0, "*:BTC/*")])
    aged.upkeep()
    left = _counts(aged.db)
    # Three days before now lies in the day of the row of three days ago, which is kept whole.
    assert left[("trades", "BTC/USDT")] == 4
    assert set(left.values()) == {4, 10}
    aged.restart()
    assert _counts(aged.db) == left


def test_a_rule_may_be_for_one_timeframe(aged: Serving) -> None:
    aged.db.write(BTC, candles([_days_ago(9)]), timeframe="1h")
    aged.restart(retention=[RetentionRule("candles", 1.0, "*", "1m")])
    aged.upkeep()
    assert aged.db.series(timeframe="1h")["rows"].to_list() == [1]
    assert aged.db.series(timeframe="1m")["rows"].to_list() == [2, 2]


def test_a_snapshot_keeps_what_retention_removes(aged: Serving) -> None:
    aged.db.snapshot("paper")
    aged.restart(retention=[RetentionRule("trades", 3.0)])
    aged.upkeep()
    aged.tidy()
    assert aged.db.trades(BTC).height == 4
    assert aged.db.trades(BTC, snapshot="paper").height == 10


def test_a_series_that_is_all_old_stays_known_and_empty(tmp_path: Path) -> None:
    served = Serving(tmp_path / "data")
    served.db.write(BTC, candles([0, MINUTE]), timeframe="1m")
    served.restart(retention=[RetentionRule("candles", 1.0)])
    served.upkeep()
    assert _counts(served.db) == {("candles", "BTC/USDT"): 0}
    served.close()
