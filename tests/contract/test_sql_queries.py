"""The queries of docs/sql.md: each is run on recorded data and compared with polars."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.support.recorded import binance_trades, bitfinex_bars
from tests.support.serving import Serving

import flightstore as fs

pytestmark = pytest.mark.data
DOCUMENT = Path(__file__).parents[2] / "docs" / "sql.md"
QUERIES = dict(re.findall(r"^### (.+?)\n\n```sql\n(.+?)```", DOCUMENT.read_text(), re.M | re.S))
SYMBOLS = ("ETH", "LTC", "XRP")
MINUTES_OF_A_YEAR = 525_600


class Recorded:
    """What is stored, as polars has it."""

    def __init__(self, folder: Path) -> None:
        self.trades_table = binance_trades(folder)
        self.bar_tables = {
            f"{name}/USD": bitfinex_bars(folder, f"bitfinex/{name}USD_1m_2019Q4.csv.xz")
            for name in SYMBOLS
        }
        self.trades = _frame(pl.DataFrame(self.trades_table)).with_columns(
            number=pl.col("id").cast(pl.Int64)
        )
        self.bars = pl.concat(
            _frame(pl.DataFrame(table)).select(pl.lit(symbol).alias("symbol"), pl.all())
            for symbol, table in self.bar_tables.items()
        )

    def of(self, symbol: str, start: datetime, end: datetime) -> pl.DataFrame:
        return self.between(start, end).filter(symbol=symbol)

    def between(self, start: datetime, end: datetime) -> pl.DataFrame:
        return self.bars.filter(pl.col("ts").is_between(start, end, closed="left"))


def _frame(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.sort("ts", maintain_order=True)


def day(month: int, number: int) -> datetime:
    return datetime(2019, month, number, tzinfo=UTC)


@pytest.fixture(scope="module")
def recorded(market_data: Path) -> Recorded:
    return Recorded(market_data)


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory, recorded: Recorded) -> Iterator[fs.Client]:
    """A server that holds minutes of three symbols, trades, and 10 s bars made of the trades."""
    served = Serving(tmp_path_factory.mktemp("sql") / "data")
    for symbol, table in recorded.bar_tables.items():
        served.db.write(f"bitfinex:{symbol}", table, timeframe="1m")
    served.db.write("binance:BTC/USDT", recorded.trades_table, dataset="trades")
    served.db.rules.add(on="trades/binance:*", to=["10s"])
    yield served.db
    served.close()


def bars_from_trades(recorded: Recorded) -> pl.DataFrame:
    trades = recorded.trades.sort("number")
    return trades.group_by(bar=pl.col("ts").dt.truncate("10s"), maintain_order=True).agg(
        open=pl.col("price").first(),
        high=pl.col("price").max(),
        low=pl.col("price").min(),
        close=pl.col("price").last(),
        volume=pl.col("amount").sum(),
    )


def vwap(recorded: Recorded) -> pl.DataFrame:
    amount, price = pl.col("amount"), pl.col("price")
    return recorded.trades.group_by(minute=pl.col("ts").dt.truncate("1m"), maintain_order=True).agg(
        vwap=(price * amount).sum() / amount.sum(),
        bought=amount.filter(pl.col("side") == 1).sum() / amount.sum(),
    )


def volatility(recorded: Recorded) -> pl.DataFrame:
    bars = recorded.of("ETH/USD", day(10, 1), day(10, 8))
    returns = bars.select("ts", r=(pl.col("close") / pl.col("close").shift(1)).log())
    rolling = pl.col("r").rolling_std(60, min_samples=2)
    return returns.with_columns(volatility=rolling * MINUTES_OF_A_YEAR**0.5)


def last_closed_bars(recorded: Recorded) -> pl.DataFrame:
    closes = bars_from_trades(recorded).select(
        known=pl.col("bar").dt.offset_by("10s"), before="close"
    )
    joined = recorded.trades.sort("number").join_asof(closes, left_on="ts", right_on="known")
    return joined.drop_nulls("before").select(
        "ts", "price", "before", move=pl.col("price") / pl.col("before") - 1
    )


def filled_gaps(recorded: Recorded) -> pl.DataFrame:
    bars = recorded.of("XRP/USD", day(10, 5), day(10, 6))
    grid = pl.datetime_range(
        day(10, 5), day(10, 6), "1m", closed="left", eager=True, time_unit="ns"
    )
    joined = pl.DataFrame({"ts": grid}).join(bars, on="ts", how="left", maintain_order="left")
    assert joined["close"].null_count(), "a day without a gap proves nothing"
    return joined.select("ts", pl.col("close").forward_fill(), pl.col("volume").fill_null(0.0))


def ranking(recorded: Recorded) -> pl.DataFrame:
    traded = (
        recorded.between(day(10, 1), day(11, 1))
        .group_by(day=pl.col("ts").dt.truncate("1d"), symbol="symbol")
        .agg(traded=(pl.col("close") * pl.col("volume")).sum())
    )
    place = pl.col("traded").rank("min", descending=True).over("day").cast(pl.Int64)
    return traded.with_columns(place=place).filter(pl.col("place") <= 2).sort("day", "place")


def correlation(recorded: Recorded) -> pl.DataFrame:
    hourly = (
        recorded.between(day(11, 1), day(12, 1))
        .group_by("symbol", hour=pl.col("ts").dt.truncate("1h"), maintain_order=True)
        .agg(pl.col("close").last())
    )
    returns = hourly.select(
        "symbol", "hour", r=pl.col("close").pct_change().over("symbol", order_by="hour")
    )
    both = returns.filter(symbol="ETH/USD").join(returns.filter(symbol="LTC/USD"), on="hour")
    return both.select(correlation=pl.corr("r", "r_right"), hours=pl.len().cast(pl.Int64))


def longer_bars(recorded: Recorded) -> pl.DataFrame:
    return (
        recorded.between(day(12, 24), day(12, 25))
        .group_by("symbol", bar=pl.col("ts").dt.truncate("15m"), maintain_order=True)
        .agg(
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
        )
    )


def session_volume(recorded: Recorded) -> pl.DataFrame:
    local = pl.col("ts").dt.convert_time_zone("America/New_York")
    minute = local.dt.hour().cast(pl.Int32) * 60 + local.dt.minute()
    return (
        recorded.of("ETH/USD", day(10, 28), day(11, 11))
        .filter(minute.is_between(9 * 60 + 30, 15 * 60 + 59))
        .group_by(day=local.dt.date(), maintain_order=True)
        .agg(pl.col("volume").sum(), minutes=pl.len().cast(pl.Int64))
    )


def drawdown(recorded: Recorded) -> pl.DataFrame:
    return (
        recorded.between(day(10, 1), day(11, 1))
        .group_by("symbol", maintain_order=True)
        .agg(drawdown=(pl.col("close") / pl.col("close").cum_max() - 1).min())
    )


def quantiles(recorded: Recorded) -> pl.DataFrame:
    span = pl.col("high") / pl.col("low") - 1
    return (
        recorded.bars.filter(pl.col("ts") < day(11, 1))
        .group_by("symbol", maintain_order=True)
        .agg(
            median=span.quantile(0.5, interpolation="linear"),
            rare=span.quantile(0.99, interpolation="linear"),
        )
    )


EXPECTED: dict[str, Callable[[Recorded], pl.DataFrame]] = {
    "Bars from trades": bars_from_trades,
    "Volume-weighted average price": vwap,
    "Returns and rolling volatility": volatility,
    "Each trade with the last closed bar": last_closed_bars,
    "Filling gaps": filled_gaps,
    "Ranking by volume": ranking,
    "Correlation of two symbols": correlation,
    "Longer bars": longer_bars,
    "Volume of a session, in its own time zone": session_volume,
    "Drawdown": drawdown,
    "Quantiles": quantiles,
}


def test_every_documented_query_is_run() -> None:
    assert list(QUERIES) == list(EXPECTED)
    assert len(QUERIES) >= 10


@pytest.mark.parametrize("title", EXPECTED)
def test_the_documented_answer_is_that_of_polars(
    db: fs.Client, recorded: Recorded, title: str
) -> None:
    found, expected = db.sql(QUERIES[title]), EXPECTED[title](recorded)
    assert found.height
    assert_frame_equal(found, expected, rel_tol=1e-9, abs_tol=1e-12)


def test_what_a_documented_query_needs_is_pruned(db: fs.Client) -> None:
    plan = db.sql(QUERIES["Longer bars"], explain=True)
    rows = [int(count.replace(",", "")) for count in re.findall(r"~([\d,]+) rows?", plan)]
    assert max(rows) <= len(SYMBOLS) * 24 * 60, "one day of each symbol, and no more"


def test_dates_of_the_session_are_days_there(db: fs.Client) -> None:
    found = db.sql(QUERIES["Volume of a session, in its own time zone"])
    assert found["day"].min() == date(2019, 10, 28)
