"""Windows of recorded years and trades, against polars and the exchange's own bars."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from tests.support.recorded import bitfinex_bars, freqtrade, same_bits
from tests.support.seeds import generator

from flightstore_proto.schemas import CANDLES, TRADES
from flightstore_proto.timeframe import DAY_NS, parse
from flightstore_proto.timerange import to_ns
from flightstore_server.engine.aggregates.reduce import bars
from flightstore_server.engine.aggregates.windows import Windows

pytestmark = pytest.mark.data

# The local days of New York's clock changes within the seven years.
CHANGED = [
    *("2013-11-03", "2014-03-09", "2014-11-02", "2015-03-08", "2015-11-01", "2016-03-13"),
    *("2016-11-06", "2017-03-12", "2017-11-05", "2018-03-11", "2018-11-04", "2019-03-10"),
    "2019-11-03",
]
PRICES = ["ts", "open", "high", "low", "close"]
POLARS_NAMES = {"1M": "1mo"}


@pytest.fixture(scope="module")
def minutes(market_data: Path) -> pa.Table:
    """Seven years of BTC/USD in batches of the store's size."""
    return bitfinex_bars(market_data).combine_chunks()


@pytest.fixture(scope="module")
def xrp_trades(market_data: Path) -> pa.Table:
    """The recorded trades by time and id."""
    rows = pl.DataFrame(freqtrade(market_data, "XRP_ETH-trades.feather"))
    side = pl.col("side").replace_strict({"buy": 1, "sell": -1}, return_dtype=pl.Int8)
    ts = (pl.col("timestamp") * 1_000_000).cast(pl.Datetime("ns", "UTC")).alias("ts")
    rows = rows.sort("timestamp", pl.col("id").cast(pl.Int64))
    return rows.select(ts, "id", "price", "amount", side).to_arrow().cast(TRADES)


def grouped(minutes: pa.Table, name: str, zone: str) -> pl.DataFrame:
    rows = pl.DataFrame(minutes).with_columns(pl.col("ts").dt.convert_time_zone(zone))
    start = pl.col("ts").dt.truncate(POLARS_NAMES.get(name, name))
    return rows.group_by(start, maintain_order=True).agg(
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        pl.col("volume").sum(),
    )


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
@pytest.mark.parametrize("name", ["5m", "15m", "1h", "4h", "1d", "1w", "1M"])
def test_seven_years_have_the_windows_that_polars_has(
    minutes: pa.Table, name: str, zone: str
) -> None:
    windows = Windows(parse(name), zone)
    made = pa.Table.from_batches(bars(minutes.to_batches(65_536), windows), CANDLES)
    expected = grouped(minutes, name, zone).with_columns(pl.col("ts").dt.convert_time_zone("UTC"))
    of_polars = expected.to_arrow().cast(CANDLES)
    assert same_bits(made.select(PRICES), of_polars.select(PRICES))
    volumes = made.column("volume").to_numpy()
    assert np.allclose(volumes, of_polars.column("volume").to_numpy(), rtol=1e-12, atol=0)
    starts = made.column("ts").to_numpy().view(np.int64)
    random = generator(f"windows of {name} in {zone}")
    at = set(random.sample(range(len(starts)), min(len(starts), 1_000))) | on_changed_days(starts)
    expected_volumes = sums_of(minutes, windows, starts[sorted(at)].tolist())
    assert volumes[sorted(at)].tolist() == expected_volumes


def on_changed_days(starts: np.ndarray) -> set[int]:
    """Positions of the windows that start on a day when clocks changed, or the one around it."""
    found: set[int] = set()
    for day in CHANGED:
        first = np.searchsorted(starts, to_ns(day), "right") - 1
        found.update(range(int(first), int(np.searchsorted(starts, to_ns(day) + 2 * DAY_NS))))
    return found


def sums_of(minutes: pa.Table, windows: Windows, starts: list[int]) -> list[float]:
    ts = minutes.column("ts").to_numpy().view(np.int64)
    volume = minutes.column("volume").to_numpy()
    ends = [windows.after(start) for start in starts]
    spans = zip(np.searchsorted(ts, starts), np.searchsorted(ts, ends), strict=True)
    return [math.fsum(volume[a:b].tolist()) for a, b in spans]


@pytest.mark.parametrize("size", [12_477, 1_000, 7])
def test_recorded_trades_make_the_exchanges_own_minutes(
    market_data: Path, xrp_trades: pa.Table, size: int
) -> None:
    recorded = freqtrade(market_data, "XRP_ETH-1m.feather")
    expected = recorded.rename_columns(CANDLES.names).cast(CANDLES)
    made = pa.Table.from_batches(bars(xrp_trades.to_batches(size), Windows(parse("1m"))), CANDLES)
    assert made.num_rows == 2_469
    assert same_bits(made, expected)


def test_recorded_trades_and_their_minutes_make_the_exchanges_own_five_minutes(
    market_data: Path, xrp_trades: pa.Table
) -> None:
    recorded = freqtrade(market_data, "XRP_ETH-5m.feather")
    expected = recorded.rename_columns(CANDLES.names).cast(CANDLES)
    windows = Windows(parse("5m"))
    made = pa.Table.from_batches(bars(xrp_trades.to_batches(), windows), CANDLES)
    minutes = bars(xrp_trades.to_batches(), Windows(parse("1m")))
    of_minutes = pa.Table.from_batches(bars(minutes, windows), CANDLES)
    assert made.num_rows == 706
    assert same_bits(made, expected)
    assert same_bits(of_minutes, expected)
