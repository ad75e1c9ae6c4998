"""One exchange through ccxt: calls that wait their turn and fail in our own words.

ccxt is not imported before an exchange is opened: that takes a second and a hundred megabytes.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from flightstore_ingest.ccxt_source.brake import Brake
from flightstore_ingest.ccxt_source.clock import ExchangeClock
from flightstore_ingest.ccxt_source.failures import Unexplained, explained
from flightstore_ingest.ccxt_source.instance import Connecting, instance, library
from flightstore_ingest.ccxt_source.profiles import Profile, candle_page, profile_of
from flightstore_ingest.ccxt_source.sockets import Sockets
from flightstore_ingest.errors import Busy, Garbage, Refused, SourceError
from flightstore_ingest.source import Series

log = logging.getLogger(__name__)

# For which series the present task asks. Candles may be made of trades, and a listing be found by
# daily bars: by what is asked alone nobody could tell what one series costs.
asking_for: ContextVar[Series | None] = ContextVar("asking_for", default=None)

# How often one request is asked again that came too often, before whoever asked hears of it.
BUSY_MAX = 5
# Something unexplained so often in a row, a quarter of an hour of it, is no passing trouble.
UNEXPLAINED_MAX = 20
# What is answered with rows, or with an empty list of them, but never with an empty object.
_OF_ROWS = ("fetch_ohlcv", "fetch_trades")


@dataclass(slots=True)
class _Answer:
    """The latest HTTP answer to one call, below what ccxt makes of it."""

    method: str
    status: int = 0


_ANSWER: ContextVar[_Answer | None] = ContextVar("answer", default=None)


class Exchange:
    """One exchange. `open` before anything else; belongs to one event loop."""

    sockets: Sockets  # once it is open

    def __init__(
        self,
        name: str,
        connecting: Connecting,
        market_types: tuple[str, ...],
        profile: Profile | None = None,
    ) -> None:
        self.name = name
        self.profile: Profile = profile or profile_of(name)
        self.clock = ExchangeClock(connecting.speed)
        self.brake = Brake(self.clock, self.profile.weight_limit)
        self.requests: Counter[Series | None] = Counter()
        self._connecting = connecting
        self._market_types = market_types
        self._unexplained: Counter[tuple[Any, ...]] = Counter()
        self.api: Any = None

    async def open(self) -> None:
        """Load the markets and the exchange's time. Raises ConfigError for an unknown exchange."""
        if self.api is None:
            self.api = instance(
                self.name, self._connecting, self._market_types, self.profile, self.brake
            )
            self.api.on_rest_response = self._answered
            self.api.parse_json = self._only_json(self.api.parse_json)
            self.sockets = Sockets(self.api)
        await self.call("load_markets")
        await self.set_clock()

    async def close(self) -> None:
        """Free sockets. Nothing works afterwards."""
        if self.api is not None:
            await self.api.close()

    async def set_clock(self) -> None:
        """Ask the exchange what time it is, where it tells; its answers' headers tell otherwise."""
        if not self.can("fetchTime"):
            return
        try:
            told = await self.call("fetch_time")
        except (Garbage, Refused) as error:
            log.info("%s: its time is taken from its answers' headers: %s", self.name, error)
            return
        if isinstance(told, int) and told > 0:
            self.clock.told(told * 1_000_000)

    def can(self, method: str) -> bool:
        """Whether the exchange itself has what ccxt calls `method`; what ccxt emulates from
        something else is not what the exchange says."""
        return self.api.has.get(method) is True

    def candle_page(self, series: Series) -> int:
        """How many candles may be asked for at once."""
        return candle_page(self.profile, self.api.features, ":" in series.symbol)

    async def reload(self) -> None:
        """Load the markets again: new listings, delistings."""
        await self.call("load_markets", True)

    async def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """ccxt's `method`, when the exchange may be asked. Raises a SourceError.

        What was refused for coming too often is asked again here, after the wait: whoever asked may
        be in the middle of a search that it would have to begin anew.
        """
        for _ in range(BUSY_MAX):
            try:
                return await self._called(method, *args, **kwargs)
            except Busy as error:
                log.info("%s: asked again in %.1f s: %s", self.name, self.brake.waiting, error)
        return await self._called(method, *args, **kwargs)

    async def _called(self, method: str, *args: Any, **kwargs: Any) -> Any:
        await self.brake.released()
        self.requests[asking_for.get()] += 1
        answer = _Answer(method)
        _ANSWER.set(answer)
        try:
            result = await getattr(self.api, method)(*args, **kwargs)
        except SourceError:
            raise
        except Exception as error:
            failure = self.translated(error, answer.status)
            raise self._bounded((method, *args[:2]), failure) from error
        self._unexplained.pop((method, *args[:2]), None)
        return result

    def hang_up(self, stream: Hashable, why: str) -> bool:
        """Close the websocket that carries `stream`, if there is one; who watches on it redials."""
        return self.sockets.hang_up(stream, library().NetworkError(why))

    def translated(self, error: Exception, status: int = 0) -> SourceError:
        """What went wrong in ccxt, by what to do about it; `status` is that of the answer."""
        failure = explained(self.name, error, status)
        if isinstance(failure, Busy):
            if not self.brake.waiting:
                self.brake.strike(failure.message)
            failure.retry_after = self.brake.waiting
        return failure

    def _bounded(self, what: tuple[Any, ...], failure: SourceError) -> SourceError:
        """`failure`, or Refused if nobody has explained it often enough."""
        if not isinstance(failure, Unexplained) or what[0] not in _OF_ROWS:
            return failure
        self._unexplained[what] += 1
        if self._unexplained[what] < UNEXPLAINED_MAX:
            return failure
        del self._unexplained[what]
        return Refused(f"{failure.message} ({UNEXPLAINED_MAX} times in a row)")

    def _answered(
        self,
        code: int,
        reason: str,
        url: str,
        method: str,
        headers: Mapping[str, str],
        body: str,
        *request: Any,
    ) -> str:
        """ccxt's hook for every answer, before it is parsed."""
        answer = _ANSWER.get()
        if answer is not None:
            answer.status = code
        low = {name.lower(): value for name, value in headers.items()}
        if "date" in low:
            self.clock.header(low["date"])
        self.brake.answered(code, low, body)
        return body.strip()

    def _only_json(self, parse: Callable[[str], Any]) -> Callable[[str], Any]:
        """ccxt goes on with the text of an answer that is no JSON, letter by letter."""

        def parsed(text: str) -> Any:
            value, answer = parse(text), _ANSWER.get()
            if answer is None or not 200 <= answer.status < 300:
                return value
            if value is None or (value == {} and answer.method in _OF_ROWS):
                raise Garbage(f"{self.name} sent no answer, but {text[:60]!r}.")
            return value

        return parsed
