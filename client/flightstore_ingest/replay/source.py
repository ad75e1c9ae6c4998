"""ReplaySource: recordings as the rest of the service sees a source."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from flightstore_ingest.errors import Ended, Refused
from flightstore_ingest.replay import reading, settings
from flightstore_ingest.replay.clock import ReplayClock
from flightstore_ingest.replay.recording import Recording
from flightstore_ingest.source import Anchor, Found, Listing, Page, Series, Source
from flightstore_proto.errors import did_you_mean, near
from flightstore_proto.instrument import is_pattern
from flightstore_proto.metadata import SOURCE
from flightstore_proto.timeframe import DAY_NS
from flightstore_proto.timerange import format_ns, to_ns

log = logging.getLogger(__name__)


class ReplaySource(Source):
    """Recorded files as an exchange. See Settings for `given`.

    The clock starts when the source is opened. A series begins at its recording's first row; once
    the clock has passed the last one and everything is stored, it has Ended.
    """

    def __init__(self, exchange: str, **given: Any) -> None:
        self.exchange = exchange
        self._settings = settings.checked(exchange, given)
        self._files = list(self._settings.recorded())
        self._recordings: dict[Series, Recording] = {}
        self._unreadable: list[tuple[str, str]] = []  # symbol, why
        self._clock = ReplayClock(0, 1.0)

    async def open(self) -> None:
        for symbol, file in self._files:
            try:
                await asyncio.to_thread(self._load, symbol, file)
            except Refused as error:
                self._unreadable.append((symbol, error.message))
        if not self._recordings:
            raise Refused(" ".join(why for _, why in self._unreadable))
        self._clock = self._started()

    def _load(self, symbol: str, file: settings.FileSettings) -> None:
        recording = reading.load(f"{self.exchange}:{symbol}", file)
        other = self._recordings.setdefault(recording.series, recording)
        if other is not recording:
            raise Refused(
                f"{other.series} is in {other.origin} and in {recording.origin}: leave one out, or "
                "join them into one file."
            )

    def _started(self) -> ReplayClock:
        recordings = self._recordings.values()
        if self._settings.speed == "max":
            # A day later everything counts as settled, whatever graces are configured.
            return ReplayClock(max(each.end for each in recordings) + DAY_NS, 1.0)
        start = to_ns(self._settings.start) if self._settings.start else None
        first = min(each.first for each in recordings)
        return ReplayClock(first if start is None else start, self._settings.speed)

    async def close(self) -> None:
        self._recordings.clear()

    async def find(self, patterns: Sequence[str], dataset: str, timeframe: str) -> list[Found]:
        return [
            Found(series.instrument, {SOURCE: f"replay/{self._recordings[series].origin}"})
            for pattern in patterns
            for series in self._matching(pattern, dataset, timeframe)
        ]

    def _matching(self, pattern: str, dataset: str, timeframe: str) -> list[Series]:
        symbols = {symbol for symbol, _ in self._files}
        if is_pattern(pattern):
            chosen = {symbol for symbol in symbols if fnmatchcase(symbol, pattern)}
        else:
            chosen = symbols & {pattern}
        if not chosen:
            hint = did_you_mean(near(pattern, symbols))
            raise Refused(f"{self.exchange} has no recording of {pattern!r}.{hint}")
        whys = [why for symbol, why in self._unreadable if symbol in chosen]
        there = [series for series in self._recordings if series.symbol in chosen]
        found = [s for s in there if (s.dataset, s.timeframe) == (dataset, timeframe)]
        if not found:
            wanted = f"{timeframe} {dataset}".strip()
            held = ", ".join(sorted({each.timeframe or each.dataset for each in there}))
            lacks = f"{self.exchange} has no {wanted} of {pattern!r}; it has {held}."
            raise Refused(" ".join(whys) or lacks)
        for why in whys:
            log.warning("%s", why)
        return sorted(found)

    def now(self) -> int:
        return self._clock.now()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

    async def listed(self, series: Series, wanted: int) -> Listing | None:
        recording = self._recordings[series]
        if not wanted < recording.first <= self.now():
            return None
        proof = f"the first row of {recording.origin} is of {format_ns(recording.first)}"
        return Listing(recording.first, proof)

    async def history(
        self, series: Series, start: int, end: int, anchor: Anchor | None
    ) -> AsyncGenerator[Page, None]:
        recording = self._recordings[series]
        for page in recording.pages(start, min(end, recording.known(self.now()))):
            yield page
        if start >= recording.end:
            when = format_ns(recording.end)
            raise Ended(f"{series}: the recording {recording.origin} ends at {when}.")

    async def live(self, series: Series) -> AsyncGenerator[Page, None]:
        recording = self._recordings[series]
        start = recording.known(self.now())
        while (due := recording.due(start)) is not None:
            await self._clock.until(due)
            known = recording.known(self.now())
            for page in recording.pages(start, known):
                yield page
            start = known
        # Not an error yet: the history, asked once more, has what was missed before it says so.
        await asyncio.Event().wait()
