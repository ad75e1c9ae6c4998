"""Feeds: all series of one exchange, for one run or until told to stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterator

import flightstore as fs
from flightstore_ingest import registry
from flightstore_ingest.config import ExchangeSection, KeepSection
from flightstore_ingest.errors import Beyond, Blocked, Ended, SourceError
from flightstore_ingest.following import Follower
from flightstore_ingest.keeper import Keeper
from flightstore_ingest.pace import Backoff, Pace, is_final
from flightstore_ingest.sink import Sink
from flightstore_ingest.source import Series
from flightstore_proto.errors import FlightstoreError
from flightstore_proto.timerange import to_ns

log = logging.getLogger(__name__)

REFRESH_SECONDS = 86_400.0  # how often new listings are looked for


class Feed:
    """Everything that is kept of one exchange. `open` first; belongs to one event loop."""

    def __init__(
        self,
        name: str,
        section: ExchangeSection,
        client: fs.Client,
        sink: Sink,
        pace: Pace,
        *,
        attempts: int | None = None,
    ) -> None:
        self.name, self.section = name, section
        self.source = registry.make(section.source, name, section.arguments(pace))
        self.keepers: list[Keeper] = []
        self.refused: dict[str, str] = {}  # what could not be had, and why
        self.gone: set[Series] = set()  # of the refused: what the source does not have (any more)
        self._client, self._sink, self._pace, self._attempts = client, sink, pace, attempts
        self._turns = asyncio.Semaphore(section.concurrency)
        # Apart, so that what is live does not wait for years of history to be fetched.
        self._repair_turns = asyncio.Semaphore(section.concurrency)
        self._kept: set[Series] = set()

    async def open(self) -> None:
        """Reach the source and find the series; tries again while it cannot be reached."""
        backoff = Backoff()
        while True:
            try:
                await self.source.open()
                break
            except SourceError as error:
                wait = backoff.after(error)
                self.refused[self.name] = error.message
                hopeless = is_final(error) or (self._attempts and isinstance(error, Blocked))
                if hopeless or backoff.failures == self._attempts:
                    raise
                log.warning("%s: trying again in %.0f s: %s", self.name, wait, error.message)
                await self.source.sleep(wait)
        self.refused.pop(self.name, None)
        await self._find()

    async def close(self) -> None:
        await self.source.close()

    async def refresh(self) -> list[Keeper]:
        """Look for new listings, and for delisted ones that are back; returns their keepers."""
        await self.source.reload()
        kept = [keeper for keeper in self.keepers if keeper.series not in self.gone]
        self.keepers, self._kept = list(kept), {keeper.series for keeper in kept}
        self.gone.clear()
        await self._find()
        return self.keepers[len(kept) :]

    async def _find(self) -> None:
        for keep, dataset, timeframe, pattern in self._wishes():
            wish = Series(dataset, f"{self.name}:{pattern}", timeframe)
            try:
                found = await self.source.find([pattern], dataset, timeframe)
            except SourceError as error:
                if isinstance(error, Ended):
                    self.gone.add(wish)
                self.refused[str(wish)] = error.message
                log.warning("%s", error.message)
                continue
            since = to_ns(keep.since, now_ns=self.source.now())
            for each in found:
                self._keep(Series(dataset, each.instrument, timeframe), since, each.metadata)

    def _wishes(self) -> Iterator[tuple[KeepSection, str, str, str]]:
        for keep in self.section.keep:
            for dataset, timeframe in keep.datasets():
                for pattern in keep.symbols:
                    yield keep, dataset, timeframe, pattern

    def _keep(self, series: Series, since: int, metadata: dict[str, str]) -> None:
        if series in self._kept:
            return
        self._kept.add(series)
        self.keepers.append(
            Keeper(
                series,
                self.source,
                self._sink,
                self._client,
                since=since,
                metadata=metadata,
                pace=self._pace,
                attempts=self._attempts,
            )
        )

    async def backfill(self, until: int | None = None) -> None:
        """Fetch everything missing up to `until` ns, or to now. One bad series stops no other."""
        await asyncio.gather(*(self._alone(k, self._fill(k, until)) for k in self.keepers))

    async def run(self) -> None:
        """Backfill, follow and repair until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for keeper in self.keepers:
                tasks.create_task(self._alone(keeper, self._follow(keeper)))
            while True:
                await self.source.sleep(REFRESH_SECONDS)
                for keeper in await self._newly_listed():
                    tasks.create_task(self._alone(keeper, self._follow(keeper)))

    async def _newly_listed(self) -> list[Keeper]:
        try:
            return await self.refresh()
        except SourceError as error:
            log.warning("%s: new listings are looked for again later: %s", self.name, error.message)
            return []

    async def _fill(self, keeper: Keeper, until: int | None) -> None:
        end = keeper.edge() if until is None else min(until, keeper.edge())
        await keeper.fill(await keeper.begin(self._turns), end, self._turns)

    async def _follow(self, keeper: Keeper) -> None:
        boundary = max(keeper.edge(), keeper.since)
        async with asyncio.TaskGroup() as tasks:
            past = tasks.create_task(self._past(keeper, boundary))
            if self.section.live != "off":
                tasks.create_task(self._present(keeper, boundary, past))

    async def _past(self, keeper: Keeper, boundary: int) -> None:
        try:
            await self._fill(keeper, boundary)
        except Beyond as error:
            log.warning("%s: %s", keeper.series, error.message)

    async def _present(self, keeper: Keeper, boundary: int, past: asyncio.Task[None]) -> None:
        try:
            await Follower(keeper, boundary, self._repair_turns).run()
        except* Ended:
            await asyncio.wait({past})  # what a market was before its end can still be fetched
            raise

    async def _alone(self, keeper: Keeper, work: Awaitable[None]) -> None:
        """Do `work`; what goes wrong with one series is said, and stops no other."""
        try:
            await work
        except* FlightstoreError as group:
            self._give_up(keeper, _first(group))

    def _give_up(self, keeper: Keeper, error: FlightstoreError) -> None:
        keeper.progress.ended = keeper.progress.error = error.message
        keeper.progress.doing = "stopped"
        self.refused[str(keeper.series)] = error.message
        if isinstance(error, Ended):
            self.gone.add(keeper.series)
        log.error("%s: stopped: %s", keeper.series, error.message)


def _first(group: ExceptionGroup[FlightstoreError]) -> FlightstoreError:
    """One error of `group`, whose groups may be nested."""
    error: FlightstoreError | ExceptionGroup[FlightstoreError] = group
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
