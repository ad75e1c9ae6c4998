"""ccxt's object for an exchange, made so that it leaves limits, retries and judgement to us."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from flightstore_ingest.ccxt_source.addresses import merged, swapped
from flightstore_ingest.ccxt_source.brake import Brake
from flightstore_ingest.ccxt_source.profiles import Profile
from flightstore_ingest.errors import Garbage
from flightstore_proto.errors import ConfigError, did_you_mean, near

log = logging.getLogger(__name__)

TIMEOUT_MS = 20_000
# What a stream may deliver between two looks at it; ccxt's own thousand loses bursts in silence.
STREAM_CACHE = 200_000


@dataclass(frozen=True, slots=True)
class Connecting:
    """How to reach an exchange.

    url      origin in place of every address of the exchange, for proxies and test servers
    urls     ccxt's `urls`, to override single addresses
    options  ccxt's `options`
    config   further arguments of ccxt's class: apiKey, secret, rateLimit, timeout (ms), ...
    speed    how fast the exchange's clock runs; other than 1 only for a simulated one
    """

    url: str = ""
    urls: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    speed: float = 1.0


def library() -> Any:
    """ccxt itself. Nobody else imports it, and nobody before it is used: that takes a second."""
    import ccxt
    import ccxt.async_support
    import ccxt.pro

    return ccxt


def instance(
    name: str, connecting: Connecting, market_types: tuple[str, ...], profile: Profile, brake: Brake
) -> Any:
    """ccxt's exchange `name`. Raises ConfigError if there is none."""
    ccxt = library()
    if name not in ccxt.exchanges:
        suggestions = near(name, ccxt.exchanges)
        raise ConfigError(
            f"ccxt knows no exchange {name!r}.{did_you_mean(suggestions)}", suggestions=suggestions
        )
    home = ccxt.pro if name in ccxt.pro.exchanges else ccxt.async_support
    options: dict[str, Any] = {
        "tradesLimit": STREAM_CACHE,
        "OHLCVLimit": 1000,
        "warnOnFetchOHLCVLimitArgument": False,
    }
    options |= profile.options
    listed_apart: tuple[str, ...] = ()
    if name == "binance":
        # Its three kinds of market have addresses of their own: one that fails would block all.
        options["fetchMarkets"] = {"types": list(market_types)}
        listed_apart = market_types
    options |= connecting.options
    api = getattr(home, name)(
        {"enableRateLimit": True, "timeout": TIMEOUT_MS, **connecting.config, "options": options}
    )
    api.maxRetriesOnFailure = 0  # ccxt's own retries do not wait
    if profile.exact_numbers:
        api.on_json_response = partial(json.loads, parse_float=str)
    api.throttle = _patient(api.throttle, brake)
    api.parse_ohlcv = checked_rows(api.parse_ohlcv)
    api.set_markets = checked_listing(api.set_markets, name, listed_apart)
    _tell_spot_streams_apart(api, _readdress(api, connecting))
    return api


def _readdress(api: Any, connecting: Connecting) -> bool:
    """Other addresses, where some are given. Returns whether there are."""
    if connecting.url:
        api.urls["api"] = swapped(api.urls["api"], connecting.url)
        log.info("%s is reached at %s", api.id, connecting.url)
    if connecting.urls:
        api.urls = merged(api.urls, connecting.urls)
    return bool(connecting.url or connecting.urls)


def _tell_spot_streams_apart(api: Any, readdressed: bool) -> None:
    """Binance in ccxt takes a stream for spot if its address contains '/stream', which holds for
    'wss://stream.binance.com' but for no address that was swapped."""
    if readdressed and hasattr(api, "is_spot_url"):
        spot = str(api.urls["api"]["ws"]["spot"])
        api.is_spot_url = lambda client: client.url.startswith(spot)


def _patient(
    throttle: Callable[[Any], Awaitable[Any]], brake: Brake
) -> Callable[[Any], Awaitable[None]]:
    """ccxt's queue for requests, for those who wait in it when the exchange says stop."""

    async def wait(cost: Any = None) -> None:
        await throttle(cost)
        while brake.waiting:
            await brake.released()
            await throttle(cost)  # all at once they would be too many again

    return wait


def checked_rows(parse: Callable[..., Any]) -> Callable[..., Any]:
    """ccxt's parser of one bar, for rows that it would drop, and leave a hole that nobody sees."""

    def parsed(bar: Any, market: Any = None) -> Any:
        result = parse(bar, market)
        # A row of zeros is how some say that there is none.
        if result[0] is None or (result[0] == 0 and any(value != 0 for value in result)):
            raise Garbage(f"The exchange sent a bar without a time: {str(bar)[:100]}.")
        return result

    return parsed


def checked_listing(
    keep: Callable[..., Any], name: str, kinds: Collection[str] = ()
) -> Callable[..., Any]:
    """ccxt's `set_markets`, for listings that cannot be true: every series would seem delisted.

    There must be markets, and some of each of `kinds` (spot, linear, inverse). Raises Garbage, and
    leaves the markets that were known before.
    """

    def kept(markets: Any, currencies: Any = None) -> Any:
        values = list(markets.values() if isinstance(markets, Mapping) else markets)
        if not values:
            raise Garbage(f"{name} listed no markets at all.")
        for kind in kinds:
            if not any(market.get(kind) for market in values):
                raise Garbage(f"{name} listed no {kind} markets at all.")
        return keep(markets, currencies)

    return kept
