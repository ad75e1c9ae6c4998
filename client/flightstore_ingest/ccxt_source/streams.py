"""Websockets: a wake-up, and a cache that is emptied here.

What ccxt's `watch_*` return is no queue: rows that came while nobody waited are in the cache and
not in the answer. So a call is kept waiting only to learn that there is something, or that the
connection is gone, and the rows are taken from the cache, all of them, every time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import Any

import pyarrow as pa

from flightstore_ingest.ccxt_source import rows
from flightstore_ingest.ccxt_source.claims import Claims
from flightstore_ingest.ccxt_source.exchange import Exchange
from flightstore_ingest.errors import Blocked, Ended, Refused, SourceError
from flightstore_ingest.pace import Backoff
from flightstore_ingest.source import CANDLES, TRADES, Page, Series

log = logging.getLogger(__name__)

MS = 1_000_000
LOOK_SECONDS = 0.25  # a look at the cache even if nobody woke us: bars close in silence
LINGER_SECONDS = 0.08  # what comes within it, after a look that found something, travels together
SILENCE_SECONDS = 60.0  # every exchange sends heartbeats more often than this
REDIAL_SECONDS, REDIAL_SECONDS_MAX = 0.5, 30.0
TWINS_MAX = 10_000  # trades without an id that are told apart, before the count begins anew
_NO_ROWS = {TRADES: rows.trades([]), CANDLES: rows.candles([])}


class Stream:
    """One subscription of ccxt's, kept alive. `wake` returns when there may be something new."""

    def __init__(self, exchange: Exchange, method: str, *args: Any) -> None:
        self._exchange, self._method, self._args = exchange, method, args
        self._key = (method, *args[:2])
        self._backoff = Backoff(REDIAL_SECONDS, REDIAL_SECONDS_MAX)
        self._watching: asyncio.Task[Any] | None = None
        self.away = True  # until there are news of a connection: what came before is not known
        self._looked = monotonic()
        # Where this was watched before and is now again, the socket it had is not to be trusted.
        exchange.hang_up(self._key, "subscribing anew")

    async def wake(self) -> bool:
        """Wait for news, a while at most. Returns False if rows may have been lost meanwhile: when
        the connection has gone, and once more when it is there again.

        Raises Refused, Ended or Blocked where watching is pointless.
        """
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        await asyncio.wait({self._watching}, timeout=LOOK_SECONDS)
        if not self._watching.done():
            return not (self._replaced() or self._hung_up())
        watching, self._watching = self._watching, None
        try:
            watching.result()
        except (Refused, Ended, Blocked):
            raise
        except SourceError as error:
            wait, self.away = self._backoff.after(error), True
            log.info("stream lost, dialling again in %.1f s: %s", wait, error.message)
            await asyncio.sleep(wait)
            return False
        self._backoff.reset()
        # Before anything is taken from the cache: what comes after the last look wakes the next.
        self._watching = asyncio.create_task(self._watch())
        # A lone trade goes at once; a busy stream is looked at as often as is worth a page.
        await asyncio.sleep(self._looked + LINGER_SECONDS - monotonic())
        self._looked = monotonic()
        away, self.away = self.away, False
        return not (self._replaced() or away)

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError, SourceError):
                await self._watching

    async def _watch(self) -> Any:
        try:
            return await self._exchange.sockets.watch(self._key, self._method, *self._args)
        except Exception as error:
            raise self._exchange.translated(error) from error

    def _replaced(self) -> bool:
        """Whether the connection was lost, and made anew, while nobody watched."""
        return self._exchange.sockets.replaced(self._key)

    def _hung_up(self) -> bool:
        """Whether the socket has been silent for too long; it is hung up then."""
        silent = self._exchange.sockets.silent_for(self._key)
        return silent > SILENCE_SECONDS and self._exchange.hang_up(
            self._key, f"silent for {silent:.0f} s"
        )


async def live_trades(exchange: Exchange, series: Series) -> AsyncGenerator[Page, None]:
    """Trades as they come; an empty page where some may have been lost."""
    profile = exchange.profile
    params = dict(profile.watch_trade_params)  # ccxt adds keys of its own
    stream = Stream(exchange, "watch_trades", series.symbol, None, None, params)
    claims, twins = Claims(), rows.Twins()
    try:
        while True:
            lost = not await stream.wake()
            fresh = _taken(exchange.api.trades.get(series.symbol))
            if fresh:
                table, covers = rows.trades(fresh, profile.trade_digits, twins), None
                if profile.contiguous_ids:
                    covers, missing = claims.after(_ids_and_times(table))
                    lost = lost or missing
                yield Page(table, covers)
            if lost or len(twins) > TWINS_MAX:
                twins.clear()
            if lost:
                yield Page(_NO_ROWS[TRADES])
    finally:
        await stream.close()


async def live_candles(
    exchange: Exchange, series: Series, grace_ns: int
) -> AsyncGenerator[Page, None]:
    """Bars once they are closed by the exchange's clock; an empty page where some may be lost."""
    step = series.step_ns
    stream = Stream(exchange, "watch_ohlcv", series.symbol, series.timeframe)
    written = exchange.clock.now() - step
    try:
        while True:
            lost = not await stream.wake()
            cache = exchange.api.ohlcvs.get(series.symbol, {}).get(series.timeframe)
            bars = _between(cache, written, exchange.clock.now() - grace_ns - step)
            if bars:
                written = bars[-1][0] * MS
                yield Page(rows.candles(bars))
            if lost:
                if stream.away:
                    _taken(cache)  # the bar that was open goes on without us: this is too old
                yield Page(_NO_ROWS[CANDLES])
    finally:
        await stream.close()


async def polled(sleep: Callable[[], Awaitable[None]], dataset: str) -> AsyncGenerator[Page, None]:
    """For what has no stream: says after each `sleep` that there may be something new."""
    while True:
        await sleep()
        yield Page(_NO_ROWS[dataset])


def _taken(cache: Any) -> list[Any]:
    """Everything in a cache of ccxt's, which is empty afterwards."""
    if not cache:
        return []
    fresh = list(cache)
    cache.clear()
    return fresh


def _ids_and_times(table: pa.Table) -> list[tuple[int, int]]:
    """Of trades whose ids are numbers; a missing or strange one shows as a gap."""
    times = table.column("ts").cast(pa.int64()).to_pylist()
    pairs = zip(table.column("id").to_pylist(), times, strict=True)
    return [(int(text), ns) for text, ns in pairs if text and text.isdigit() and ns is not None]


def _between(cache: Any, after: int, upto: int) -> list[Any]:
    """Bars with after < ts <= upto, oldest first; copies, since ccxt changes its own in place."""
    found: list[Any] = []
    for bar in reversed(cache or []):
        if not isinstance(bar[0], int):
            continue  # garbled: the history has it
        ts = bar[0] * MS
        if ts <= after:
            break
        if ts <= upto:
            found.append(list(bar))
    return found[::-1]
