"""Lazy frames: a query gets what it asks for, and the server is asked for no more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.support.recorded import bitfinex_bars
from tests.support.rows import MINUTE, NOON_2024, candles, own
from tests.support.seeds import generator
from tests.support.serving import Serving

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb
from flightstore_server.flight import service

NAMES = ["binance:BTC/USDT", "binance:ETH/USDT", "kraken:BTC/USDT"]
TIMES = [NOON_2024 + minute * MINUTE for minute in range(100)]
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
ts, close = pl.col("ts"), pl.col("close")


def _at(minute: int) -> datetime:
    return NOON + timedelta(minutes=minute)


@pytest.fixture
def db(serving: Serving) -> fs.Client:
    for number, name in enumerate(NAMES):
        serving.db.write(
            name, candles(TIMES, range(100 * number, 100 * number + 100)), timeframe="1m"
        )
    return serving.db


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[pb.ReadRequest]:
    """What the server was asked to read; not who only asked what there is."""
    requests: list[pb.ReadRequest] = []
    plain = service.read_stream

    def spied(store, request):  # type: ignore[no-untyped-def]
        if request.range.end != 0 or not request.range.HasField("end"):
            requests.append(request)
        return plain(store, request)

    monkeypatch.setattr(service, "read_stream", spied)
    return requests


Query = Callable[[pl.LazyFrame], pl.LazyFrame]
# Each query, and in which minutes and how many instruments all that it reads lies.
NARROWED: dict[str, tuple[Query, tuple[int, int], int]] = {
    "from": (lambda f: f.filter(ts >= _at(90)), (90, 100), 3),
    "after": (lambda f: f.filter(ts > _at(90)), (90, 100), 3),
    "before": (lambda f: f.filter(ts < _at(10)), (0, 11), 3),
    "until": (lambda f: f.filter(ts <= _at(10)), (0, 11), 3),
    "at": (lambda f: f.filter(ts == _at(10)), (10, 11), 3),
    "mirrored": (lambda f: f.filter(pl.lit(_at(90)) < ts), (90, 100), 3),
    "between": (lambda f: f.filter(ts.is_between(_at(10), _at(20), closed="none")), (10, 21), 3),
    "both": (lambda f: f.filter(ts >= _at(10), ts < _at(20), close > 15), (10, 21), 3),
    "twice": (lambda f: f.filter(ts >= _at(10)).filter(ts < _at(20)), (10, 21), 3),
    "literal": (
        lambda f: f.filter(pl.datetime(2024, 1, 1, 13, time_zone="UTC") <= ts),
        (60, 100),
        3,
    ),
    "exchange": (lambda f: f.filter(pl.col("exchange") == "kraken"), (0, 100), 1),
    "symbol": (lambda f: f.filter(pl.col("symbol") == "BTC/USDT", ts >= _at(50)), (50, 100), 2),
    "one of": (lambda f: f.filter(pl.col("symbol").is_in(["ETH/USDT", "XX"])), (0, 100), 1),
    "neither": (
        lambda f: f.filter(pl.col("symbol") == "ETH/USDT", pl.col("exchange") == "kraken"),
        (0, 0),
        0,
    ),
    "never": (lambda f: f.filter(ts > _at(50), ts < _at(40)), (0, 0), 0),
    "or": (lambda f: f.filter((ts > _at(50)) | (close > 5)), (0, 100), 3),
    "not": (lambda f: f.filter(~(ts > _at(50))), (0, 51), 3),
    "of itself": (lambda f: f.filter(ts == ts.max()), (0, 100), 3),
}


@pytest.mark.parametrize("case", NARROWED)
def test_predicates_reach_the_server(db: fs.Client, asked: list[pb.ReadRequest], case: str) -> None:
    query, (first, end), instruments = NARROWED[case]
    lazy = db.scan("*:*/USDT", "1m")
    found = query(lazy).collect()
    requests = list(asked)
    assert_frame_equal(found, query(db.candles("*:*/USDT", "1m").lazy()).collect())
    assert len(requests) == (instruments > 0)
    for request in requests:
        start = request.range.start if request.range.HasField("start") else TIMES[0]
        until = request.range.end if request.range.HasField("end") else TIMES[99] + MINUTE
        low, high = (max(start, TIMES[0]) - TIMES[0]) / MINUTE, (until - TIMES[0]) / MINUTE
        if case != "not":  # polars itself turns it around, or does not
            assert first <= low + 1e-3
            assert high <= end + 1e-3
            assert low >= first - 1e-3
        named = list(request.instruments)
        assert (named == ["*:*/USDT"] and instruments == 3) or len(named) == instruments


def test_columns_and_the_first_rows_reach_the_server(
    db: fs.Client, asked: list[pb.ReadRequest]
) -> None:
    lazy = db.scan("*", "1m").filter(ts > _at(1)).select("symbol", "close").head(5)
    assert lazy.collect()["close"].to_list() == [2.0, 3.0, 4.0, 5.0, 6.0]
    assert list(asked[-1].columns) == ["ts", "close"]
    assert db.scan(NAMES[0], "1m").head(7).collect().height == 7
    assert asked[-1].limit == 7
    assert db.scan("*", "1m").head(150).collect().height == 150
    assert db.scan("*", "1m").head(0).collect().height == 0
    assert db.scan("*", "1m").select("exchange").head(2).collect().columns == ["exchange"]
    assert list(asked[-1].columns) == ["ts"]


def test_rows_are_cut_before_they_are_filtered_if_that_is_what_was_said(db: fs.Client) -> None:
    lazy = db.scan(NAMES[0], "1m").head(10)
    assert lazy.filter(ts >= _at(8)).collect()["close"].to_list() == [8.0, 9.0]
    assert lazy.filter(close > 50).collect().height == 0


def test_the_range_of_the_scan_holds_whatever_the_predicate_says(
    db: fs.Client, asked: list[pb.ReadRequest]
) -> None:
    lazy = db.scan(NAMES[0], "1m", _at(10), _at(20))
    assert lazy.collect()["close"].to_list() == [float(n) for n in range(10, 20)]
    assert lazy.filter(ts > _at(15)).collect().height == 4
    assert lazy.filter(ts < _at(12)).collect().height == 2
    assert lazy.filter(ts < _at(5)).collect().height == 0
    assert len(asked) == 3
    with pytest.raises(fs.BadRange):
        db.scan(NAMES[0], "1m", _at(20), _at(10))


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_both_engines_of_polars_read_it(db: fs.Client, engine: str) -> None:
    lazy = db.scan("*", "1m")
    grouped = lazy.group_by("exchange", "symbol").agg(close.sum()).sort("close")
    assert grouped.collect(engine=engine)["close"].to_list() == [4950.0, 14950.0, 24950.0]
    assert lazy.collect(engine=engine).height == 300
    assert lazy.select(pl.len()).collect(engine=engine).item() == 300


def test_the_schema_is_that_of_a_read(db: fs.Client) -> None:
    db.write("x:A", own(TIMES[:2], name=["a", None], count=[1, 2]), dataset="mine")
    for scan, read in (
        (db.scan("*", "1m"), db.candles("*", "1m")),
        (db.scan(NAMES[0], "1m"), db.candles(NAMES[0], "1m")),
        (db.scan("x:*", dataset="mine"), db.read("mine", "x:*")),
    ):
        assert scan.collect_schema() == read.schema
        assert_frame_equal(scan.collect(), read)


def test_bars_that_are_not_stored_are_made(db: fs.Client) -> None:
    assert_frame_equal(db.scan("*", "7m").collect(), db.candles("*", "7m"))


def test_a_scan_is_read_anew_each_time(db: fs.Client) -> None:
    lazy = db.scan("*", "1m").filter(pl.col("symbol") == "BTC/USDT")
    assert lazy.collect().height == 200
    db.write("okx:BTC/USDT", candles(TIMES[:5]), timeframe="1m")
    assert lazy.collect().height == 205
    db.snapshot("then")
    pinned = db.scan("*", "1m", snapshot="then")
    db.delete("okx:BTC/USDT", timeframe="1m")
    assert (pinned.collect().height, lazy.collect().height) == (305, 200)


def test_errors_are_those_of_reads(db: fs.Client) -> None:
    with pytest.raises(fs.UnknownInstrument, match="BTC/USDT"):
        db.scan("binance:BTC/USD", "1m")
    lazy = db.scan(NAMES[0], "1m")
    db.delete(NAMES[0], timeframe="1m")
    with pytest.raises(fs.UnknownInstrument):
        lazy.collect()


def test_what_could_not_be_served_is_warned_of(db: fs.Client) -> None:
    with pytest.warns(fs.PartialReadWarning, match="x:Z"):
        lazy = db.scan([NAMES[0], "x:Z"], "1m")
    with pytest.warns(fs.PartialReadWarning, match="x:Z"):
        assert lazy.collect().height == 100


@pytest.mark.data
def test_random_queries_of_recorded_bars_find_what_a_filtered_read_finds(
    serving: Serving, market_data: Path
) -> None:
    coins = {
        f"bitfinex:{coin}/USD": bitfinex_bars(market_data, f"bitfinex/{coin}USD_1m_2019Q4.csv.xz")
        for coin in ("ETH", "LTC")
    }
    serving.db.write_many(coins, timeframe="1m")
    rng, whole = generator("scans"), serving.db.candles("*", "1m")
    times = whole["ts"].to_list()
    lazy = serving.db.scan("*", "1m")
    for _ in range(40):
        low, high = sorted(rng.choices(times, k=2))
        unit = rng.choice(["ns", "us", "ms"])
        lower = pl.lit(low).cast(pl.Datetime(unit, "UTC"))
        terms = [
            rng.choice(
                [ts >= lower, ts > lower, lower < ts, ts.cast(pl.Datetime("ms", "UTC")) > lower]
            ),
            rng.choice([ts < high, ts <= high, ts.is_between(low, high), pl.lit(high) > ts]),
            rng.choice(
                [close > 100.0, pl.lit(True), ts.dt.hour() == 3, ts.dt.date() > date(2019, 11, 1)]
            ),
            rng.choice(
                [pl.lit(True), pl.col("symbol") == "ETH/USD", pl.col("symbol").is_in(["LTC/USD"])]
            ),
        ]
        rng.shuffle(terms)
        assert_frame_equal(lazy.filter(*terms).collect(), whole.filter(*terms))
