"""import: the files that people really have."""

from __future__ import annotations

import json
import lzma

import polars as pl
import pytest
from pyarrow import feather

from flightstore.cli.loading import job, sending
from flightstore.cli.loading.sources import open_source

pytestmark = pytest.mark.data


@pytest.mark.parametrize(("base", "count"), [("ETH", 101_020), ("LTC", 65_647), ("XRP", 102_978)])
def test_bitfinex_minutes_are_read_exactly(cli, db, recorded, base, count):
    path = recorded / "bitfinex" / f"{base}USD_1m_2019Q4.csv.xz"
    result = cli("import", path, "-i", f"bitfinex:{base}/USD", "-t", "1m", "--json")
    assert json.loads(result.out)["rows"] == count
    lines = lzma.decompress(path.read_bytes()).decode().splitlines()[1:]
    ours = zip(*(column.to_pylist() for column in db.written.columns[1:]), strict=True)
    assert [tuple(map(float, line.split(",")[1:])) for line in lines] == list(ours)


def test_a_large_file_is_held_a_chunk_at_a_time(recorded):
    path = recorded / "bitfinex" / "BTCUSD_1m_2013-04-01_2019-12-31.csv.xz"
    plan = job.Plan("bitfinex:BTC/USD", "candles", "1m")
    source = open_source(path, "candles")
    shape = job.shape_of(source, plan)
    batches = (batch for batch, _ in source.batches(shape.types()))
    sizes = [shape.rows(chunk).num_rows for chunk in sending.chunks(batches, 512 * 1024)]
    assert sum(sizes) == 2_630_217
    assert max(sizes) < 640 * 1024


@pytest.mark.parametrize(
    "name",
    [
        "UNITTEST_BTC-1m",
        "XRP_ETH-1m",
        "XRP_ETH-5m",
        "futures/XRP_USDT_USDT-5m-futures",
        "futures/XRP_USDT_USDT-8h-funding_rate",
    ],
)
def test_freqtrade_candles_are_read(cli, db, recorded, name):
    path = recorded / "freqtrade" / f"{name}.feather"
    timeframe = name.split("-")[1]
    assert cli("import", path, "-i", "binance:X/Y", "-t", timeframe, "--grid", "free").code == 0
    theirs = feather.read_table(path, memory_map=False)
    assert db.written.column("ts").equals(theirs.column("date"))
    assert db.written.column("close").equals(theirs.column("close"))


def test_freqtrade_trades_are_read_with_their_sides(cli, db, recorded):
    path = recorded / "freqtrade" / "XRP_ETH-trades.feather"
    result = cli("import", path, "-i", "binance:XRP/ETH", "-d", "trades")
    assert "columns left out: type, cost" in result.err
    ours, theirs = (
        pl.DataFrame(db.written),
        pl.DataFrame(feather.read_table(path, memory_map=False)),
    )
    assert ours.height == 12_477
    assert (ours["ts"].dt.epoch("ms") == theirs["timestamp"]).all()
    assert (ours["id"] == theirs["id"]).all()
    assert ((ours["side"] == 1) == (theirs["side"] == "buy")).all()


def test_funding_rates_can_be_a_dataset_of_their_own(cli, db, recorded):
    path = recorded / "freqtrade" / "futures" / "XRP_USDT_USDT-8h-funding_rate.feather"
    said = ("-d", "funding", "--columns", "ts=date,rate=open")
    assert cli("import", path, "-i", "binance:XRP/USDT:USDT", *said).code == 0
    assert db.written.schema.names == ["ts", "rate", "high", "low", "close", "volume"]
