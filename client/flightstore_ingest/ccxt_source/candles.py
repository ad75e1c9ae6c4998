"""History of candles, window by window.

Exchanges send fewer bars than they were asked for without saying so, from either end of a window,
and some send nothing where there is something. So each window begins with a bar that is known
already: an answer that has it was not cut at its old end, and no failure that looks empty. What a
page proves reaches to its last bar, and the next window begins there.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pyarrow as pa

from flightstore_ingest.ccxt_source import rows
from flightstore_ingest.ccxt_source.exchange import Exchange
from flightstore_ingest.errors import Beyond
from flightstore_ingest.source import CANDLES, Page, Series
from flightstore_proto import intervals
from flightstore_proto.intervals import EMPTY
from flightstore_proto.timeframe import DAY_NS
from flightstore_proto.timerange import format_ns

MS = 1_000_000
# A window of so few bars is never cut: the smallest page of candles ccxt knows of is 100.
NEVER_CUT = 20
# After so many windows without a bar, one request for daily bars looks further ahead.
EMPTY_BEFORE_PROBE = 3
# How many pages before its newest one an exchange is asked for a bar: see `reaches_back`.
_PAGES_BACK = (1, 10, 100)

Bars = list[Any]  # ccxt's: [ms, open, high, low, close, volume]


class CandleHistory:
    """Pages of one exchange's candles."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._reaching_back: set[bool] = set()  # markets that are derivatives; those that are not

    async def pages(
        self, series: Series, start: int, end: int, known: int | None = None
    ) -> AsyncGenerator[Page, None]:
        """Bars in [start, end) ns, both on the grid. `known` is the ns of the last bar before."""
        step = series.step_ns
        at, silent = start, 0
        while at < end:
            since, until = self._next_window(series, at, end, known)
            bars = await self._asked(series, since, until, end, (at, end))
            fresh = [bar for bar in bars if bar[0] * MS >= at]
            if not fresh:
                silent += 1
                if silent >= EMPTY_BEFORE_PROBE and step < DAY_NS:
                    until = max(until, await self._next_day_with_bars(series, until, end))
                yield _page([], at, until)
                at = until
                continue
            silent = 0
            first, last = fresh[0][0] * MS, fresh[-1][0] * MS
            whole = until - since <= NEVER_CUT * step
            low = at if whole or bars[0] is not fresh[0] else first
            high = min(max(last + step, until if whole else 0), end)
            page = _page(fresh, low, high)
            # A thousand lists for each series would be walked by every garbage collection.
            del bars, fresh
            yield page
            async for page in self._before(series, at, low):
                yield page
            at, known = high, last

    async def first_day(self, daily: Series, start: int, end: int) -> int | None:
        """The day of the first bar in [start, end) ns, whole days; None if there is none."""
        start -= start % DAY_NS
        known, first = EMPTY, end
        async with aclosing(self.pages(daily, start, end + -end % DAY_NS)) as pages:
            async for page in pages:
                assert page.covers is not None
                known = intervals.add(known, *page.covers)
                if page.rows.num_rows:
                    first = min(first, page.rows.column("ts")[0].value)
                # A page may come before the one that lies before it.
                if known[0][0] <= start and known[0][1] > first:
                    return first - first % DAY_NS
        return None

    async def reaches_back(self, series: Series) -> bool:
        """Whether the exchange sends older bars than its newest page, if asked by time.

        One that ignores the question's time looks as if there were none: ccxt takes what does not
        fit the question out of the answer.
        """
        profile, derivative = self._exchange.profile, ":" in series.symbol
        if profile.candle_paging != "cautious":
            return profile.candle_paging == "window"
        if derivative not in self._reaching_back and (
            await self._sends_older(series) or await self._sends_older(_daily(series))
        ):
            self._reaching_back.add(derivative)
        return derivative in self._reaching_back

    async def newest(self, series: Series) -> Bars:
        """The bars the exchange sends if it is asked for none in particular, oldest first."""
        call = self._exchange.call
        bars = await call("fetch_ohlcv", series.symbol, series.timeframe)
        return list(bars or await call("fetch_ohlcv", series.symbol, series.timeframe))

    async def _sends_older(self, series: Series) -> bool:
        if series.timeframe not in self._exchange.api.timeframes:
            return False
        newest = await self.newest(series)
        length = self._exchange.candle_page(series) * series.step_ns
        for pages in _PAGES_BACK if newest else ():
            first = newest[0][0] * MS
            low = first - pages * length
            if await self._asked(series, low, first, first, (low, first)):
                return True
        return False

    async def _before(self, series: Series, start: int, end: int) -> AsyncGenerator[Page, None]:
        """[start, end), newest bars first, for pages that are cut at the old end.

        A bar at `end` is known, and asked for once more: no true answer is empty then.
        """
        step = series.step_ns
        while start < end:
            bars = await self._asked(series, start, end + step, end + step, (start, end))
            older = [bar for bar in bars if bar[0] * MS < end]
            low = older[0][0] * MS if older else start
            yield _page(older, low, end)
            end = low

    def _next_window(self, series: Series, at: int, end: int, known: int | None) -> tuple[int, int]:
        """What to ask for to go on at `at`: from a known bar on, if that is not too far back."""
        step = series.step_ns
        length = self._exchange.candle_page(series) * step
        since = known if known is not None and 0 <= at - known <= length // 2 else at
        return since, min(since + length, end)

    async def _asked(
        self, series: Series, start: int, end: int, upto: int, new: tuple[int, int]
    ) -> Bars:
        """ccxt's bars from `start` on and before `upto`, oldest first, where [start, end) was asked
        for. An answer with nothing in the range `new` may be a failure, or the page before once
        more: it is asked for twice.
        """
        bars = await self._once(series, start, end, upto)
        if any(new[0] <= bar[0] * MS < new[1] for bar in bars):
            return bars
        step = series.step_ns
        if bars and end - start <= NEVER_CUT * step:
            return bars  # the bar that is known is there, and there was hardly a page before
        return await self._once(series, start, end, upto)

    async def _once(self, series: Series, start: int, end: int, upto: int) -> Bars:
        step = series.step_ns
        limit = min(-(-(end - start) // step), self._exchange.candle_page(series))
        bars = await self._exchange.call(
            "fetch_ohlcv",
            series.symbol,
            series.timeframe,
            start // MS,
            limit,
            self._parameters(start, end, step),
        )
        # Without an end in the question, what lies beyond it is no fault of the answer.
        return [bar for bar in bars if start <= bar[0] * MS < upto]

    def _parameters(self, start: int, end: int, step: int) -> dict[str, Any]:
        profile = self._exchange.profile
        params: dict[str, Any] = {"until": end // MS - 1} if profile.candle_until else {}
        if profile.candle_recent is not None:
            # ccxt would choose by this machine's clock.
            recent = start >= self._exchange.clock.now() - profile.candle_recent * step
            params["type"] = "Candles" if recent else "HistoryCandles"
        return params

    async def _next_day_with_bars(self, series: Series, start: int, end: int) -> int:
        """Where to go on after a long silence: the next day with a bar, or `end`."""
        if "1d" not in (self._exchange.api.timeframes or {}):
            return start
        first = await self.first_day(_daily(series), start, end)
        return end if first is None else max(start, min(first, end))


async def newest_candles(
    history: CandleHistory, series: Series, start: int, end: int
) -> tuple[Page, int]:
    """The newest page of an exchange that has no other, and the ns from which it is complete."""
    bars = await history.newest(series)
    low = max(bars[0][0] * MS, start) if bars else end
    if low >= end:
        return Page(rows.candles([]), None), end
    return _page(bars, low, end), low


def beyond_reach(exchange: Exchange, series: Series, start: int, low: int) -> Beyond:
    """What to say where history begins later than it was wanted."""
    return Beyond(
        f"{exchange.name} keeps no candles of {series} before {format_ns(low)} that can be asked "
        f"for, and {format_ns(start)} was wanted: they can only be collected from now on."
    )


def _daily(series: Series) -> Series:
    return Series(CANDLES, series.instrument, "1d")


def _page(bars: Bars, low: int, high: int) -> Page:
    """A page that makes [low, high) ns complete with those of `bars` that lie in it."""
    return Page(_within(bars, low, high), (low, high))


def _within(bars: Bars, low: int, high: int) -> pa.Table:
    return rows.candles([bar for bar in bars if low <= bar[0] * MS < high])
