"""Live trades from the websocket into the store: 2,000 a second over 50 series, none lost.

A simulated Binance on loopback, the service, and the store are three processes. The time from wire
to store is from a trade's own time, which is when the exchange sends it, to the store's
acknowledgement of its put; it holds the exchange's own few milliseconds as well.
"""

from __future__ import annotations

import asyncio
import os
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import monotonic

import flightstore as fs
from bench.figures import Figure
from bench.processes import PeakMemory, flightstore, memory, simulated
from bench.session import Session
from bench.simulated import BEGIN_NS, symbols
from flightstore_ingest.config import checked
from flightstore_ingest.pace import Pace
from flightstore_ingest.service import Feed
from flightstore_ingest.sink import Sink
from flightstore_ingest.source import Page, Series
from flightstore_proto.timerange import format_ns

_RATE = 2_000
_SERIES = 50
_LEAD_SECONDS = 40.0  # for connecting and subscribing, and for the last rows to arrive


@dataclass(slots=True)
class _Seen:
    """What was acknowledged, and how long after its time."""

    rows: int = 0
    lags: list[float] = field(default_factory=list)  # seconds, of the oldest and newest of a page
    memory: list[int] = field(default_factory=list)


def run(session: Session) -> Iterator[Figure]:
    seconds = session.pick(60, 10)
    numbers = [str(n) for n in (_SERIES, _RATE, seconds)]
    with (
        simulated(["live", *numbers]) as exchange,
        flightstore(session.fresh("live") / "store") as server,
        server.client() as db,
        PeakMemory(os.getpid()) as peak,
    ):
        seen = asyncio.run(_follow(db, exchange.uri, _RATE * seconds, seconds))
        stored = db.series("binance:*", dataset="trades")
        lost = _RATE * seconds - int(stored["rows"].sum())
    yield Figure("live trades lost, of 2,000 a second over 50 series", lost, "rows", at_most=0)
    lag = [value * 1e3 for value in seen.lags]
    spread = statistics.quantiles(lag, n=4)
    yield Figure(
        "median time from the exchange's clock to the acknowledgement",
        statistics.median(lag),
        "ms",
        at_most=100,
        spread=(spread[0], spread[1], spread[2]),
        note=f"99 of 100 within {statistics.quantiles(lag, n=100)[98]:.0f} ms",
    )
    yield Figure(
        "memory of the ingestion at its peak",
        peak.bytes / 2**20,
        "MiB",
        at_most=400,
        note=f"after a third {seen.memory[0] / 2**20:.0f}, at the end {seen.memory[-1] / 2**20:.0f}",
    )


async def _follow(db: fs.Client, url: str, rows: int, seconds: int) -> _Seen:
    seen = _Seen()
    keep = {"symbols": symbols(_SERIES), "trades": True, "since": format_ns(BEGIN_NS)}
    section = checked({"exchange": {"binance": {"url": url, "keep": [keep]}}}, "bench").exchange
    async with Sink(db) as sink:
        feed = Feed("binance", section["binance"], db, sink, Pace())
        await feed.open()
        _watch(sink, feed, seen)
        running = asyncio.ensure_future(feed.run())
        deadline = monotonic() + seconds + _LEAD_SECONDS
        while seen.rows < rows and monotonic() < deadline:
            await asyncio.sleep(0.2)
            if seen.rows > rows / 3 * (len(seen.memory) + 1):
                seen.memory.append(memory(os.getpid()))
        seen.memory.append(memory(os.getpid()))
        running.cancel()
        await asyncio.wait({running})
        await feed.close()
    return seen


def _watch(sink: Sink, feed: Feed, seen: _Seen) -> None:
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
