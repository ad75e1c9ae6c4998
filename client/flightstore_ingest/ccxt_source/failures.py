"""What goes wrong in ccxt, by what to do about it."""

from __future__ import annotations

from flightstore_ingest.ccxt_source.instance import library
from flightstore_ingest.errors import (
    Blocked,
    Busy,
    Ended,
    Garbage,
    Refused,
    SourceError,
    Unreachable,
)

# How the law or a firewall says no. ccxt takes both for a network's failure.
_REFUSED_HERE = (403, 451)
TEXT_CHARACTERS_MAX = 300


class Unexplained(Unreachable):
    """The exchange said something for which ccxt has no name: perhaps a passing trouble, perhaps
    not. It is asked again, but not for ever."""


def explained(
    exchange: str, error: Exception, status: int = 0, retry_after: float | None = None
) -> SourceError:
    """`error` of ccxt's in our own words.

    status       of the HTTP answer; 0 if there was none
    retry_after  seconds that the exchange wants to be left alone, if it has said so
    """
    ccxt = library()
    text = f"{exchange}: {_short(error)}"
    if isinstance(error, ccxt.RateLimitExceeded | ccxt.DDoSProtection):
        return Busy(text, retry_after)
    if status in _REFUSED_HERE or isinstance(
        error, ccxt.RestrictedLocation | ccxt.PermissionDenied
    ):
        return Blocked(f"{text} (refused here: another address, a proxy or a key may help)")
    if isinstance(error, ccxt.BadSymbol):
        return Ended(text)
    if isinstance(error, ccxt.AuthenticationError):
        return Refused(f"{text} (this needs an API key in the configuration)")
    if isinstance(error, ccxt.NotSupported | ccxt.ArgumentsRequired | ccxt.BadRequest):
        return Refused(text)
    if isinstance(error, ccxt.BadResponse):
        return Garbage(text)
    if isinstance(error, ccxt.OperationFailed) or _network_in_disguise(error):
        return Unreachable(text)
    if isinstance(error, ccxt.BaseError):
        return Unexplained(text)
    return Garbage(f"{text}: the answer makes no sense ({type(error).__name__})")


def _short(error: Exception) -> str:
    """An error in one line; ccxt puts whole web pages into its messages."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= TEXT_CHARACTERS_MAX else f"{text[:TEXT_CHARACTERS_MAX]}…"


def _network_in_disguise(error: Exception) -> bool:
    """aiohttp's errors, such as a body that was cut, reach us as a plain ExchangeError."""
    import aiohttp

    cause = error.__cause__ or error.__context__
    return isinstance(cause, aiohttp.ClientError | OSError | TimeoutError)
