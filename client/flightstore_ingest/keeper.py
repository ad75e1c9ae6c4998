"""Keeper: one series, complete. What is missing is fetched; what is known is remembered.

What to fetch is always computed anew as `wanted minus covered`, so that the first run, a restart,
an earlier start, a hole in the middle and a page that failed are one and the same thing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import aclosing

import pyarrow as pa

import flightstore as fs
from flightstore_ingest import holdings
from flightstore_ingest.errors import Beyond, Blocked, Garbage, Refused
from flightstore_ingest.gate import checked
from flightstore_ingest.pace import Backoff, Pace, is_final
from flightstore_ingest.progress import Progress
from flightstore_ingest.sink import Sink, StoreDown
from flightstore_ingest.source import CANDLES, Listing, Page, Series, Source
from flightstore_proto import intervals
from flightstore_proto import timeframe as timeframes
from flightstore_proto.errors import FlightstoreError
from flightstore_proto.intervals import Interval, IntervalSet
from flightstore_proto.metadata import LISTED, LISTED_PROOF, WANTED_FROM
from flightstore_proto.schemas import BUILT_IN
from flightstore_proto.timeframe import SECOND_NS
from flightstore_proto.timerange import format_ns

log = logging.getLogger(__name__)

MILLISECOND_NS = 1_000_000
PAGES_AHEAD = 4  # handed over and not yet durable, per fill


class Keeper:
    """Keeps one series. Belongs to one event loop.

    since     ns from which the series is wanted
    metadata  texts to store with it
    attempts  failures in a row after which a fill gives up; None never does
    """

    def __init__(
        self,
        series: Series,
        source: Source,
        sink: Sink,
        client: fs.Client,
        *,
        since: int,
        metadata: dict[str, str],
        pace: Pace,
        attempts: int | None = None,
    ) -> None:
        self.series, self.source, self.sink, self.client = series, source, sink, client
        self.since, self.pace = since, pace
        self.metadata = {**metadata, WANTED_FROM: format_ns(since)}  # what the store still lacks
        self.progress = Progress(series)
        self._attempts = attempts
        self._covered: IntervalSet = intervals.EMPTY
        self._given: IntervalSet = intervals.EMPTY  # by the history, stored or on its way
        self._beyond: IntervalSet = intervals.EMPTY  # what the source turned out not to reach
        self._known = False
        self._frame = timeframes.parse(series.timeframe) if series.timeframe else None

    def edge(self) -> int:
        """The ns up to which the source's history is final by now."""
        now = self.source.now()
        if self.series.dataset != CANDLES or self._frame is None:
            recent = now - int(self.pace.trade_grace * SECOND_NS)
            return recent - recent % MILLISECOND_NS  # what every exchange can be asked for
        closed = now - int(self.pace.candle_grace * SECOND_NS) - self._frame.offset_ns
        return closed - closed % self._frame.step_ns + self._frame.offset_ns

    async def fill(self, start: int, end: int, turns: asyncio.Semaphore) -> None:
        """Fetch what is missing in [start, end) ns, in turn. Returns when nothing is.

        Raises Refused or Ended when the series cannot be had, and the last error after `attempts`
        failures in a row; Beyond, after all else, the first time that a part turns out to be out of
        the source's reach. Everything fetched is stored in any case.
        """
        backoff = Backoff()
        await self._learn()
        self._begin(start, end)
        unreached: Beyond | None = None
        while hole := self._next_hole(start, end):
            before = self._covered
            try:
                async with turns:
                    await self._fetch(*hole)
                if self._covered == before:
                    raise Refused(f"{self.series}: nothing was said about {_words(hole)}.")
            except StoreDown as error:
                await self._store_is_down(error)
            except Beyond as error:
                unreached = error
                self._give_up(hole)
            except FlightstoreError as error:
                if self._covered != before:
                    backoff.reset()
                await self._trouble(error, backoff)
            else:
                backoff.reset()
                self._worked()
        self.progress.doing = "complete"
        if unreached is not None:
            self.progress.error = unreached.message
            raise unreached

    def _next_hole(self, start: int, end: int) -> Interval | None:
        """The oldest part of [start, end) that is missing and not known to be out of reach."""
        for low, high in intervals.missing(self._covered, start, end):
            for reachable in intervals.missing(self._beyond, low, high):
                return reachable
        return None

    def _give_up(self, hole: Interval) -> None:
        for low, high in intervals.missing(self._covered, *hole):
            self._beyond = intervals.add(self._beyond, low, high)

    def unproved(self, page: Page) -> Page:
        """Live bars without those that the history has given: a stream may be behind it."""
        if self.series.dataset != CANDLES:
            return page
        stamps = page.rows.column("ts").cast("int64").to_pylist()
        news = [ts is None or not intervals.clip(self._given, ts, ts + 1) for ts in stamps]
        return Page(page.rows.filter(pa.array(news, pa.bool_())), page.covers)

    def forget(self, start: int, end: int) -> None:
        """Have [start, end) fetched again by the next fill: sources correct what they sent."""
        self._covered = intervals.subtract(self._covered, start, end)

    async def begin(self, turns: asyncio.Semaphore) -> int:
        """The ns from which history is worth asking for.

        If the wanted start lies before the market's listing, the time in between is recorded as
        complete, with the question and answer that show it.
        """
        await self._learn()
        if not intervals.missing(self._covered, self.since, self.since + 1):
            return self.since
        listing = await self._listing(turns)
        if listing is None:
            return self.since
        found = {LISTED: format_ns(listing.ts), LISTED_PROOF: listing.proof}
        self.metadata = self.metadata | found
        await (await self._hand_over(Page(_no_rows(self.series), (self.since, listing.ts))))
        return listing.ts

    async def _listing(self, turns: asyncio.Semaphore) -> Listing | None:
        backoff = Backoff()
        while True:
            try:
                async with turns:
                    return await self.source.listed(self.series, self.since)
            except FlightstoreError as error:
                await self._trouble(error, backoff)

    async def _learn(self) -> None:
        """What the store holds: asked once, and again after the store was away."""
        backoff = Backoff()
        while not self._known:
            try:
                self._covered = await holdings.coverage(self.client, self.series)
                self._given = self._covered
                self._known = True
            except FlightstoreError as error:
                await self._trouble(error, backoff)

    def _begin(self, start: int, end: int) -> None:
        missing = intervals.missing(self._covered, start, end)
        self.progress.wanted_ns = sum(high - low for low, high in missing)
        self.progress.done_ns = 0
        self.progress.doing = "fetching" if missing else "complete"

    async def _fetch(self, start: int, end: int) -> None:
        """One run of the source's history, each page durable or given back."""
        pending: deque[asyncio.Future[None]] = deque()
        contiguous = bool(intervals.clip(self._covered, start - 1, start))
        anchor = await holdings.anchor(self.client, self.series, start) if contiguous else None
        self.progress.doing = "fetching"
        try:
            async with aclosing(self.source.history(self.series, start, end, anchor)) as pages:
                async for page in pages:
                    page = checked(self.series, page, (start, end))
                    pending.append(await self._hand_over(page))
                    if len(pending) > PAGES_AHEAD:
                        await pending.popleft()
        finally:
            # Also when the source failed half way: what was handed over is on its way and counts.
            if pending:
                await asyncio.wait(pending)
        for done in pending:
            done.result()

    async def _hand_over(self, page: Page) -> asyncio.Future[None]:
        texts = self.metadata
        if page.covers is not None:
            self._given = intervals.add(self._given, *page.covers)
        done = await self.sink.put(self.series, page, texts)
        done.add_done_callback(lambda stored: self._stored(page, texts, stored))
        return done

    def _stored(self, page: Page, texts: dict[str, str], stored: asyncio.Future[None]) -> None:
        if stored.cancelled() or stored.exception() is not None:
            return
        if self.metadata == texts:
            self.metadata = {}  # the store has them
        self.note(page)
        self.progress.pages += 1

    def note(self, page: Page) -> None:
        """`page` is durable."""
        rows = page.rows.num_rows
        self.progress.rows += rows
        if rows:
            newest = page.rows.column("ts")[-1].value
            self.progress.last_ts = max(newest, self.progress.last_ts or newest)
        if page.covers is not None:
            before = self._covered
            self._covered = intervals.add(before, *page.covers)
            self.progress.done_ns += _length(self._covered) - _length(before)

    async def _store_is_down(self, error: StoreDown) -> None:
        self.progress.doing = "waiting for the store"
        self.progress.error = error.message
        await self.sink.up()
        self._known = False
        await self._learn()

    async def _trouble(self, error: FlightstoreError, backoff: Backoff) -> None:
        self.progress.error = error.message
        if is_final(error):
            self.progress.ended = error.message
            raise error
        wait = backoff.after(error)
        self.progress.failures = backoff.failures
        if self._attempts is not None and (
            backoff.failures >= self._attempts or isinstance(error, Blocked)
        ):
            raise error
        level = (
            logging.WARNING if isinstance(error, Garbage) or backoff.failures > 2 else logging.INFO
        )
        log.log(level, "%s: trying again in %.1f s: %s", self.series, wait, error.message)
        self.progress.doing = f"waiting {wait:.0f} s: {error.message}"
        await self.source.sleep(wait)

    def _worked(self) -> None:
        self.progress.failures = 0
        self.progress.error = ""


def _length(covered: IntervalSet) -> int:
    return sum(end - start for start, end in covered)


def _no_rows(series: Series) -> pa.Table:
    return BUILT_IN[series.dataset].empty_table()


def _words(hole: Interval) -> str:
    return f"{format_ns(hole[0])} to {format_ns(hole[1])}"
