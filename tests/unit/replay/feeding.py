"""A store, and a feed of one exchange into it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any

import polars as pl
from tests.support.serving import Serving

from flightstore_ingest.config import checked
from flightstore_ingest.pace import Pace
from flightstore_ingest.service import Feed
from flightstore_ingest.sink import Sink

SECONDS = 60.0  # real ones, after which a test has failed


@asynccontextmanager
async def feeding(
    store: Serving, name: str, section: dict[str, Any], attempts: int | None = None
) -> AsyncIterator[Feed]:
    """The feed of `[exchange.name]`, opened, until the block ends."""
    config = checked({"exchange": {name: section}}, "ingest.toml").exchange[name]
    async with Sink(store.db) as sink:
        feed = Feed(name, config, store.db, sink, Pace(), attempts=attempts)
        try:
            await feed.open()
            yield feed
        finally:
            await feed.close()


def backfilled(
    store: Serving, name: str, section: dict[str, Any], attempts: int | None = None
) -> Feed:
    """The feed after one backfill."""

    async def work() -> Feed:
        async with feeding(store, name, section, attempts) as feed:
            await feed.backfill()
            return feed

    return asyncio.run(work())


def run_until(
    store: Serving, name: str, section: dict[str, Any], enough: Callable[[Feed], bool]
) -> Feed:
    """The feed after it ran until there was `enough`."""

    async def work() -> Feed:
        async with feeding(store, name, section) as feed:
            running = asyncio.create_task(feed.run())
            deadline = monotonic() + SECONDS
            while not enough(feed) and not running.done():
                assert monotonic() < deadline, [keeper.progress for keeper in feed.keepers]
                await asyncio.sleep(0.02)
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            return feed

    return asyncio.run(work())


def all_ended(feed: Feed) -> bool:
    """Whether nothing more will come, and all there was is stored."""
    return feed.gone == {keeper.series for keeper in feed.keepers}


def covered(store: Serving, instrument: str, timeframe: str = "") -> list[tuple[Any, Any]]:
    """The ranges in which the store knows the series to be complete."""
    dataset = "candles" if timeframe else "trades"
    ranges: pl.DataFrame = store.db.coverage(instrument, timeframe, dataset=dataset)
    return ranges.rows()
