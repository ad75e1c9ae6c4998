"""Rows joined with what was in force at their time: by the server, and here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal
from tests.support.recorded import bitfinex_bars, freqtrade
from tests.support.rows import DAY, MINUTE, NOON_2024, candles, own, trades
from tests.support.seeds import generator
from tests.support.serving import Serving

import flightstore as fs
from flightstore_proto.schemas import CANDLES, TRADES

A, B = "x:A/USD", "x:B/USD"
TIMES = [NOON_2024 + minute * MINUTE for minute in range(10)]
BARS = fs.Rows("candles", A, "1m", columns=["close"])
TRADES_OF_A = fs.Rows("trades", A, columns=["id", "price"])


@pytest.fixture
def filled(serving: Serving) -> Serving:
    """Ten minute bars and a trade every 20 s of A, from two minutes before to two after."""
    serving.db.write(A, candles(TIMES, range(10)), timeframe="1m")
    times = range(NOON_2024 - 2 * MINUTE, NOON_2024 + 12 * MINUTE, MINUTE // 3)
    serving.db.write(
        A, trades([(ts, str(n), n + 1.0) for n, ts in enumerate(times)]), dataset="trades"
    )
    return serving


@pytest.fixture
def db(filled: Serving) -> fs.Client:
    return filled.db


def _naive(left: pl.DataFrame, right: pl.DataFrame, column: str) -> list[float | None]:
    """The column of the last row of `right` at or before each of `left`, one by one."""
    since, values = right["ts"].to_list(), right[column].to_list()
    found = []
    for ts in left["ts"].to_list():
        before = [value for at, value in zip(since, values, strict=True) if at <= ts]
        found.append(before[-1] if before else None)
    return found


def test_each_trade_gets_the_bar_that_was_open_at_its_time(db: fs.Client) -> None:
    joined = db.asof(TRADES_OF_A, BARS)
    left = db.trades(A, columns=["id", "price"])
    assert joined.columns == ["ts", "id", "price", "close"]
    assert joined.drop("close").equals(left)
    assert joined["close"].to_list() == _naive(left, db.candles(A, "1m"), "close")
    assert joined["close"].null_count() == 6


def test_by_its_close_a_bar_counts_only_once_it_is_over(db: fs.Client) -> None:
    closed = fs.Rows("candles", A, "1m", columns=["ts", "close"], label="close")
    joined = db.asof(TRADES_OF_A, closed)
    left, right = db.trades(A), db.candles(A, "1m", label="close")
    assert joined["close"].to_list() == _naive(left, right, "close")
    assert joined["close"].null_count() == 9
    assert (joined["ts_right"] <= joined["ts"]).all()
    assert joined["ts_right"].max() == right["ts"].max()


def test_a_tolerance_leaves_out_what_is_too_old(db: fs.Client) -> None:
    expected = db.asof(TRADES_OF_A, BARS, tolerance="20s")["close"].to_list()
    assert (
        expected
        == [None] * 6
        + [close for n in range(10) for close in (float(n), float(n), None)]
        + [None] * 6
    )
    for tolerance in (timedelta(seconds=20), 20 * 10**9):
        assert db.asof(TRADES_OF_A, BARS, tolerance=tolerance)["close"].to_list() == expected


@pytest.mark.parametrize("given", ["5 minutes", "", "-1s", -1, True, 2**63, timedelta(seconds=-1)])
def test_what_is_no_length_of_time_is_refused(db: fs.Client, given: object) -> None:
    with pytest.raises(fs.BadRequest, match="not a length of time"):
        db.asof(TRADES_OF_A, BARS, tolerance=given)  # type: ignore[arg-type]


def test_a_range_is_of_the_left_side_and_what_was_in_force_before_it_counts(db: fs.Client) -> None:
    whole = db.asof(TRADES_OF_A, BARS)
    start = datetime(2024, 1, 1, 12, 3, 30, tzinfo=UTC)
    end = start + timedelta(minutes=3)
    joined = db.asof(TRADES_OF_A, BARS, start, end)
    assert joined.equals(whole.filter(pl.col("ts").is_between(start, end, closed="left")))
    assert joined["close"][0] == 3.0


def test_columns_of_both_sides_are_told_apart_by_the_suffix(db: fs.Client) -> None:
    bars = fs.Rows("candles", A, "1m")
    own_names = list(CANDLES.names)
    joined = db.asof(bars, bars)
    assert joined.columns == own_names + [f"{name}_right" for name in own_names[1:]]
    named = db.asof(bars, fs.Rows("candles", A, "1m", columns="ts"), suffix="_then")
    assert named.columns == [*own_names, "ts_then"]
    assert named["ts"].to_list() == named["ts_then"].to_list()


def test_a_suffix_that_does_not_tell_columns_apart_is_refused(db: fs.Client) -> None:
    bars = own(TIMES, close=[1.0] * 10, close_right=[2.0] * 10)
    db.write(A, bars, dataset="mine", timeframe="1m")
    left = fs.Rows("mine", A, "1m")
    for side in (left, db.read("mine", A, "1m")):
        with pytest.raises(fs.BadRequest, match="another suffix"):
            db.asof(side, BARS)
        assert "close_bar" in db.asof(side, BARS, suffix="_bar").columns


def test_series_of_a_pattern_are_joined_each_with_its_own(db: fs.Client) -> None:
    db.write(B, candles(TIMES[5:], 77.0), timeframe="1m")
    db.write("x:C/USD", trades([(TIMES[0], "1", 1.0)]), dataset="trades")
    db.write(B, trades([(TIMES[4], "1", 1.0), (TIMES[6], "2", 2.0)]), dataset="trades")
    everything = fs.Rows("trades", "x:*", columns="price")
    joined = db.asof(everything, fs.Rows("candles", "x:*", "1m", columns="close"))
    assert joined.columns == ["exchange", "symbol", "ts", "price", "close"]
    assert joined.filter(pl.col("symbol") == "B/USD")["close"].to_list() == [None, 77.0]
    made_of_its_trade = joined.filter(pl.col("symbol") == "C/USD")["close"]
    assert made_of_its_trade.to_list() == [1.0]
    alone = joined.filter(pl.col("symbol") == "A/USD").drop("exchange", "symbol")
    assert_frame_equal(alone, db.asof(TRADES_OF_A, BARS).drop("id"))


def test_a_series_that_the_right_side_does_not_have_keeps_its_rows(db: fs.Client) -> None:
    db.write(B, trades([(TIMES[4], "1", 1.0)]), dataset="trades")
    db.write(A, own(TIMES, mark=[1.0] * 10), dataset="marks")
    joined = db.asof(fs.Rows("trades", "x:*", columns="price"), fs.Rows("marks", "x:*"))
    assert joined.filter(pl.col("symbol") == "B/USD").row(0)[3:] == (1.0, None)
    assert joined["mark"].drop_nulls().len() == 36


def test_a_single_instrument_on_the_right_goes_with_all(db: fs.Client) -> None:
    db.write(B, trades([(TIMES[4], "1", 1.0), (TIMES[6], "2", 2.0)]), dataset="trades")
    joined = db.asof(fs.Rows("trades", "x:*"), BARS)
    assert joined.filter(pl.col("symbol") == "B/USD")["close"].to_list() == [4.0, 6.0]
    assert joined.equals(db.asof(db.trades("x:*"), BARS))


def test_one_side_that_is_not_there_is_an_error_or_a_warning(db: fs.Client) -> None:
    with pytest.raises(fs.UnknownInstrument, match="no 1m candles of 'x:Z'"):
        db.asof(TRADES_OF_A, fs.Rows("candles", "x:Z", "1m"))
    with pytest.warns(fs.PartialReadWarning, match="x:Z"):
        db.asof(fs.Rows("trades", "x:*"), fs.Rows("candles", [A, "x:Z"], "1m"))


def test_bars_that_are_not_stored_are_made_for_either_side(db: fs.Client) -> None:
    threes = fs.Rows("candles", A, "3m", label="close")
    for side in (threes, db.candles(A, "3m", label="close")):
        assert_frame_equal(
            db.asof(TRADES_OF_A, side),
            db.trades(A, columns=["id", "price"]).join_asof(
                db.candles(A, "3m", label="close"), on="ts"
            ),
        )


def test_series_without_a_grid_cannot_be_joined_by_their_close(db: fs.Client) -> None:
    with pytest.raises(fs.BadRequest, match="nothing says when its rows close"):
        db.asof(BARS, fs.Rows("trades", A, label="close"))
    with pytest.raises(fs.BadRequest, match="'open', 'close'"):
        db.asof(BARS, fs.Rows("trades", A, label="clse"))


def test_derived_bars_are_fresh(db: fs.Client) -> None:
    db.rules.add(on="candles/x:*/1m", to=["5m"])
    fives = fs.Rows("candles", A, "5m", columns="close")
    db.asof(TRADES_OF_A, fives)
    db.write(A, candles([TIMES[4]], 400.0), timeframe="1m")
    joined = db.asof(TRADES_OF_A, fives)
    assert joined["close"].unique().sort().to_list() == [None, 9.0, 400.0]


def test_a_snapshot_is_joined_as_it_was(db: fs.Client) -> None:
    before = db.asof(TRADES_OF_A, BARS)
    db.snapshot("then")
    db.write(A, candles(TIMES, 1_000.0), timeframe="1m")
    db.write(A, trades([(TIMES[3] + 1, "x", 5.0)]), dataset="trades")
    assert db.asof(TRADES_OF_A, BARS, snapshot="then").equals(before)
    frame = db.trades(A, columns=["id", "price"], snapshot="then")
    assert db.asof(frame, BARS, snapshot="then").equals(before)
    assert not db.asof(TRADES_OF_A, BARS).equals(before)


@pytest.mark.parametrize("output", ["polars", "pandas", "arrow"])
def test_every_kind_of_frame_can_be_had_and_given(db: fs.Client, output: str) -> None:
    expected = db.asof(TRADES_OF_A, BARS)
    there = db.asof(TRADES_OF_A, BARS, output=output, tz="Asia/Tokyo")
    left, right = db.read("trades", A, columns=["id", "price"], output=output), db.candles(
        A, "1m", columns="close", output=output
    )  # fmt: skip
    for one, other in ((left, BARS), (TRADES_OF_A, right), (left, right)):
        assert db.asof(one, other).equals(expected)
        here = db.asof(one, other, output=output, tz="Asia/Tokyo")
        assert type(here) is type(there)
        if output == "pandas":
            assert here.index.equals(there.index)
            assert here.equals(there)
        elif output == "arrow":
            assert here.column("ts").equals(there.column("ts"))


def test_a_frame_is_joined_with_just_what_it_needs(db: fs.Client) -> None:
    signals = pl.DataFrame({"ts": [datetime(2024, 1, 1, 12, 4, 30)], "name": ["buy"]})  # naive: UTC
    for right in (BARS, fs.Rows("candles", "x:A/*", "1m", columns="close")):
        if not right.is_single:
            signals = signals.with_columns(exchange=pl.lit("x"), symbol=pl.lit("A/USD"))
        joined = db.asof(signals, right)
        assert joined.columns == [*signals.columns, "close"]
        assert joined["close"].to_list() == [4.0]
    assert db.asof(signals, fs.Rows("candles", A, "1m", label="close"))["close"].to_list() == [3.0]
    assert db.asof(signals.clear(), BARS).schema == db.asof(signals, BARS).schema
    assert db.asof(signals, BARS, "2024-02").height == 0


def test_a_frame_keeps_its_order_when_one_series_goes_with_all(db: fs.Client) -> None:
    frame = pl.DataFrame(
        {
            "ts": pl.Series([TIMES[3], TIMES[8], TIMES[1], TIMES[9]]).cast(
                pl.Datetime("ns", "UTC")
            ),
            "exchange": ["x"] * 4,
            "symbol": ["P", "P", "Q", "Q"],
        }
    )
    assert db.asof(frame, BARS)["close"].to_list() == [3.0, 8.0, 1.0, 9.0]


@pytest.mark.parametrize(
    ("frame", "complaint"),
    [
        (pl.DataFrame({"time": [1]}), "no column 'ts'"),
        (pl.DataFrame({"ts": [1]}), "has type Int64"),
        (pl.DataFrame({"ts": ["2024"]}), "has type String"),
        (pl.DataFrame({"ts": [None, datetime(2024, 1, 1)]}), "holds nulls"),
        (pl.DataFrame({"ts": [datetime(2024, 1, 2), datetime(2024, 1, 1)]}), "not sorted"),
        (pl.LazyFrame({"ts": [1]}), "collect"),
        ([1, 2], "not a list"),
    ],
    ids=["without", "numbers", "text", "null", "unsorted", "lazy", "list"],
)
def test_frames_that_cannot_be_joined_are_refused(
    db: fs.Client, frame: object, complaint: str
) -> None:
    for left, right in ((frame, BARS), (BARS, frame)):
        with pytest.raises(fs.BadRequest, match=complaint):
            db.asof(left, right)


def test_several_instruments_are_not_joined_with_a_frame_that_names_none(db: fs.Client) -> None:
    db.write(B, candles(TIMES, 5.0), timeframe="1m")
    signals = pl.DataFrame({"ts": [datetime(2024, 1, 1, 12, 4, 30, tzinfo=UTC)]})
    for right in (fs.Rows("candles", "x:*", "1m"), db.candles("x:*", "1m")):
        with pytest.raises(fs.BadRequest, match="'exchange' and 'symbol'"):
            db.asof(signals, right)


def test_sparse_rows_are_joined_with_dense_ones_in_many_batches(serving: Serving) -> None:
    """More trades between two bars than a batch holds, some of them at one time."""
    rng = np.random.default_rng(generator("dense").randrange(2**32))
    count = 200_000
    ts = np.sort(rng.integers(0, 3 * DAY, count)) // 10**9 * 10**9 + NOON_2024
    rows = pa.table(
        [
            pa.array(ts, TRADES.field("ts").type),
            pa.array(np.arange(count)).cast(pa.utf8()),
            pa.array(np.arange(count, dtype=np.float64) + 1),
            pa.array(np.ones(count)),
            pa.array(np.zeros(count, np.int8)),
        ],
        schema=TRADES,
    )
    serving.db.write(A, rows, dataset="trades")
    days = [NOON_2024 - DAY // 2 + day * DAY for day in range(5)]
    serving.db.write(A, candles(days, 1.0), timeframe="1d")
    for stage in (lambda: None, serving.tidy):
        stage()
        joined = serving.db.asof(fs.Rows("candles", A, "1d"), fs.Rows("trades", A, columns="price"))
        at = ts.searchsorted(days, "right")
        assert joined["price"].to_list() == [float(n) if n else None for n in at.tolist()]


def test_a_damaged_right_side_does_not_hide_the_others(filled: Serving) -> None:
    filled.db.write(B, candles(TIMES, 5.0), timeframe="1m")
    filled.db.write(B, trades([(TIMES[4], "1", 1.0)]), dataset="trades")
    filled.tidy()
    [file] = (filled.root / "segments").glob("dataset=candles/*/*A%2FUSD*/*/*.arrow")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    db = filled.restart()
    with pytest.warns(fs.PartialReadWarning, match="damaged"):
        joined = db.asof(fs.Rows("trades", "x:*"), fs.Rows("candles", "x:*", "1m"))
    assert joined.filter(pl.col("symbol") == "B/USD")["close"].to_list() == [5.0]
    with pytest.raises(fs.Corrupt, match="offset"):
        db.asof(TRADES_OF_A, BARS)


@pytest.mark.data
def test_recorded_trades_get_the_bars_that_polars_gives_them(
    serving: Serving, market_data: Path
) -> None:
    raw = freqtrade(market_data, "XRP_ETH-trades.feather")
    rows = raw.rename_columns({"timestamp": "ts"}).drop_columns(["type", "cost"])
    name, db = "binance:XRP/ETH", serving.db
    db.write(name, rows, dataset="trades")
    bars = freqtrade(market_data, "XRP_ETH-1m.feather")
    db.write(name, bars.rename_columns(CANDLES.names), timeframe="1m")
    left, right = db.trades(name), db.candles(name, "1m")
    expected = left.join_asof(right, on="ts", strategy="backward")
    made = fs.Rows("trades", name), fs.Rows("candles", name, "1m")
    assert db.asof(*made).equals(expected)
    assert db.asof(left, right).equals(expected)
    close = fs.Rows("candles", name, "1m", label="close")
    late = right.with_columns(pl.col("ts").dt.offset_by("1m"))
    assert db.asof(made[0], close, tolerance="5m").equals(
        left.join_asof(late, on="ts", strategy="backward", tolerance="5m")
    )


@pytest.mark.data
def test_recorded_minutes_of_several_markets_are_joined_as_polars_joins_them(
    serving: Serving, market_data: Path
) -> None:
    coins = {
        f"bitfinex:{coin}/USD": bitfinex_bars(
            market_data, f"bitfinex/{coin}USD_1m_2019Q4.csv.xz"
        ).slice(0, 30_000)
        for coin in ("ETH", "LTC", "XRP")
    }
    serving.db.write_many(coins, timeframe="1m")
    ltc = serving.db.candles("bitfinex:LTC/USD", "1m")
    joined = serving.db.asof(
        fs.Rows("candles", "bitfinex:*", "1m", columns="close"),
        fs.Rows("candles", "bitfinex:LTC/USD", "1m", columns="close"),
        tolerance="30s",
        suffix="_ltc",
    )
    for name in coins:
        symbol = name.partition(":")[2]
        expected = serving.db.candles(name, "1m", columns="close").join_asof(
            ltc.select("ts", "close"), on="ts", tolerance="30s", suffix="_ltc"
        )
        found = joined.filter(pl.col("symbol") == symbol).drop("exchange", "symbol")
        assert_frame_equal(found, expected)
