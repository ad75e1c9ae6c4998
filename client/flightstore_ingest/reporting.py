"""Reporting: how each series fares, kept in the store beside its rows.

Whoever can read the store sees it, from any machine, also after the service has gone. Written is
what has changed, so that thousands of series cost next to nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from time import monotonic
from typing import Any

import flightstore as fs
from flightstore_ingest.progress import Progress
from flightstore_ingest.service import Feed
from flightstore_ingest.source import Series
from flightstore_proto.errors import FlightstoreError
from flightstore_proto.metadata import ENDED, ERROR, ERROR_AT, REQUESTS, WANTED_FROM
from flightstore_proto.timerange import format_ns, to_ns

log = logging.getLogger(__name__)

REPORT_SECONDS = 15.0
COUNT_SECONDS = 60.0  # how often the number of requests is written
PUT_SERIES_MAX = 1000
Texts = dict[str, str]


class Reporter:
    """Tells the store how the series of `feeds` fare. Belongs to one event loop."""

    def __init__(self, client: fs.Client, feeds: Sequence[Feed]) -> None:
        self._client, self._feeds = client, feeds
        self._stored: dict[str, dict[Series, Texts]] = {}  # by exchange: what the store says
        self._last_row: dict[Series, int] = {}  # of stored series, when they were looked at
        self._before: dict[Series, int] = {}  # requests of earlier runs
        self._counted = monotonic()

    async def run(self) -> None:
        """Report now and then, for ever."""
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            await self.report()

    async def report(self, *, final: bool = False) -> None:
        """Write what has changed. Where the store is away, the next report does it."""
        count = final or monotonic() - self._counted >= COUNT_SECONDS
        try:
            for feed in self._feeds:
                await self._learn(feed)
                changes: dict[Series, Texts] = {}
                for series, texts in self._changes(feed, count=count):
                    if texts:
                        changes.setdefault(series, {}).update(texts)
                await asyncio.to_thread(self._write, feed.name, changes)
        except FlightstoreError as error:
            log.info("the store was not told how the series fare: %s", error.message)
            return
        if count:
            self._counted = monotonic()

    async def _learn(self, feed: Feed) -> None:
        """What the store says of the feed's exchange: asked once, and then kept up."""
        if feed.name in self._stored:
            return
        table: Any = await asyncio.to_thread(self._client.series, f"{feed.name}:*", output="arrow")
        found: dict[Series, Texts] = {}
        ends = table.column("end").cast("int64").to_pylist()
        for row, end in zip(table.drop_columns(["start", "end"]).to_pylist(), ends, strict=True):
            series = Series(row["dataset"], f"{row['exchange']}:{row['symbol']}", row["timeframe"])
            found[series] = texts = dict(row["metadata"] or ())
            self._before[series] = _number(texts.get(REQUESTS))
            if end is not None:
                self._last_row[series] = end
        self._stored[feed.name] = found

    def _changes(self, feed: Feed, *, count: bool) -> Iterator[tuple[Series, Texts]]:
        stored = self._stored[feed.name]
        now = format_ns(feed.source.now())
        if feed.name in feed.refused:  # not even opened
            for series, texts in stored.items():
                if WANTED_FROM in texts:
                    yield series, _of_error(texts, feed.refused[feed.name], now)
            return
        for keeper in feed.keepers:
            series, progress, texts = keeper.series, keeper.progress, stored.get(keeper.series, {})
            if progress.last_ts is not None:
                self._last_row[series] = max(progress.last_ts, self._last_row.get(series, 0))
            change: Texts = {}
            if progress.error or _goes_well(progress):
                change |= _of_error(texts, progress.error, now)
            if count:
                asked = self._before.get(series, 0) + feed.source.requests(series)
                change |= _new(texts, REQUESTS, str(asked) if asked else "")
            if ENDED in texts and (progress.last_ts or 0) >= to_ns(texts[ENDED]):
                change[ENDED] = ""  # the market is back
            yield series, change
        for series in feed.gone & self._last_row.keys():
            ended = format_ns(_end_of_row(series, self._last_row[series]))
            yield series, _new(stored.get(series, {}), ENDED, ended)

    def _write(self, exchange: str, changed: Mapping[Series, Texts]) -> None:
        groups: dict[tuple[str, str], list[Series]] = {}
        for series in changed:
            groups.setdefault((series.dataset, series.timeframe), []).append(series)
        for (dataset, timeframe), members in groups.items():
            for first in range(0, len(members), PUT_SERIES_MAX):
                texts = {s: changed[s] for s in members[first : first + PUT_SERIES_MAX]}
                self._client.write_many(
                    {s.instrument: None for s in texts},
                    dataset=dataset,
                    timeframe=timeframe or None,
                    metadata={s.instrument: own for s, own in texts.items()},
                )
                for series, own in texts.items():
                    kept = self._stored[exchange].get(series, {}) | own
                    self._stored[exchange][series] = {k: v for k, v in kept.items() if v}


def _of_error(stored: Texts, error: str, now: str) -> Texts:
    change = _new(stored, ERROR, error)
    return change | {ERROR_AT: now if error else ""} if change else {}


def _new(stored: Texts, key: str, value: str) -> Texts:
    return {} if stored.get(key, "") == value else {key: value}


def _goes_well(progress: Progress) -> bool:
    """Whether something has worked in this run: an older error no longer holds then."""
    return progress.pages > 0 or progress.live or progress.doing == "complete"


def _end_of_row(series: Series, ts: int) -> int:
    """The first ns after the row at `ts`."""
    return ts + max(series.step_ns, 1)


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() else 0
