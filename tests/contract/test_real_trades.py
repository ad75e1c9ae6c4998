"""Recorded trades: hundreds in one millisecond, and none of them lost."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tests.support.recorded import SPOT_ROWS, binance_trades, freqtrade, same_bits
from tests.support.seeds import generator
from tests.support.serving import Serving

import flightstore as fs

pytestmark = pytest.mark.data
BTC = "binance:BTC/USDT"
MIDNIGHT = "2024-08-09"


@pytest.fixture(scope="module")
def trades(market_data: Path) -> pa.Table:
    table = binance_trades(market_data)
    assert table.num_rows == SPOT_ROWS
    return table


@pytest.fixture
def filled(serving: Serving, trades: pa.Table) -> Serving:
    serving.db.write(BTC, trades, dataset="trades")
    return serving


def _all(served: Serving) -> pa.Table:
    return served.db.trades(BTC, output="arrow")


def test_none_is_lost_or_merged(filled: Serving, trades: pa.Table) -> None:
    assert same_bits(_all(filled), trades)


def test_those_of_one_millisecond_are_in_the_order_of_their_ids(
    filled: Serving, trades: pa.Table
) -> None:
    found = _all(filled)
    [(busiest, count)] = Counter(found.column("ts").cast(pa.int64()).to_pylist()).most_common(1)
    assert count == 735
    start = busiest // 10**6
    together = filled.db.trades(BTC, start, start + 1, output="arrow")
    ids = [int(number) for number in together.column("id").to_pylist()]
    assert ids == list(range(ids[0], ids[0] + 735))


def test_both_sides_of_midnight_add_up(filled: Serving, trades: pa.Table) -> None:
    before = filled.db.trades(BTC, end=MIDNIGHT, output="arrow")
    after = filled.db.trades(BTC, start=MIDNIGHT, output="arrow")
    assert before.num_rows
    assert after.num_rows
    assert same_bits(pa.concat_tables([before, after]), trades)


def test_sent_again_they_change_nothing(filled: Serving, trades: pa.Table) -> None:
    filled.db.write(BTC, trades.slice(5_000, 9_000), dataset="trades")
    filled.db.write(BTC, trades, dataset="trades")
    assert same_bits(_all(filled), trades)


def test_they_survive_flush_compaction_and_restart(filled: Serving, trades: pa.Table) -> None:
    filled.db.flush()
    assert same_bits(_all(filled), trades)
    filled.db.write(BTC, trades.slice(100, 12_000), dataset="trades")
    filled.tidy()
    assert same_bits(_all(filled), trades)
    filled.restart()
    assert same_bits(_all(filled), trades)


def test_in_any_order_and_pieces_they_are_the_same(serving: Serving, trades: pa.Table) -> None:
    rng = generator("trades")
    rows = list(range(SPOT_ROWS)) + rng.sample(range(SPOT_ROWS), 2_000)
    rng.shuffle(rows)
    with serving.db.writer("trades") as writer:
        for start in range(0, len(rows), 500):
            writer.write(BTC, trades.take(rows[start : start + 500]))
            if rng.random() < 0.1:
                writer.flush()
                serving.db.flush()
    assert same_bits(_all(serving), trades)
    serving.tidy()
    assert same_bits(_all(serving), trades)


def test_a_tail_ends_inside_of_a_millisecond(filled: Serving, trades: pa.Table) -> None:
    ts = trades.column("ts").to_numpy().astype(np.int64)
    inside = int(np.flatnonzero(np.diff(ts) == 0)[-1]) + 1
    found = filled.db.trades(BTC, tail=SPOT_ROWS - inside, output="arrow")
    assert same_bits(found, trades.slice(inside))


def test_futures_and_spot_are_two_series(
    filled: Serving, trades: pa.Table, market_data: Path
) -> None:
    file = "binance_trades/usdm_btcusdt_trades_raw.txt.xz"
    futures = binance_trades(market_data, file)
    filled.db.write("binance:BTC/USDT:USDT", futures, dataset="trades")
    assert same_bits(filled.db.trades("binance:BTC/USDT:USDT", output="arrow"), futures)
    assert same_bits(_all(filled), trades)


def test_trades_of_another_exchange_come_back_equal(db: fs.Client, market_data: Path) -> None:
    recorded = freqtrade(market_data, "XRP_ETH-trades.feather")
    rows = recorded.rename_columns({"timestamp": "ts"}).drop_columns(["type", "cost"])
    db.write("binance:XRP/ETH", rows, dataset="trades")
    found = db.trades("binance:XRP/ETH")
    assert found.height == 12_477
    assert found["id"].to_list() == recorded.column("id").to_pylist()
    assert found["price"].to_list() == recorded.column("price").to_pylist()
    assert found["side"].to_list() == [
        1 if side == "buy" else -1 for side in recorded.column("side").to_pylist()
    ]
