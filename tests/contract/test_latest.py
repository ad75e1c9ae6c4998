"""The newest row of many series, as one frame."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from tests.support.recorded import binance_trades, bitfinex_bars
from tests.support.rows import MINUTE, NOON_2024, candles, own, trades
from tests.support.serving import Serving

import flightstore as fs

NAMES = ["binance:BTC/USDT", "binance:ETH/USDT", "kraken:BTC/EUR"]
TIMES = [NOON_2024 + minute * MINUTE for minute in range(10)]


def _iso(ns: int) -> str:
    return datetime.fromtimestamp(ns / 10**9, UTC).isoformat()


@pytest.fixture
def db(serving: Serving) -> fs.Client:
    """Series of 8, 9 and 10 bars, of which the first is known complete for two minutes more."""
    for number, name in enumerate(NAMES):
        rows = candles(TIMES[: 8 + number], float(number))
        covers = (_iso(TIMES[0]), _iso(TIMES[9])) if number == 0 else None
        serving.db.write(name, rows, timeframe="1m", covers=covers)
    return serving.db


def test_there_is_one_row_for_each_series_in_the_order_of_names(db: fs.Client) -> None:
    found = db.latest("*", "1m")
    assert found.columns == [
        "exchange", "symbol", "ts", "open", "high", "low", "close", "volume", "closed",
    ]  # fmt: skip
    assert found.select("exchange", "symbol").rows() == [tuple(n.split(":")) for n in NAMES]
    last = db.candles("*", "1m", tail=1)
    assert found.select("ts", "close").equals(last.select("ts", "close"))


def test_a_bar_is_closed_once_its_time_is_known_complete(db: fs.Client) -> None:
    assert db.latest("*", "1m")["closed"].to_list() == [True, False, False]
    db.write(NAMES[1], candles([]), timeframe="1m", covers=(_iso(TIMES[0]), _iso(TIMES[9])))
    assert db.latest("*", "1m")["closed"].to_list() == [True, True, False]
    db.write(NAMES[1], candles([TIMES[9]]), timeframe="1m")
    assert db.latest(NAMES[1], "1m")["closed"].to_list() == [False]


def test_derived_bars_are_fresh_and_closed_by_what_is_known_of_their_base(db: fs.Client) -> None:
    db.rules.add(on="candles/*/1m", to=["2m"])
    found = db.latest("*", "2m")
    assert found["ts"].to_list() == db.candles("*", "2m", tail=1)["ts"].to_list()
    assert found["closed"].to_list() == [True, False, False]
    db.write(NAMES[2], candles([TIMES[9]], 500.0), timeframe="1m")
    assert db.latest(NAMES[2], "2m")["close"].to_list() == [500.0]
    db.write(
        NAMES[2], candles([]), timeframe="1m", covers=(_iso(TIMES[0]), _iso(TIMES[9] + MINUTE))
    )
    assert db.latest(NAMES[2], "2m")["closed"].to_list() == [True]


def test_an_acknowledged_write_is_seen_by_the_next_question(
    serving: Serving, db: fs.Client
) -> None:
    for step in range(30):
        value = 1_000.0 + step
        db.write(NAMES[step % 3], candles([TIMES[9]], value), timeframe="1m")
        if step % 7 == 0:
            serving.tidy()
        assert value in db.latest("*", "1m")["close"].to_list()
    db.delete(NAMES[0], timeframe="1m", start=_iso(TIMES[8]))
    assert db.latest(NAMES, "1m")["close"].to_list()[0] == 0.0


def test_columns_patterns_and_outputs_are_those_of_reads(db: fs.Client) -> None:
    assert db.latest("*", "1m", columns="close").columns == [
        "exchange", "symbol", "ts", "close", "closed",
    ]  # fmt: skip
    assert db.latest("binance:*", "1m").height == 2
    assert db.latest([NAMES[2], NAMES[0]], "1m")["symbol"].to_list() == ["BTC/USDT", "BTC/EUR"]
    assert db.latest("*", "1m", output="arrow").num_rows == 3
    pandas = db.latest("*", "1m", output="pandas", tz="Asia/Tokyo")
    assert pandas.index.name == "ts"
    assert str(pandas.index.tz) == "Asia/Tokyo"
    with pytest.raises(fs.UnknownColumn, match="close"):
        db.latest("*", "1m", columns=["clsoe"])


def test_what_is_not_there_is_a_warning_or_an_error(db: fs.Client) -> None:
    with pytest.warns(fs.PartialReadWarning, match="kraken:XX"):
        assert db.latest(["kraken:XX", NAMES[0]], "1m").height == 1
    with pytest.raises(fs.UnknownInstrument, match="BTC/USDT"):
        db.latest("binance:BTC/USD", "1m")
    with pytest.raises(fs.BadTimeframe):
        db.latest("*", "one minute")
    with pytest.raises(fs.UnknownDataset):
        db.latest("*", dataset="cndles")
    with pytest.raises(fs.BadInstrument):
        db.latest([], "1m")


def test_datasets_without_bars_have_no_closed(db: fs.Client) -> None:
    rows = [(TIMES[0], str(number), float(number)) for number in (8, 9, 10, 11)]
    db.write(NAMES[0], trades(rows), dataset="trades")
    found = db.latest("*", dataset="trades")
    assert found.columns == ["exchange", "symbol", "ts", "id", "price", "amount", "side"]
    assert found["id"].to_list() == ["11"]


def test_a_column_of_ones_own_called_closed_stays_what_it_is(db: fs.Client) -> None:
    db.write("x:A", own(TIMES[:2], closed=["no", "yes"]), dataset="mine", timeframe="1m")
    assert db.latest("*", "1m", dataset="mine").row(0)[3:] == ("yes",)
    assert db.latest("*", "1m", dataset="mine", columns="closed").row(0)[3:] == ("yes",)


def test_a_snapshot_answers_with_its_own(db: fs.Client) -> None:
    before = db.latest("*", "1m")
    db.snapshot("then")
    db.write(NAMES[0], candles([TIMES[9]], 5.0), timeframe="1m")
    db.write("new:A", candles(TIMES), timeframe="1m")
    assert db.latest("*", "1m", snapshot="then").equals(before)
    assert db.latest("*", "1m").height == 4
    with pytest.raises(fs.UnknownSnapshot):
        db.latest("*", "1m", snapshot="thn")


def test_a_series_without_rows_is_left_out(db: fs.Client) -> None:
    db.write("new:A", candles([]), timeframe="1m", covers=("2024", "2025"))
    assert db.latest("*", "1m").height == 3
    assert db.latest("new:A", "1m").height == 0


def test_hundreds_of_series_come_in_one_answer(serving: Serving) -> None:
    names = [f"x:COIN{number:04}/USDT" for number in range(300)]
    serving.db.write_many({name: candles(TIMES[:2]) for name in names}, timeframe="1m")
    for stage in (lambda: None, serving.tidy, serving.restart):
        stage()
        found = serving.db.latest("*", "1m")
        assert found["symbol"].to_list() == [name[2:] for name in names]
        assert found["ts"].cast(pl.Int64).unique().to_list() == [TIMES[1]]


@pytest.mark.data
def test_recorded_series_end_with_their_last_rows(serving: Serving, market_data: Path) -> None:
    coins = {
        f"bitfinex:{coin}/USD": bitfinex_bars(
            market_data, f"bitfinex/{coin}USD_1m_2019Q4.csv.xz"
        ).slice(0, 20_000)
        for coin in ("ETH", "LTC", "XRP")
    }
    serving.db.write_many(coins, timeframe="1m")
    serving.db.write("binance:BTC/USDT", binance_trades(market_data), dataset="trades")
    for stage in (lambda: None, serving.tidy):
        stage()
        found = serving.db.latest("bitfinex:*", "1m", output="arrow")
        expected = pa.concat_tables([table.slice(table.num_rows - 1) for table in coins.values()])
        assert found.select(expected.column_names).to_pylist() == expected.to_pylist()
        trade = serving.db.latest("*", dataset="trades")
        assert (
            trade["id"].to_list() == serving.db.trades("binance:BTC/USDT", tail=1)["id"].to_list()
        )
