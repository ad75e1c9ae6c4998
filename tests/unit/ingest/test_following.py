"""Live rows are early; history behind them makes them complete."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from time import monotonic
from typing import Any

import pyarrow as pa
import pytest
from tests.support.serving import Serving
from tests.unit.ingest.scripted import BARS, MINUTE, NOON, ScriptedSource, bars

from flightstore_ingest.errors import Ended, Unreachable
from flightstore_ingest.following import Follower
from flightstore_ingest.keeper import Keeper
from flightstore_ingest.pace import Pace
from flightstore_ingest.sink import Sink
from flightstore_ingest.source import Page, Series
from flightstore_proto.schemas import CANDLES

BOUNDARY = NOON + 50 * MINUTE
NOTHING = Page(CANDLES.empty_table())
SECONDS = 20.0


class LiveSource(ScriptedSource):
    """Live pages are what a test puts into `stream`; an exception there is raised by `live`."""

    def __init__(self) -> None:
        super().__init__()
        self.stream: asyncio.Queue[Page | Exception] = asyncio.Queue()
        self.starts = 0

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        # The pause between two comparisons is for ever here; every other one is short.
        await asyncio.sleep(SECONDS if seconds == Pace().confirm else 0.001)

    async def live(self, series: Series) -> AsyncGenerator[Page, None]:
        self.starts += 1
        while True:
            item = await self.stream.get()
            if isinstance(item, Exception):
                raise item
            yield item


Work = Callable[[LiveSource, Keeper], Coroutine[Any, Any, None]]


async def with_keeper(store: Serving, source: LiveSource, work: Work) -> None:
    async with Sink(store.db) as sink:
        keeper = Keeper(
            BARS,
            source,
            sink,
            store.db,
            since=BOUNDARY,
            metadata={},
            pace=Pace(),
        )
        await asyncio.wait_for(work(source, keeper), SECONDS)


def following(store: Serving, work: Work) -> None:
    """Run `work` while a follower runs."""

    async def beside(source: LiveSource, keeper: Keeper) -> None:
        follower = asyncio.ensure_future(Follower(keeper, BOUNDARY, asyncio.Semaphore(1)).run())
        await work(source, keeper)
        follower.cancel()
        await asyncio.wait({follower})

    asyncio.run(with_keeper(store, LiveSource(), beside))


async def until(condition: Callable[[], bool]) -> None:
    deadline = monotonic() + SECONDS
    while not condition():
        assert monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.002)


def stored(store: Serving) -> list[int]:
    if not store.db.series().height:
        return []
    table = store.db.candles(BARS.instrument, "1m", output="arrow")
    ts: list[int] = table.column("ts").cast(pa.int64()).to_pylist()
    return ts


def test_at_the_start_what_is_missing_is_fetched(store: Serving) -> None:
    async def work(source: LiveSource, keeper: Keeper) -> None:
        await until(lambda: keeper.progress.repairs == 1)
        assert source.asked == [(BOUNDARY, keeper.edge())]

    following(store, work)


def test_live_rows_are_stored_and_claim_nothing(store: Serving) -> None:
    async def work(source: LiveSource, keeper: Keeper) -> None:
        await until(lambda: keeper.progress.repairs == 1)
        edge = keeper.edge()
        source.stream.put_nowait(Page(bars(edge, edge + MINUTE)))
        await until(lambda: edge in stored(store))
        covered = store.db.coverage(BARS.instrument, "1m", output="arrow")
        assert covered.column("end").cast(pa.int64()).to_pylist() == [edge]

    following(store, work)


def test_after_a_lost_connection_only_what_is_not_covered_is_asked_for(store: Serving) -> None:
    async def work(source: LiveSource, keeper: Keeper) -> None:
        await until(lambda: keeper.progress.repairs == 1)
        before = keeper.edge()
        source.clock += 7 * MINUTE
        source.stream.put_nowait(NOTHING)
        await until(lambda: keeper.progress.repairs == 2)
        # And the newest bars before that once more: exchanges correct what they sent.
        assert source.asked[1:] == [(keeper.edge() - 7 * MINUTE, keeper.edge())]
        assert stored(store) == list(range(BOUNDARY, before + 7 * MINUTE, MINUTE))

    following(store, work)


def test_the_newest_bars_are_read_once_more(store: Serving) -> None:
    async def work(source: LiveSource, keeper: Keeper) -> None:
        await until(lambda: keeper.progress.repairs == 1)
        edge = keeper.edge()
        source.clock += MINUTE
        source.stream.put_nowait(NOTHING)
        await until(lambda: keeper.progress.repairs == 2)
        again = Pace().recheck_bars * MINUTE
        assert source.asked[1] == (edge + MINUTE - again, edge + MINUTE)

    following(store, work)


def test_a_garbled_live_row_is_left_to_the_history(store: Serving) -> None:
    async def work(source: LiveSource, keeper: Keeper) -> None:
        await until(lambda: keeper.progress.repairs == 1)
        source.clock += MINUTE
        source.stream.put_nowait(Page(bars(keeper.edge() - 1, keeper.edge())))
        await until(lambda: keeper.progress.repairs == 2)
        assert stored(store) == list(range(BOUNDARY, keeper.edge(), MINUTE))

    following(store, work)


def test_a_stream_that_fails_is_started_again_and_repaired(store: Serving) -> None:
    async def work(source: LiveSource, keeper: Keeper) -> None:
        source.stream.put_nowait(Unreachable("gone"))
        await until(lambda: source.starts == 2 and keeper.progress.repairs >= 2)

    following(store, work)


def test_a_stream_that_stalls_while_history_goes_on_is_started_anew(store: Serving) -> None:
    async def work(source: LiveSource, keeper: Keeper) -> None:
        await until(lambda: keeper.progress.repairs == 1)
        edge = keeper.edge()
        source.stream.put_nowait(Page(bars(edge, edge + MINUTE)))
        await until(lambda: edge in stored(store))
        source.clock += 20 * MINUTE
        source.stream.put_nowait(NOTHING)
        await until(lambda: keeper.progress.repairs == 2)
        source.stream.put_nowait(NOTHING)
        await until(lambda: source.starts == 2)

    following(store, work)


def test_a_delisted_series_ends_with_what_the_source_says(store: Serving) -> None:
    async def work(source: LiveSource, keeper: Keeper) -> None:
        source.stream.put_nowait(Ended("delisted"))
        with pytest.raises(ExceptionGroup) as raised:
            await Follower(keeper, BOUNDARY, asyncio.Semaphore(1)).run()
        assert raised.group_contains(Ended, match="delisted")

    asyncio.run(with_keeper(store, LiveSource(), work))
