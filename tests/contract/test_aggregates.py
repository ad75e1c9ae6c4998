"""Bars that the server derives are the exchange's own, and those of polars, whatever comes late."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from tests.support.recorded import bitfinex_bars, freqtrade, same_bits
from tests.support.seeds import generator
from tests.support.server_process import ServerProcess, running

import flightstore as fs
from flightstore_proto.schemas import CANDLES, TRADES

pytestmark = pytest.mark.data
XRP = "binance:XRP/ETH"
BTC = "bitfinex:BTC/USD"
NEW_YORK = "America/New_York"
TIMEFRAMES = ["5m", "15m", "1h", "4h", "1d", "1w", "1M"]
POLARS_NAMES = {"1M": "1mo"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with running(tmp_path / "data") as started:
        yield started


@pytest.fixture(scope="module")
def trades(market_data: Path) -> pa.Table:
    """The recorded trades by time and id."""
    rows = pl.DataFrame(freqtrade(market_data, "XRP_ETH-trades.feather"))
    side = pl.col("side").replace_strict({"buy": 1, "sell": -1}, return_dtype=pl.Int8)
    ts = (pl.col("timestamp") * 1_000_000).cast(pl.Datetime("ns", "UTC")).alias("ts")
    rows = rows.sort("timestamp", pl.col("id").cast(pl.Int64))
    table = rows.select(ts, "id", "price", "amount", side).to_arrow().cast(TRADES)
    assert table.num_rows == 12_477
    return table


@pytest.fixture(scope="module")
def exchanges_bars(market_data: Path) -> dict[str, pa.Table]:
    """What the exchange made of them itself."""
    return {
        text: freqtrade(market_data, f"XRP_ETH-{text}.feather")
        .rename_columns(CANDLES.names)
        .cast(CANDLES)
        for text in ("1m", "5m")
    }


def at_once(db: fs.Client, trades: pa.Table) -> None:
    db.write(XRP, trades, dataset="trades")


def in_random_chunks(db: fs.Client, trades: pa.Table) -> None:
    rng = generator("chunks of trades")
    cuts = sorted(rng.sample(range(1, trades.num_rows), 80))
    for low, high in pairwise([0, *cuts, trades.num_rows]):
        db.write(XRP, trades.slice(low, high - low), dataset="trades")


def in_random_order(db: fs.Client, trades: pa.Table) -> None:
    rng = generator("order of trades")
    order = list(range(trades.num_rows))
    rng.shuffle(order)
    mixed = trades.take(order)
    for at in range(0, trades.num_rows, 200):
        db.write(XRP, mixed.slice(at, 200), dataset="trades")


def one_by_one(db: fs.Client, trades: pa.Table) -> None:
    """Each trade by itself, while somebody reads the bars all the time."""
    stop = threading.Event()
    failed: list[BaseException] = []

    def read() -> None:
        try:
            while not stop.is_set():
                for text in ("1m", "5m"):
                    db.candles(XRP, text, tail=50, output="arrow")
        except BaseException as error:
            failed.append(error)
            raise

    reader = threading.Thread(target=read)
    with db.writer("trades") as writer:
        for number in range(trades.num_rows):
            writer.write(XRP, trades.slice(number, 1))
            if number == 0:
                writer.flush()
                reader.start()
    stop.set()
    reader.join()
    assert not failed


@pytest.mark.parametrize("write", [at_once, in_random_chunks, in_random_order, one_by_one])
def test_recorded_trades_become_the_exchanges_own_bars(
    server: ServerProcess,
    trades: pa.Table,
    exchanges_bars: dict[str, pa.Table],
    write: Callable[[fs.Client, pa.Table], None],
) -> None:
    with fs.connect(server.uri) as db:
        db.rules.add("trades/*", "1m")
        db.rules.add("candles/*/1m", "5m")
        write(db, trades)
        check(db, exchanges_bars)
    server.restart()
    with fs.connect(server.uri) as db:
        check(db, exchanges_bars)


def check(db: fs.Client, expected: dict[str, pa.Table]) -> None:
    made = {text: db.candles(XRP, text, output="arrow") for text in expected}
    assert {text: table.num_rows for text, table in made.items()} == {"1m": 2_469, "5m": 706}
    assert [text for text, table in made.items() if not same_bits(table, expected[text])] == []


def test_a_rule_in_the_configuration_is_kept(
    tmp_path: Path, trades: pa.Table, exchanges_bars: dict[str, pa.Table]
) -> None:
    config = '[[rules]]\nname = "{}"\non = "trades/*"\nto = {}\n'
    with running(tmp_path / "data", config.format("bars", '["1m"]')) as server:
        with fs.connect(server.uri) as db:
            at_once(db, trades)
            with pytest.raises(fs.DerivedSeries, match="is kept by the rule 'bars'"):
                db.write(XRP, exchanges_bars["1m"], timeframe="1m")
        server.terminate()
        server.configure(config.format("bars", '["1m", "5m"]'))
        server.start()
        with fs.connect(server.uri) as db:
            [rule] = db.rules.list()
            assert (rule.name, rule.to, rule.configured, rule.series) == (
                "bars",
                ["1m", "5m"],
                True,
                2,
            )
            check(db, exchanges_bars)


@pytest.mark.long
def test_seven_years_of_minutes_make_the_bars_that_polars_makes_also_after_late_corrections(
    tmp_path: Path, market_data: Path
) -> None:
    minutes = bitfinex_bars(market_data)
    rng = generator("late corrections")
    with running(tmp_path / "data") as server:
        with fs.connect(server.uri) as db:
            db.rules.add("candles/*/1m", TIMEFRAMES)
            db.rules.add("candles/*/1m", TIMEFRAMES, timezone=NEW_YORK, into="ny")
            db.write(BTC, minutes, timeframe="1m")
            compare(db, expected_of(minutes), exactly=False)
            late, minutes = corrected(minutes, rng.sample(range(minutes.num_rows), 1_000))
            for at in range(0, 1_000, 100):
                db.write(BTC, late.slice(at, 100), timeframe="1m")
            expected = with_exact_volumes(expected_of(minutes), minutes)
            compare(db, expected)
        server.restart()
        with fs.connect(server.uri) as db:
            compare(db, expected)


def corrected(minutes: pa.Table, rows: list[int]) -> tuple[pa.Table, pa.Table]:
    """New rows in the place of some, and all of them after that."""
    frame = pl.DataFrame(minutes).with_row_index()
    change = pl.col("index").is_in(rows)
    names = CANDLES.names[1:]
    frame = frame.with_columns(pl.when(change).then(pl.col(names) * 3).otherwise(pl.col(names)))
    after = frame.drop("index").to_arrow().cast(CANDLES)
    return after.take(rows), after


Bars = dict[tuple[str, str], pl.DataFrame]


def expected_of(minutes: pa.Table) -> Bars:
    """Bars by dataset and timeframe, each with the number of its minutes."""
    zones = {"candles": "UTC", "ny": NEW_YORK}
    return {(d, t): grouped(minutes, t, zone) for d, zone in zones.items() for t in TIMEFRAMES}


def compare(db: fs.Client, expected: Bars, *, exactly: bool = True) -> None:
    """All cells bit for bit; unless `exactly`, volumes may differ by what rounding does."""
    for (dataset, timeframe), frame in expected.items():
        made = db.read(dataset, BTC, timeframe, output="arrow")
        bars = frame.drop("minutes").to_arrow().cast(CANDLES)
        compared = CANDLES.names if exactly else CANDLES.names[:-1]
        assert same_bits(made.select(compared), bars.select(compared)), f"{timeframe} in {dataset}"
        volumes = made.column("volume").to_numpy(), bars.column("volume").to_numpy()
        assert np.allclose(*volumes, rtol=1e-12, atol=0)


def with_exact_volumes(expected: Bars, minutes: pa.Table) -> Bars:
    volumes = minutes.column("volume").to_numpy().tolist()
    for key, frame in expected.items():
        counts = frame["minutes"].to_list()
        ends = np.cumsum(counts).tolist()
        sums = [math.fsum(volumes[end - n : end]) for n, end in zip(counts, ends, strict=True)]
        expected[key] = frame.with_columns(pl.Series("volume", sums))
    return expected


def grouped(minutes: pa.Table, name: str, zone: str) -> pl.DataFrame:
    rows = pl.DataFrame(minutes).with_columns(pl.col("ts").dt.convert_time_zone(zone))
    start = pl.col("ts").dt.truncate(POLARS_NAMES.get(name, name))
    bars = rows.group_by(start, maintain_order=True).agg(
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        pl.col("volume").sum(),
        pl.len().alias("minutes"),
    )
    return bars.with_columns(pl.col("ts").dt.convert_time_zone("UTC"))
