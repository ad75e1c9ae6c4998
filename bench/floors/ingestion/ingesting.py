"""The ingestion in a process of its own.

`python -m bench.floors.ingestion.ingesting STORE EXCHANGE SERIES ROWS`

Follows trades until ROWS of them are durable, and prints as JSON how long after their own time that
was, and how much memory it took on the way.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import asdict, dataclass, field
from time import monotonic

import flightstore as fs
from bench.floors.ingestion.simulated import BEGIN_NS, symbols
from bench.processes import memory
from flightstore_ingest.config import checked
from flightstore_ingest.pace import Pace
from flightstore_ingest.service import Feed
from flightstore_ingest.sink import Sink
from flightstore_ingest.source import Page, Series
from flightstore_proto.timerange import format_ns

SECONDS_MAX = 180.0


@dataclass(slots=True)
class Seen:
    """What became durable."""

    rows: int = 0
    lags: list[float] = field(default_factory=list)  # seconds, of a page's oldest and newest row
    memory: list[int] = field(default_factory=list)  # bytes, after each third


async def follow(db: fs.Client, url: str, series: int, rows: int) -> Seen:
    """Follow until `rows` trades are durable."""
    seen = Seen()
    keep = {"symbols": symbols(series), "trades": True, "since": format_ns(BEGIN_NS)}
    section = checked({"exchange": {"binance": {"url": url, "keep": [keep]}}}, "bench").exchange
    async with Sink(db) as sink:
        feed = Feed("binance", section["binance"], db, sink, Pace())
        await feed.open()
        watch(sink, feed, seen)
        running = asyncio.ensure_future(feed.run())
        deadline = monotonic() + SECONDS_MAX
        while seen.rows < rows and monotonic() < deadline:
            await asyncio.sleep(0.2)
            if seen.rows > rows / 3 * (len(seen.memory) + 1):
                seen.memory.append(memory(os.getpid()))
        seen.memory.append(memory(os.getpid()))
        running.cancel()
        await asyncio.wait({running})
        await feed.close()
    return seen


def watch(sink: Sink, feed: Feed, seen: Seen) -> None:
    """Note of every live page when it became durable."""
    put_live = sink.put_live

    def noted(series: Series, page: Page) -> asyncio.Future[None]:
        done = put_live(series, page)
        done.add_done_callback(lambda _: note(page))
        return done

    def note(page: Page) -> None:
        now = feed.source.now()
        stamps = page.rows.column("ts").cast("int64")
        seen.rows += page.rows.num_rows
        seen.lags += [(now - stamps[at].as_py()) / 1e9 for at in (0, -1)]

    sink.put_live = noted  # type: ignore[method-assign]


if __name__ == "__main__":
    with fs.connect(sys.argv[1]) as client:
        print(
            json.dumps(asdict(asyncio.run(follow(client, sys.argv[2], *map(int, sys.argv[3:5])))))
        )
