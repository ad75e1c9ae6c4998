"""Seven years of minutes, as recorded: written, read back, and equal bit for bit."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from tests.support import server_process
from tests.support.recorded import BTC_ROWS, bitfinex_bars, freqtrade, same_bits
from tests.support.seeds import generator, scaled
from tests.support.serving import Serving

import flightstore as fs

pytestmark = pytest.mark.data
BTC = "bitfinex:BTC/USD"
YEARS = range(2013, 2020)


@pytest.fixture(scope="module")
def bars(market_data: Path) -> pa.Table:
    table = bitfinex_bars(market_data)
    assert table.num_rows == BTC_ROWS
    return table


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory, bars: pa.Table) -> Iterator[fs.Client]:
    """A client of a server process that was sent all bars in one call, and sends what is read."""
    root = tmp_path_factory.mktemp("real") / "data"
    with server_process.running(root) as server, fs.connect(server.uri, same_host=False) as client:
        ack = client.write(BTC, bars, timeframe="1m", covers=("2013-04-01", "2020-01-01"))
        assert (ack.rows, ack.duplicates) == (BTC_ROWS, 0)
        yield client


def _ns(bars: pa.Table) -> np.ndarray:
    return bars.column("ts").to_numpy().astype(np.int64)


def _between(bars: pa.Table, start: int, end: int) -> pa.Table:
    ts = _ns(bars)
    return bars.slice(ts.searchsorted(start), ts.searchsorted(end) - ts.searchsorted(start))


def _year(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 10**9


def test_all_rows_come_back_equal_and_in_order(db: fs.Client, bars: pa.Table) -> None:
    assert same_bits(db.candles(BTC, "1m", output="arrow"), bars)


def test_all_rows_are_mapped_equal_and_in_order(db: fs.Client, bars: pa.Table) -> None:
    with fs.connect(db.uri, same_host=True) as mapping:
        assert same_bits(mapping.candles(BTC, "1m", output="arrow"), bars)
        assert mapping.status().same_host == "mapped"


@pytest.mark.parametrize("year", YEARS)
def test_each_year_comes_back_equal(db: fs.Client, bars: pa.Table, year: int) -> None:
    found = db.candles(BTC, "1m", str(year), str(year + 1), output="arrow")
    assert found.num_rows
    assert same_bits(found, _between(bars, _year(year), _year(year + 1)))


def test_random_ranges_come_back_equal(
    db: fs.Client, bars: pa.Table, request: pytest.FixtureRequest
) -> None:
    rng, ts = generator("ranges"), _ns(bars)
    for _ in range(scaled(request.config, ci=60, nightly=2_000)):
        # Any two times; some of them are those of rows, where being off by one shows.
        start, end = sorted(
            int(rng.choice(ts)) // 10**6
            if rng.random() < 0.5
            else rng.randrange(1_364_000_000_000, 1_580_000_000_000)
            for _ in range(2)
        )
        found = db.candles(BTC, "1m", start, end, output="arrow")
        assert same_bits(found, _between(bars, start * 10**6, end * 10**6)), (start, end)


@pytest.mark.parametrize("count", [1, 2, 1_000, 65_536, 65_537, 1_000_000, BTC_ROWS, 10**9])
def test_limit_and_tail_come_back_equal(db: fs.Client, bars: pa.Table, count: int) -> None:
    first = db.candles(BTC, "1m", limit=count, output="arrow")
    last = db.candles(BTC, "1m", tail=count, output="arrow")
    assert same_bits(first, bars.slice(0, count))
    assert same_bits(last, bars.slice(max(0, BTC_ROWS - count)))


def test_batches_come_back_equal_in_pieces_of_at_most_64_ki_rows(
    db: fs.Client, bars: pa.Table
) -> None:
    with db.batches(BTC, "1m") as stream:
        batches = list(stream)
    assert max(batch.num_rows for batch in batches) <= 65_536
    assert same_bits(pa.Table.from_batches(batches), bars)


def test_single_columns_come_back_equal(db: fs.Client, bars: pa.Table) -> None:
    found = db.candles(BTC, "1m", columns=["volume", "close"], output="arrow")
    assert same_bits(found, bars.select(["ts", "volume", "close"]))


def test_the_lowest_low_is_kept_although_it_is_absurd(db: fs.Client) -> None:
    assert db.candles(BTC, "1m", columns=["low"])["low"].min() == 0.01


def test_outages_are_told_from_quiet_minutes(db: fs.Client) -> None:
    """An attack, maintenance and lost months stand out of years in which the market was thin."""
    found = db.gaps(BTC, "1m", "2013-04-01T00:07", confirmed=True)
    outages = found.filter(pl.col("reason") == "likely an outage")
    starts = {str(start)[:16] for start in outages["start"]}
    assert {"2016-08-02 18:03", "2018-06-05 10:35", "2019-06-26 08:46"} <= starts
    assert outages.height < 50 < 250_000 < found.height
    assert found["missing"].sum() == db.series(BTC)["absent"].item()


def test_the_outage_of_2016_is_a_gap_once_it_is_not_said_to_be_complete(db: fs.Client) -> None:
    outage = ("2016-08-02T18:03", "2016-08-10T15:53")
    assert db.candles(BTC, "1m", *outage).height == 0
    assert db.gaps(BTC, "1m", "2016-08", "2016-09").height == 0
    assert db.candles(BTC, "1m", *outage, strict=True).height == 0
    db.write("x:BTC/USD", db.candles(BTC, "1m", "2016-08", "2016-09"), timeframe="1m")
    gaps = db.gaps("x:BTC/USD", "1m")
    longest = gaps.filter(pl.col("missing") == pl.col("missing").max())
    assert [str(t)[:16] for t in longest.select("start", "end").row(0)] == [
        "2016-08-02 18:03",
        "2016-08-10 15:53",
    ]


def test_the_catalog_counts_rows_and_absent_minutes(db: fs.Client) -> None:
    [row] = db.series(BTC).to_dicts()
    assert (row["rows"], row["absent"]) == (BTC_ROWS, 920_816)


def test_everything_written_twice_is_there_once(tmp_path: Path, bars: pa.Table) -> None:
    served = Serving(tmp_path / "data")
    for _ in range(2):
        served.db.write(BTC, bars, timeframe="1m")
        assert same_bits(served.db.candles(BTC, "1m", output="arrow"), bars)
    served.tidy()
    assert same_bits(served.db.candles(BTC, "1m", output="arrow"), bars)
    served.restart()
    assert same_bits(served.db.candles(BTC, "1m", output="arrow"), bars)
    assert served.db.series(BTC)["rows"].to_list() == [BTC_ROWS]
    served.close()


def test_all_rows_in_random_chunks_and_order_come_back_equal(
    tmp_path: Path, bars: pa.Table
) -> None:
    rng = generator("chunks")
    borders = sorted({0, BTC_ROWS, *(rng.randrange(BTC_ROWS) for _ in range(200))})
    chunks = list(itertools.pairwise(borders))
    rng.shuffle(chunks)
    served = Serving(tmp_path / "data")
    with served.db.writer(timeframe="1m") as writer:
        for start, end in chunks:
            writer.write(BTC, bars.slice(start, end - start))
    assert same_bits(served.db.candles(BTC, "1m", output="arrow"), bars)
    served.tidy()
    assert same_bits(served.db.candles(BTC, "1m", output="arrow"), bars)
    served.close()


def test_rows_in_random_order_inside_random_puts_come_back_equal(
    tmp_path: Path, bars: pa.Table
) -> None:
    """Each row goes to any of many puts, some to two; the last quarter of 2019."""
    rng = generator("order")
    part = _between(bars, _year(2019) + 273 * 86_400 * 10**9, _year(2020))
    rows = list(range(part.num_rows)) + rng.sample(range(part.num_rows), 5_000)
    rng.shuffle(rows)
    served = Serving(tmp_path / "data")
    for start in range(0, len(rows), 7_000):
        served.db.write(BTC, part.take(rows[start : start + 7_000]), timeframe="1m")
        if rng.random() < 0.3:
            served.db.flush()
    assert same_bits(served.db.candles(BTC, "1m", output="arrow"), part)
    served.tidy()
    served.restart()
    assert same_bits(served.db.candles(BTC, "1m", output="arrow"), part)
    served.close()


@pytest.mark.parametrize("coin", ["ETH", "LTC", "XRP"])
def test_other_coins_come_back_equal(db: fs.Client, market_data: Path, coin: str) -> None:
    bars = bitfinex_bars(market_data, f"bitfinex/{coin}USD_1m_2019Q4.csv.xz")
    db.write(f"bitfinex:{coin}/USD", bars, timeframe="1m")
    assert same_bits(db.candles(f"bitfinex:{coin}/USD", "1m", output="arrow"), bars)


def test_the_holes_of_a_recording_are_found(db: fs.Client, market_data: Path) -> None:
    bars = freqtrade(market_data, "UNITTEST_BTC-1m.feather")
    db.write("x:UNITTEST/BTC", bars, timeframe="1m")
    gaps = db.gaps("x:UNITTEST/BTC", "1m")
    assert (gaps.height, gaps["missing"].sum()) == (538, 717)


def test_perpetuals_keep_their_second_colon(db: fs.Client, market_data: Path) -> None:
    bars = freqtrade(market_data, "futures/XRP_USDT_USDT-5m-futures.feather")
    db.write("binance:XRP/USDT:USDT", bars, timeframe="5m")
    found = db.candles("binance:XRP/USDT:USDT", "5m", output="arrow")
    assert same_bits(found, bars.rename_columns(["ts", *bars.schema.names[1:]]))
    assert db.series("binance:*:USDT")["symbol"].to_list() == ["XRP/USDT:USDT"]


def test_funding_rates_off_the_grid_are_a_users_dataset(db: fs.Client, market_data: Path) -> None:
    rates = freqtrade(market_data, "futures/XRP_USDT_USDT-8h-funding_rate.feather")
    rates = rates.select(["date", "open"]).rename_columns(["ts", "rate"])
    with pytest.raises(fs.InvalidRows, match="not the open time of a 8h bar"):
        bars = rates.rename_columns(["ts", "open"])
        for name in ("high", "low", "close", "volume"):
            bars = bars.append_column(name, bars.column("open"))
        db.write("binance:XRP/USDT:USDT", bars, timeframe="8h")
    db.write("binance:XRP/USDT:USDT", rates, dataset="funding")
    assert same_bits(db.read("funding", "binance:XRP/USDT:USDT", output="arrow"), rates)
