"""Recorded trades make the bars that the exchange itself made of them.

Two and a half days of XRP/ETH: 12,477 trades, and 2,469 bars of a minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from itertools import pairwise
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from tests.support.ingesting import DAY, MINUTE, Ingesting
from tests.support.recorded import freqtrade, same_bits

from flightstore_ingest.ccxt_source.bars import whole_bars
from flightstore_ingest.simulate import Clock, Market
from flightstore_ingest.simulate.recorded import trades_of_feather
from flightstore_ingest.source import Page
from flightstore_proto.schemas import CANDLES, TRADES
from flightstore_proto.timeframe import parse
from flightstore_proto.timerange import to_ns

pytestmark = pytest.mark.data

TRADES_FILE, BARS_FILE = "XRP_ETH-trades.feather", "XRP_ETH-1m.feather"
TRADE_COUNT, BAR_COUNT = 12_477, 2_469
XRP = Market("XRP/ETH", price_step=1e-8, amount_step=1e-8)
START = to_ns("2019-10-11")
END = to_ns("2019-10-13T11:20")  # of the last bar
PAGE = 1_000


@pytest.fixture(scope="module")
def bars(market_data: Path) -> pa.Table:
    recorded = freqtrade(market_data, BARS_FILE)
    assert recorded.num_rows == BAR_COUNT
    return recorded.rename_columns(CANDLES.names).cast(CANDLES)


@pytest.fixture(scope="module")
def trades(market_data: Path) -> pa.Table:
    """The recorded trades by time and id."""
    rows = pl.from_arrow(freqtrade(market_data, TRADES_FILE))
    assert isinstance(rows, pl.DataFrame)
    side = pl.col("side").replace_strict({"buy": 1, "sell": -1}, return_dtype=pl.Int8)
    ts = (pl.col("timestamp") * 1_000_000).cast(pl.Datetime("ns", "UTC")).alias("ts")
    rows = rows.sort("timestamp", pl.col("id").cast(pl.Int64))
    table = rows.select(ts, pl.col("id"), pl.col("price"), pl.col("amount"), side).to_arrow()
    assert table.num_rows == TRADE_COUNT
    return table.cast(TRADES)


def made_of(trades: pa.Table, size: int) -> pa.Table:
    """Bars made of pages of `size` trades; a page is complete up to its last trade's time."""

    async def pages() -> AsyncGenerator[Page, None]:
        low = START
        for first in range(0, trades.num_rows, size):
            page = trades.slice(first, size)
            last = first + size >= trades.num_rows
            high = END if last else page.column("ts")[-1].value
            yield Page(page, (low, high))
            low = high

    async def work() -> list[Page]:
        return [page async for page in whole_bars(pages(), parse("1m"), START, END)]

    made = asyncio.run(work())
    covers = [page.covers for page in made if page.covers is not None]
    assert covers[0][0] == START
    assert covers[-1][1] == END
    assert all(one[1] == other[0] for one, other in pairwise(covers))
    return pa.concat_tables([page.rows for page in made])


@pytest.mark.parametrize("size", [PAGE, 7, TRADE_COUNT])
def test_recorded_trades_make_the_exchanges_own_bars(
    trades: pa.Table, bars: pa.Table, size: int
) -> None:
    assert same_bits(made_of(trades, size), bars)


def test_candles_that_an_exchange_no_longer_has_are_made_from_its_trades(
    tmp_path: Path, market_data: Path, bars: pa.Table
) -> None:
    """Kraken has the newest 720 bars and no others; these are days old."""
    tape = trades_of_feather(market_data / "freqtrade" / TRADES_FILE, XRP)
    clock = Clock(END + 2 * DAY)
    with Ingesting(tmp_path, "kraken", tape, clock=clock, since=START) as it:
        it.backfill(END)
        stored = it.store.db.candles(it.instrument(), "1m", output="arrow")
        assert same_bits(stored, bars)
        assert it.covered() == [(START, END)]
        asked = it.exchange.log.matching("/Trades")
    # A page never ends within an instant, so a few are longer; the last answer, asked for twice
    # before it is believed, is empty.
    assert len(asked) == TRADE_COUNT // PAGE + 1 + 2
    assert len({request.query["since"] for request in asked}) == len(asked) - 1
    quiet = (END - START) // MINUTE - BAR_COUNT
    assert quiet == 1091
