"""db.sql: what comes back, as of which moment, and what is said of mistakes."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from tests.support.rows import MINUTE, NOON_2024, candles
from tests.support.serving import Serving

import flightstore as fs

ETH, BTC = "binance:ETH/USDT", "binance:BTC/USDT"
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def db(serving: Serving) -> fs.Client:
    times = range(NOON_2024, NOON_2024 + 10 * MINUTE, MINUTE)
    for name in (BTC, ETH):
        serving.db.write(name, pl.DataFrame(candles(times, 2.0)), timeframe="1m")
    return serving.db


def test_frames_are_of_the_kind_asked_for(db: fs.Client) -> None:
    query = "select ts, symbol, close from candles order by symbol, ts limit 2"
    found = db.sql(query)
    assert isinstance(found, pl.DataFrame)
    assert found.schema["ts"] == pl.Datetime("ns", "UTC")
    table = db.sql(query, output="arrow")
    assert isinstance(table, pa.Table)
    assert table.schema.field("ts").type == pa.timestamp("ns", "UTC")
    pandas = db.sql(query, output="pandas")
    assert pandas.index[0] == pd.Timestamp(NOON)
    with pytest.raises(fs.BadRequest, match="'polars'"):
        db.sql(query, output="polers")


def test_parameters_come_as_a_list_or_by_name(db: fs.Client) -> None:
    query = "select count(*) from candles where symbol = {} and ts >= {}"
    since = datetime(2024, 1, 1, 12, 7, tzinfo=UTC)
    assert db.sql(query.format("?", "?"), ["ETH/USDT", since]).item() == 3
    assert db.sql(query.format("$s", "$t"), {"t": since, "s": "ETH/USDT"}).item() == 3
    with pytest.raises(fs.BadRequest, match="has 1 parameters, and 0 came"):
        db.sql("select ?")
    with pytest.raises(fs.BadRequest, match="a list of values, or a mapping"):
        db.sql("select ?", "x")
    with pytest.raises(fs.BadRequest, match="The parameter '1' is"):
        db.sql("select ?", [object()])


def test_a_plan_is_text(db: fs.Client) -> None:
    plan = db.sql("select max(close) from candles where symbol = 'ETH/USDT'", explain=True)
    assert isinstance(plan, str)
    assert "10 rows" in plan


def test_a_snapshot_is_what_was(db: fs.Client) -> None:
    db.snapshot("then")
    db.write(BTC, pl.DataFrame(candles([NOON_2024], 50.0)), timeframe="1m")
    query = "select max(close) from candles"
    assert (db.sql(query).item(), db.sql(query, snapshot="then").item()) == (50.0, 2.0)
    with pytest.raises(fs.UnknownSnapshot, match="Did you mean then"):
        db.sql(query, snapshot="them")


def test_mistakes_are_told_with_near_names(db: fs.Client) -> None:
    with pytest.raises(fs.UnknownDataset, match="Did you mean candles") as table:
        db.sql("select * from candels")
    assert table.value.suggestions[0] == "candles"
    with pytest.raises(fs.UnknownColumn, match=r"Did you mean volume\?"):
        db.sql("select volum from candles")
    with pytest.raises(fs.BadRequest) as wrong:
        db.sql("select close + ts from candles")
    assert "\n" not in wrong.value.message
    assert len(wrong.value.message) < 300


def test_the_bars_of_a_rule_are_up_to_date(db: fs.Client) -> None:
    db.rules.add(on="candles/*/1m", to=["5m"])
    db.write(BTC, pl.DataFrame(candles([NOON_2024 + MINUTE], 77.0)), timeframe="1m")
    query = "select max(high) from candles where timeframe = '5m' and symbol = 'BTC/USDT'"
    assert db.sql(query).item() == 78.0


def test_a_query_sees_all_of_a_write_or_nothing(db: fs.Client) -> None:
    query = "select exchange, symbol, max(close) as close from candles group by all"
    done = threading.Event()

    def write() -> None:
        try:
            for close in range(3, 40):
                rows = pl.DataFrame(candles([NOON_2024], float(close)))
                db.write_many({BTC: rows, ETH: rows}, timeframe="1m")
        finally:
            done.set()

    thread = threading.Thread(target=write)
    thread.start()
    seen = []
    while not done.is_set():
        one, other = db.sql(query)["close"]
        seen.append(one)
        assert one == other
    thread.join()
    assert seen == sorted(seen)


def test_large_answers_come_in_full_and_in_order(db: fs.Client) -> None:
    found = db.sql("select i, i * 1.5 as x, 'text ' || i as t from range(1000000) r(i)")
    assert found.height == 1_000_000
    assert found["i"].is_sorted()
    assert found["t"][-1] == "text 999999"


def test_an_event_loop_can_ask_too(serving: Serving, db: fs.Client) -> None:
    async def main() -> int:
        async with fs.aio.connect(serving.uri) as asynchronous:
            found = await asynchronous.sql("select count(*) from candles")
            return int(found.item())

    assert asyncio.run(main()) == 20


def test_no_answer_is_an_empty_frame(db: fs.Client) -> None:
    found = db.sql("select ts, close from candles where symbol = 'none'")
    assert (found.height, found.columns) == (0, ["ts", "close"])
