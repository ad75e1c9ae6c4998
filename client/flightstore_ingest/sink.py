"""Sink: pages into the store. What is waiting while one put is under way travels in the next.

A page counts once the store has acknowledged it, and not before. While the store is away the sink
tries again, later and later; pages of history are given back to whoever fetched them, since they
can be fetched again by coverage, and live rows are kept up to a bound, since some sources never
send them twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

import pyarrow as pa

import flightstore as fs
from flightstore_ingest.errors import Refused
from flightstore_ingest.source import Page, Series
from flightstore_proto.errors import BadRequest, FlightstoreError
from flightstore_proto.timerange import format_ns

log = logging.getLogger(__name__)

PUT_ROWS_MAX = 100_000
WAITING_ROWS_MAX = 400_000  # 25 MiB of trades
RETRY_SECONDS_MAX = 15.0


class StoreDown(FlightstoreError):
    """The store did not take a page; nothing of it counts as stored."""

    code = "store_down"


@dataclass(eq=False, slots=True)
class _Waiting:
    series: Series
    page: Page
    live: bool
    done: asyncio.Future[None]
    metadata: dict[str, str] = field(default_factory=dict)


class Sink:
    """Writes to one store. Belongs to one event loop; `async with`."""

    def __init__(self, client: fs.Client, *, waiting_rows_max: int = WAITING_ROWS_MAX) -> None:
        self._client = client
        self._waiting_rows_max = waiting_rows_max
        self._waiting: deque[_Waiting] = deque()
        self._rows = 0
        self._news, self._room, self._up = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._room.set()
        self._up.set()
        self._writers: dict[str, fs.Writer] = {}
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self.trouble = ""  # why the store is away; empty while it is there

    async def __aenter__(self) -> Sink:
        self._task = asyncio.create_task(self._run(), name="sink")
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Write what waits if the store is there, and hang up."""
        self._closing = True
        self._news.set()
        assert self._task is not None
        if not self._up.is_set():
            self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._give_back(self._waiting, "the ingestion is stopping")
        await asyncio.to_thread(self._hang_up)

    async def up(self) -> None:
        """Wait until the store takes puts."""
        await self._up.wait()

    async def put(
        self, series: Series, page: Page, metadata: dict[str, str] | None = None
    ) -> asyncio.Future[None]:
        """Hand over a page of history; wait only while too much is waiting already.

        The future is done when the page is durable; it fails with StoreDown or Refused.
        """
        while self._rows >= self._waiting_rows_max and self._up.is_set():
            self._room.clear()
            await self._room.wait()
        return self._enqueue(series, page, live=False, metadata=metadata or {})

    def put_live(self, series: Series, page: Page) -> asyncio.Future[None]:
        """Hand over live rows, which are kept while the store is away, up to the bound."""
        return self._enqueue(series, page, live=True, metadata={})

    def _enqueue(
        self, series: Series, page: Page, *, live: bool, metadata: dict[str, str]
    ) -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.add_done_callback(_consume)
        full = self._rows + page.rows.num_rows > self._waiting_rows_max
        if not self._up.is_set() and (full or not live):
            done.set_exception(StoreDown(f"{series}: the store is away: {self.trouble}"))
            return done
        self._waiting.append(_Waiting(series, page, live, done, metadata))
        self._rows += page.rows.num_rows
        self._news.set()
        return done

    async def _run(self) -> None:
        attempt = 0
        while self._waiting or not self._closing:
            if not self._waiting:
                self._news.clear()
                await self._news.wait()
                continue
            batch = self._take()
            try:
                await asyncio.to_thread(self._write, batch)
            except BadRequest:
                await asyncio.to_thread(self._write_apart, batch)
            except FlightstoreError as error:
                attempt += 1
                await self._away(batch, error, attempt)
                continue
            attempt = 0
            self._is_up()
            for item in batch:
                if not item.done.done():
                    item.done.set_result(None)

    def _take(self) -> list[_Waiting]:
        """What travels together: waiting pages of one dataset and timeframe, in order."""
        first = self._waiting[0].series
        batch: list[_Waiting] = []
        others: deque[_Waiting] = deque()
        rows = 0
        while self._waiting and rows < PUT_ROWS_MAX:
            item = self._waiting.popleft()
            same = (item.series.dataset, item.series.timeframe) == (first.dataset, first.timeframe)
            (batch if same else others).append(item)
            rows += item.page.rows.num_rows if same else 0
        self._waiting.extendleft(reversed(others))
        self._rows -= rows
        self._room.set()
        return batch

    def _write(self, batch: list[_Waiting]) -> None:
        series = batch[0].series
        writer = self._writers.get(series.dataset)
        if writer is None:
            writer = self._writers[series.dataset] = self._client.writer(series.dataset)
        frames, covers, metadata = _together(batch)
        try:
            writer.write_many(
                frames, timeframe=series.timeframe or None, covers=covers, metadata=metadata
            ).result()
        except FlightstoreError:
            self._hang_up()
            raise

    def _write_apart(self, batch: list[_Waiting]) -> None:
        """One series at a time, so that what the store refuses stops no other series."""
        for item in batch:
            try:
                self._write([item])
            except BadRequest as error:
                refusal = Refused(f"{item.series}: the store refuses its rows: {error.message}")
                item.done.get_loop().call_soon_threadsafe(_fail, item.done, refusal)

    async def _away(self, batch: list[_Waiting], error: FlightstoreError, attempt: int) -> None:
        if self._up.is_set():
            log.warning("the store is away, trying again: %s", error.message)
        self.trouble = error.message
        self._up.clear()
        self._room.set()
        kept = [item for item in (*batch, *self._waiting) if item.live]
        self._give_back((i for i in (*batch, *self._waiting) if not i.live), error.message)
        self._waiting = deque(kept)
        self._rows = sum(item.page.rows.num_rows for item in kept)
        if self._closing:
            self._give_back(kept, error.message)
            self._waiting.clear()
            return
        await asyncio.sleep(min(0.1 * 2**attempt, RETRY_SECONDS_MAX))
        if not kept:
            await self._until_ready()

    async def _until_ready(self) -> None:
        """Nothing waits to be written: ask the store itself whether it is back."""
        delay = 0.1
        while not self._waiting and not self._closing:
            with suppress(FlightstoreError):
                health = await asyncio.to_thread(self._client.health)
                if health.ready and not health.read_only:
                    self._is_up()
                    return
            await asyncio.sleep(delay)
            delay = min(2 * delay, RETRY_SECONDS_MAX)

    def _is_up(self) -> None:
        if not self._up.is_set():
            log.info("the store is back")
            self.trouble = ""
            self._up.set()

    def _give_back(self, items: Iterable[_Waiting], why: str) -> None:
        for item in items:
            _fail(item.done, StoreDown(f"{item.series}: not stored: {why}"))

    def _hang_up(self) -> None:
        writers, self._writers = list(self._writers.values()), {}
        for writer in writers:
            with suppress(FlightstoreError):
                writer.close()


def _together(
    batch: list[_Waiting],
) -> tuple[dict[str, pa.Table], dict[str, list[tuple[str, str]]], dict[str, dict[str, str]]]:
    tables: dict[str, list[pa.Table]] = {}
    covers: dict[str, list[tuple[str, str]]] = {}
    metadata: dict[str, dict[str, str]] = {}
    for item in batch:
        name = item.series.instrument
        tables.setdefault(name, []).append(item.page.rows)
        metadata.setdefault(name, {}).update(item.metadata)
        if item.page.covers is not None:
            start, end = item.page.covers
            covers.setdefault(name, []).append((format_ns(start), format_ns(end)))
    return {name: pa.concat_tables(parts) for name, parts in tables.items()}, covers, metadata


def _fail(done: asyncio.Future[None], error: Exception) -> None:
    if not done.done():
        done.set_exception(error)


def _consume(done: asyncio.Future[None]) -> None:
    # Whoever handed a page over may have gone; its failure is in the log and in the coverage.
    if not done.cancelled():
        done.exception()
