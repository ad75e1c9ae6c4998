"""Recorded bars and trades as bars of other timeframes: cell for cell those of polars."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from tests.support import naive_bars, server_process
from tests.support.recorded import binance_trades, bitfinex_bars, same_bits

import flightstore as fs
from flightstore_proto.schemas import CANDLES
from flightstore_proto.timeframe import parse
from flightstore_server.engine.aggregates.windows import Windows

pytestmark = pytest.mark.data
BTC, SPOT = "bitfinex:BTC/USD", "binance:BTC/USDT"
NEW_YORK = "America/New_York"
TIMEFRAMES = {"7m": "7m", "3h": "3h", "3d": "3d", "1w": "1w", "1M": "1mo"}


@pytest.fixture(scope="module")
def minutes(market_data: Path) -> pa.Table:
    return bitfinex_bars(market_data)


@pytest.fixture(scope="module")
def trades(market_data: Path) -> pa.Table:
    return binance_trades(market_data)


@pytest.fixture(scope="module")
def db(
    tmp_path_factory: pytest.TempPathFactory, minutes: pa.Table, trades: pa.Table
) -> Iterator[fs.Client]:
    root = tmp_path_factory.mktemp("real") / "data"
    with server_process.running(root) as server, fs.connect(server.uri) as client:
        client.write(BTC, minutes, timeframe="1m")
        client.write(SPOT, trades, dataset="trades")
        yield client


def grouped(minutes: pa.Table, every: str, zone: str) -> pl.DataFrame:
    rows = pl.DataFrame(minutes).with_columns(pl.col("ts").dt.convert_time_zone(zone))
    bars = rows.group_by(pl.col("ts").dt.truncate(every), maintain_order=True).agg(
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        pl.col("volume").sum(),
    )
    return bars.with_columns(pl.col("ts").dt.convert_time_zone("UTC"))


def away_from_changes(bars: pl.DataFrame, zone: str) -> pl.DataFrame:
    """Those of `bars` within two hours of which the clocks of the zone are not changed."""
    hours = pl.duration(hours=2)
    before, after = (
        (pl.col("ts") + shift).dt.convert_time_zone(zone).dt.dst_offset()
        for shift in (-hours, hours)
    )
    return bars.filter(before == after)


@pytest.mark.parametrize("zone", ["UTC", NEW_YORK])
@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_seven_years_of_minutes_make_the_bars_of_polars(
    db: fs.Client, minutes: pa.Table, timeframe: str, zone: str
) -> None:
    expected = grouped(minutes, TIMEFRAMES[timeframe], zone)
    made = db.candles(BTC, timeframe, timezone=zone)
    if timeframe == "7m":  # a window across a change of clocks is one for polars and two for us
        expected, made = away_from_changes(expected, zone), away_from_changes(made, zone)
    prices = CANDLES.names[:-1]
    expected, made = expected.to_arrow().cast(CANDLES), made.to_arrow().cast(CANDLES)
    assert same_bits(made.select(prices), expected.select(prices))
    volumes = made.column("volume").to_numpy(), expected.column("volume").to_numpy()
    assert np.allclose(*volumes, rtol=1e-12, atol=0)


def test_a_year_filled_is_the_one_that_polars_upsamples(db: fs.Client) -> None:
    plain = db.candles(BTC, "1m", "2016", "2017")
    filled = db.candles(BTC, "1m", "2016", "2017", fill="ffill")
    close = pl.col("close").forward_fill()
    expected = plain.upsample("ts", every="1m").with_columns(
        *(pl.col(name).fill_null(close) for name in ("open", "high", "low", "close")),
        pl.col("volume").fill_null(0.0),
    )
    before, after = plain["ts"][0], plain["ts"][-1]
    assert filled.filter(pl.col("ts").is_between(before, after)).equals(expected)
    assert filled.height == 366 * 24 * 60
    nulls = db.candles(BTC, "1m", "2016", "2017", fill="null")
    assert nulls.drop_nulls().equals(plain)
    assert nulls["ts"].equals(filled["ts"])


@pytest.mark.parametrize("timeframe", ["1s", "7s", "1m", "100tick", "5volume", "100000dollar"])
def test_recorded_trades_make_the_bars_of_a_loop(
    db: fs.Client, trades: pa.Table, timeframe: str
) -> None:
    ts = trades.column("ts").cast(pa.int64()).to_pylist()
    rows = list(zip(ts, trades["price"].to_pylist(), trades["amount"].to_pylist(), strict=True))
    if parse(timeframe).count:
        expected = naive_bars.counted(rows, timeframe, Windows(parse("1d")).floor)
    else:
        floor = Windows(parse(timeframe)).floor
        expected = naive_bars.bars(naive_bars.of_trades(rows), floor)
    made = db.candles(SPOT, timeframe)
    assert made.with_columns(pl.col("ts").dt.timestamp("ns")).rows() == expected
