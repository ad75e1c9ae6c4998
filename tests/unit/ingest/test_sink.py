"""Pages reach the store, or whoever fetched them learns that they did not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pyarrow as pa
import pytest
from tests.support.server_process import ServerProcess
from tests.support.serving import Serving
from tests.unit.ingest.scripted import BARS, MINUTE, NOON, bars

import flightstore as fs
from flightstore_ingest.errors import Refused
from flightstore_ingest.sink import Sink, StoreDown
from flightstore_ingest.source import Page, Series
from flightstore_proto.schemas import TRADES

END = NOON + 10 * MINUTE
ETH = Series("candles", "test:ETH/USDT", "1m")
TICKS = Series("trades", "test:BTC/USDT")
PAGE = Page(bars(NOON, END), (NOON, END))
SECONDS = 30.0


def sinking(db: fs.Client, work: Callable[[Sink], Awaitable[None]], **options: int) -> None:
    async def run() -> None:
        async with Sink(db, **options) as sink:
            await asyncio.wait_for(work(sink), SECONDS)

    asyncio.run(run())


def test_a_page_is_durable_with_its_coverage_when_its_future_is_done(store: Serving) -> None:
    async def work(sink: Sink) -> None:
        await (await sink.put(BARS, PAGE, {"source": "test"}))
        assert store.db.candles(BARS.instrument, "1m").height == 10
        assert store.db.coverage(BARS.instrument, "1m").height == 1
        assert '"source": "test"' in store.db.series(BARS.instrument)["metadata"][0]

    sinking(store.db, work)


def test_pages_that_wait_together_travel_together(store: Serving) -> None:
    before = store.db.status().last_lsn

    async def work(sink: Sink) -> None:
        futures = [await sink.put(series, PAGE) for series in (BARS, ETH) for _ in range(20)]
        await asyncio.gather(*futures)

    sinking(store.db, work)
    assert store.db.status().last_lsn - before == 1


def test_series_of_different_datasets_go_side_by_side(store: Serving) -> None:
    trade = {"ts": NOON, "id": "1", "price": 1.0, "amount": 1.0, "side": 1}
    ticks = Page(pa.Table.from_pylist([trade], TRADES))

    async def work(sink: Sink) -> None:
        await asyncio.gather(await sink.put(BARS, PAGE), sink.put_live(TICKS, ticks))

    sinking(store.db, work)
    assert store.db.series()["dataset"].to_list() == ["candles", "trades"]


def test_what_the_store_refuses_stops_no_other_series(store: Serving) -> None:
    wrong = Page(PAGE.rows.slice(0, 1), (END, NOON))  # runs backwards

    async def work(sink: Sink) -> None:
        bad, good = await sink.put(ETH, wrong), await sink.put(BARS, PAGE)
        await good
        with pytest.raises(Refused, match="test:ETH/USDT 1m: the store refuses its rows"):
            await bad

    sinking(store.db, work)
    assert store.db.candles(BARS.instrument, "1m").height == 10


def test_history_is_given_back_while_the_store_is_away_and_live_rows_are_kept(
    store: Serving,
) -> None:
    store.service.shutdown()
    live: list[asyncio.Future[None]] = []

    async def work(sink: Sink) -> None:
        live.append(sink.put_live(BARS, PAGE))
        with pytest.raises(StoreDown):
            await (await sink.put(ETH, PAGE))
        assert not live[0].done()
        assert sink.trouble

    sinking(store.db, work)
    with pytest.raises(StoreDown):  # the sink has ended, and nobody may think they were written
        live[0].result()


def test_live_rows_are_written_when_the_store_is_back(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", same_port=True)
    server.start()
    try:
        with fs.connect(server.uri) as db:

            async def work(sink: Sink) -> None:
                server.kill()
                kept = sink.put_live(BARS, PAGE)
                with pytest.raises(StoreDown):
                    await (await sink.put(ETH, PAGE))
                await asyncio.to_thread(server.start)
                await kept
                await sink.up()

            sinking(db, work)
            assert db.candles(BARS.instrument, "1m").height == 10
    finally:
        server.kill()


def test_live_rows_beyond_the_bound_are_given_back(store: Serving) -> None:
    store.service.shutdown()

    async def work(sink: Sink) -> None:
        with pytest.raises(StoreDown):
            await (await sink.put(BARS, PAGE))
        first, second = sink.put_live(BARS, PAGE), sink.put_live(BARS, PAGE)
        assert not first.done()
        with pytest.raises(StoreDown):
            await second

    sinking(store.db, work, waiting_rows_max=15)
