"""Recorded replies of Kraken's REST, served word for word, on their way into a store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.support.recorded_wire import Player, answers, reply
from tests.support.serving import Serving

from flightstore_ingest.config import checked
from flightstore_ingest.pace import Pace
from flightstore_ingest.service import Feed
from flightstore_ingest.sink import Sink
from flightstore_proto.timerange import to_ns

pytestmark = pytest.mark.data

BTC = "kraken:BTC/USDT"
SECONDS = 20.0  # real ones, after which a test has failed
SECOND_NS = 1_000_000_000
NOW = 1_762_820_250  # s, within the last recorded bar
FIRST_BAR, OPEN_BAR = 1_762_777_020, 1_762_820_220
# Where the recorded trades begin, and the cursor that their reply ends with.
FIRST_TRADE, CURSOR = 1_762_795_433, "1762820035982277754"
NO_MORE = json.dumps({"error": [], "result": {"XBTUSDT": [], "last": CURSOR}})


def rows(text: str) -> list[list[Any]]:
    """The rows of a reply; numbers with a point as they are written."""
    found: list[list[Any]] = json.loads(text, parse_float=str)["result"]["XBTUSDT"]
    return found


def player(folder: Path, said: Mapping[str, str]) -> Player:
    """Kraken's recorded markets, a clock that stands at NOW when it is asked, and `said`."""
    rest = answers(folder, "KRAKEN.0.xz") | {
        "/0/public/Assets": '{"error":[],"result":{}}',
        "/0/public/Time": json.dumps({"error": [], "result": {"unixtime": NOW}}),
    }
    return Player(rest | said)


def backfill(store: Serving, said: Player, keep: Mapping[str, Any], until: int) -> None:
    async def work() -> None:
        async with said.serve() as url, Sink(store.db) as sink:
            section = {"url": url, "config": {"enableRateLimit": False}, "keep": [keep]}
            made = checked({"exchange": {"kraken": section}}, "the test").exchange["kraken"]
            feed = Feed("kraken", made, store.db, sink, Pace(), attempts=1)
            try:
                await feed.open()
                await feed.backfill(until)
            finally:
                await feed.close()
            assert not feed.refused

    asyncio.run(asyncio.wait_for(work(), SECONDS))


@pytest.fixture(scope="module")
def candles(tmp_path_factory: pytest.TempPathFactory, market_data: Path) -> pl.DataFrame:
    """What is stored of the recorded 721 bars."""
    said = player(market_data, {"/0/public/OHLC": reply(market_data, "http_ohlc.json.xz")})
    keep = {"symbols": ["BTC/USDT"], "candles": ["1m"], "since": "2025-11-10T12:17:00Z"}
    store = Serving(tmp_path_factory.mktemp("candles"))
    backfill(store, said, keep, NOW * SECOND_NS)
    found: Any = store.db.candles(BTC, "1m")
    covered: Any = store.db.coverage(BTC, "1m")
    assert covered.height == 1
    assert covered["start"].dt.epoch("s").item() == FIRST_BAR
    assert covered["end"].dt.epoch("s").item() == OPEN_BAR
    store.close()
    assert isinstance(found, pl.DataFrame)
    return found


def test_all_closed_bars_are_stored_as_they_were_sent(
    market_data: Path, candles: pl.DataFrame
) -> None:
    *closed, still_open = rows(reply(market_data, "http_ohlc.json.xz"))
    assert (len(closed), still_open[0]) == (720, OPEN_BAR)
    said = [
        (seconds, *map(float, (opened, high, low, close, volume)))
        for seconds, opened, high, low, close, _, volume, _ in closed
    ]
    assert candles.with_columns(pl.col("ts").dt.epoch("s")).rows() == said


def test_bars_without_trades_are_kept_and_the_open_one_is_not(
    market_data: Path, candles: pl.DataFrame
) -> None:
    """216 of the 721 recorded bars have no volume; one of them is the last, which was open."""
    recorded = rows(reply(market_data, "http_ohlc.json.xz"))
    assert sum(float(row[6]) == 0 for row in recorded) == 216
    quiet = candles.filter(pl.col("volume") == 0)
    assert quiet.height == 215
    assert quiet.select((pl.col("high") == pl.col("low")).all()).item()
    assert candles["ts"].dt.epoch("s").max() == OPEN_BAR - 60


@pytest.fixture(scope="module")
def trades(
    tmp_path_factory: pytest.TempPathFactory, market_data: Path
) -> tuple[pl.DataFrame, list[str]]:
    """What is stored of the recorded thousand trades, and what was asked for."""
    said = player(
        market_data,
        {
            "/0/public/Trades": reply(market_data, "http_trades.json.xz"),
            f"/0/public/Trades?pair=XBTUSDT&since={CURSOR}&count=1000": NO_MORE,
        },
    )
    keep = {"symbols": ["BTC/USDT"], "trades": True, "since": "2025-11-10T17:23:53Z"}
    store = Serving(tmp_path_factory.mktemp("trades"))
    backfill(store, said, keep, NOW * SECOND_NS)
    found: Any = store.db.trades(BTC)
    covered: Any = store.db.coverage(BTC, dataset="trades")
    assert covered.height == 1
    assert covered["start"].dt.epoch("s").item() == FIRST_TRADE
    assert covered["end"].dt.epoch("s").item() >= NOW - 60
    store.close()
    assert isinstance(found, pl.DataFrame)
    return found, [path for path in said.asked if path.startswith("/0/public/Trades")]


def test_trades_are_stored_to_the_microsecond(
    market_data: Path, trades: tuple[pl.DataFrame, list[str]]
) -> None:
    """REST writes seven digits of a second, the last of which is a float's and no trade's; the
    websocket writes six. What both share is stored: the text cut after six digits, not rounded.
    """
    recorded = rows(reply(market_data, "http_trades.json.xz"))
    assert len(recorded) == 1000
    said = []
    for price, amount, seconds, side, _, _, number in recorded:
        whole, _, fraction = seconds.partition(".")
        ns = int(whole) * SECOND_NS + int(fraction[:6].ljust(9, "0"))
        said.append((ns, str(number), float(price), float(amount), 1 if side == "b" else -1))
    stored = trades[0].with_columns(pl.col("ts").dt.epoch("ns")).rows()
    assert stored == said
    assert sum(ns % 1_000_000 != 0 for ns, *_ in stored) == 999  # ccxt's own times are ms


def test_the_next_page_is_asked_for_by_the_cursor_as_it_was_sent(
    market_data: Path, trades: tuple[pl.DataFrame, list[str]]
) -> None:
    _, asked = trades
    start = to_ns("2025-11-10T17:23:53Z")
    # Nanoseconds, exclusive: one before the start includes a trade at the start itself.
    first, rest = f"since={start - 1}&", f"since={CURSOR}&"
    # What is empty is asked for a second time before it is believed.
    assert [first in asked[0], *(rest in path for path in asked[1:])] == [True, True, True]
