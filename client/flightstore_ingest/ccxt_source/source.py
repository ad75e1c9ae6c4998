"""CcxtSource: one exchange, as the rest of the service sees it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from flightstore_ingest.ccxt_source import markets
from flightstore_ingest.ccxt_source.bars import span_of_bars, whole_bars
from flightstore_ingest.ccxt_source.candles import CandleHistory, beyond_reach, newest_candles
from flightstore_ingest.ccxt_source.exchange import Exchange, asking_for
from flightstore_ingest.ccxt_source.instance import Connecting
from flightstore_ingest.ccxt_source.listing import listed
from flightstore_ingest.ccxt_source.profiles import profile_of
from flightstore_ingest.ccxt_source.streams import live_candles, live_trades, polled
from flightstore_ingest.ccxt_source.trades import trade_pages
from flightstore_ingest.pace import CANDLE_GRACE_SECONDS
from flightstore_ingest.source import CANDLES, TRADES, Anchor, Found, Listing, Page, Series
from flightstore_proto import timeframe as timeframes
from flightstore_proto.timeframe import SECOND_NS

POLL_SECONDS = 10.0


class CcxtSource:
    """An exchange through ccxt; a `flightstore_ingest.Source`.

    exchange  ccxt's id: binance, kraken, coinbaseexchange, ...
    symbols   what will be asked for, so that only those kinds of market are loaded
    live      "auto" takes a websocket where there is one, "poll" never
    trades    "single" for single trades where the exchange would rather send aggregates (Binance)
    candle_grace  seconds after its end when a streamed bar counts as closed
    url, urls, options, config, speed: see Connecting
    """

    def __init__(
        self,
        exchange: str,
        *,
        symbols: Sequence[str] = ("*",),
        live: str = "auto",
        url: str = "",
        urls: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
        speed: float = 1.0,
        trades: str = "",
        candle_grace: float = CANDLE_GRACE_SECONDS,
    ) -> None:
        reach = Connecting(url, urls or {}, options or {}, config or {}, speed)
        types = markets.market_types(symbols)
        self.exchange = Exchange(exchange, reach, types, profile_of(exchange, trades))
        self._candles = CandleHistory(self.exchange)
        self._poll, self._candle_grace = live == "poll", candle_grace
        self._watched: dict[str, str] = {}  # by symbol, the timeframe that was streamed first

    async def open(self) -> None:
        await self.exchange.open()

    async def close(self) -> None:
        await self.exchange.close()

    async def find(self, patterns: Sequence[str], dataset: str, timeframe: str) -> list[Found]:
        return markets.find(self.exchange, patterns, dataset, timeframe)

    async def reload(self) -> None:
        await self.exchange.reload()
        await self.exchange.set_clock()

    def now(self) -> int:
        return self.exchange.clock.now()

    async def sleep(self, seconds: float) -> None:
        await self.exchange.clock.sleep(seconds)

    def waiting(self) -> str:
        brake = self.exchange.brake
        return f"{brake.waiting:.0f} s: {brake.reason}" if brake.waiting else ""

    def requests(self, series: Series) -> int:
        return self.exchange.requests[series]

    async def listed(self, series: Series, wanted: int) -> Listing | None:
        asking_for.set(series)
        return await listed(self.exchange, self._candles, series, wanted)

    def history(
        self, series: Series, start: int, end: int, anchor: Anchor | None
    ) -> AsyncGenerator[Page, None]:
        asking_for.set(series)
        if series.dataset == TRADES:
            return trade_pages(self.exchange, series, start, end, anchor)
        return self._candle_history(series, start, end, anchor)

    def live(self, series: Series) -> AsyncGenerator[Page, None]:
        asking_for.set(series)
        can = self.exchange.can
        if self._poll:
            return polled(lambda: self._next_look(series), series.dataset)
        if series.dataset == TRADES and can("watchTrades"):
            return live_trades(self.exchange, series)
        if series.dataset == CANDLES and can("watchOHLCV") and self._streamed(series):
            return live_candles(self.exchange, series, int(self._candle_grace * SECOND_NS))
        return polled(lambda: self._next_look(series), series.dataset)

    def _streamed(self, series: Series) -> bool:
        """Whether the websocket's candles of `series` are what the history says."""
        profile = self.exchange.profile
        if profile.watch_candles_spot_only and ":" in series.symbol:
            return False
        first = self._watched.setdefault(series.symbol, series.timeframe)
        return first == series.timeframe or not profile.watch_one_timeframe

    async def _next_look(self, series: Series) -> None:
        """Wait until polling may find something: the next closed bar, or a while."""
        if series.dataset == TRADES:
            await self.exchange.clock.sleep(POLL_SECONDS)
            return
        frame = timeframes.parse(series.timeframe)
        left = frame.step_ns - (self.now() - frame.offset_ns) % frame.step_ns
        await self.exchange.clock.sleep(left / SECOND_NS + self._candle_grace + 0.5)

    async def _candle_history(
        self, series: Series, start: int, end: int, anchor: Anchor | None
    ) -> AsyncGenerator[Page, None]:
        if await self._candles.reaches_back(series):
            known = None if anchor is None else anchor.ts
            pages = self._candles.pages(series, start, end, known)
        else:
            pages = self._newest_then_trades(series, start, end)
        async with aclosing(pages):
            async for page in pages:
                yield page

    async def _newest_then_trades(
        self, series: Series, start: int, end: int
    ) -> AsyncGenerator[Page, None]:
        """The newest candles as they are, older ones made from trades."""
        page, low = await newest_candles(self._candles, series, start, end)
        if page.covers is not None:
            yield page
        if low <= start:
            return
        if self.exchange.profile.trade_paging not in ("cursor", "id"):
            raise beyond_reach(self.exchange, series, start, low)
        upto = min(low, end)
        of_trades = Series(TRADES, series.instrument)
        frame = timeframes.parse(series.timeframe)
        trades = trade_pages(self.exchange, of_trades, *span_of_bars(frame, start, upto), None)
        bars = whole_bars(trades, frame, start, upto)
        async with aclosing(bars) as pages:
            async for made in pages:
                yield made
