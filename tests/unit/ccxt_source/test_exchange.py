"""Calls to ccxt: what its errors mean, and what is made of answers that are none."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import aiohttp
import ccxt
import pytest

from flightstore_ingest.ccxt_source import exchange as exchange_module
from flightstore_ingest.ccxt_source.exchange import UNEXPLAINED_MAX, Exchange
from flightstore_ingest.ccxt_source.failures import Unexplained, explained
from flightstore_ingest.ccxt_source.instance import Connecting, checked_listing
from flightstore_ingest.errors import (
    Blocked,
    Busy,
    Ended,
    Garbage,
    Refused,
    SourceError,
    Unreachable,
)
from flightstore_proto.errors import ConfigError

CUT_BODY = ccxt.ExchangeError("binance GET https://...")
CUT_BODY.__cause__ = aiohttp.ClientPayloadError("Response payload is not completed")


@pytest.mark.parametrize(
    ("error", "status", "meaning"),
    [
        (ccxt.RateLimitExceeded("429"), 429, Busy),
        (ccxt.DDoSProtection("418"), 418, Busy),
        (ccxt.ExchangeNotAvailable("unavailable from a restricted location"), 451, Blocked),
        (ccxt.ExchangeNotAvailable("forbidden"), 403, Blocked),
        (ccxt.ExchangeError("some text of its own"), 403, Blocked),
        (ccxt.RestrictedLocation("not in your country"), 200, Blocked),
        (ccxt.PermissionDenied("not you"), 200, Blocked),
        (ccxt.BadSymbol("no such market"), 400, Ended),
        (ccxt.BadRequest("too long ago"), 400, Refused),
        (ccxt.NotSupported("never had that"), 0, Refused),
        (ccxt.ArgumentsRequired("until"), 0, Refused),
        (ccxt.AuthenticationError("a key, please"), 401, Refused),
        (ccxt.OnMaintenance("back soon"), 503, Unreachable),
        (ccxt.ExchangeNotAvailable("502"), 502, Unreachable),
        (ccxt.RequestTimeout("nothing came"), 0, Unreachable),
        (ccxt.InvalidNonce("the clocks differ"), 200, Unreachable),
        (ccxt.NetworkError("no route"), 0, Unreachable),
        (ccxt.OperationFailed("could not"), 200, Unreachable),
        (CUT_BODY, 200, Unreachable),
        (ccxt.BadResponse("what?"), 200, Garbage),
        (ccxt.NullResponse("nothing"), 200, Garbage),
        (ccxt.ExchangeError('{"code":-9999}'), 200, Unexplained),
        (ccxt.MarketClosed("closed"), 200, Unexplained),
        (KeyError("result"), 200, Garbage),
        (TypeError("'<' not supported between instances of 'str' and 'int'"), 200, Garbage),
        (IndexError("list index out of range"), 200, Garbage),
    ],
)
def test_an_error_of_ccxts_says_what_to_do_about_it(
    error: Exception, status: int, meaning: type[SourceError]
) -> None:
    found = explained("binance", error, status)
    assert type(found) is meaning
    assert found.message.startswith("binance: ")


def test_an_error_is_one_line_however_much_ccxt_puts_into_it() -> None:
    page = "<html>\r\n" + "<p>Bad Gateway</p>\r\n" * 500
    message = explained("binance", ccxt.ExchangeNotAvailable(page), 502).message
    assert "\n" not in message
    assert len(message) < 400


def exchange(answer: Any) -> Exchange:
    """One whose `fetch_ohlcv` does what `answer` says; an error is raised."""
    found = Exchange("binance", Connecting(), ("spot",))

    async def fetch_ohlcv(*args: Any) -> Any:
        result = answer(*args) if callable(answer) else answer
        if isinstance(result, Exception):
            raise result
        return result

    found.api = SimpleNamespace(fetch_ohlcv=fetch_ohlcv, has={}, features={})
    return found


def failure(of: Exchange, *args: Any) -> SourceError | None:
    try:
        asyncio.run(of.call("fetch_ohlcv", *args))
    except SourceError as error:
        return error
    return None


def test_what_nobody_can_explain_is_asked_again_but_not_for_ever() -> None:
    of = exchange(ccxt.ExchangeError('{"code":-9999}'))
    for _ in range(UNEXPLAINED_MAX - 1):
        assert isinstance(failure(of, "BTC/USDT", "1m"), Unreachable)
    last = failure(of, "BTC/USDT", "1m")
    assert isinstance(last, Refused)
    assert "-9999" in last.message


def test_an_answer_in_between_starts_the_count_anew() -> None:
    answers = iter([ccxt.ExchangeError("x")] * (UNEXPLAINED_MAX - 1) + [[]])
    of = exchange(lambda *args: next(answers, ccxt.ExchangeError("x")))
    for _ in range(UNEXPLAINED_MAX * 2 - 1):
        assert not isinstance(failure(of, "BTC/USDT", "1m"), Refused)
    assert isinstance(failure(of, "BTC/USDT", "1m"), Refused)


def test_one_markets_trouble_is_not_counted_against_another() -> None:
    of = exchange(ccxt.ExchangeError("x"))
    for number in range(3 * UNEXPLAINED_MAX):
        assert isinstance(failure(of, f"C{number}/USDT", "1m"), Unreachable)


def test_markets_that_cannot_be_loaded_are_asked_for_without_end() -> None:
    """That would end every series of the exchange, and not one."""
    of = exchange([])

    async def load_markets(reload: bool) -> None:
        raise ccxt.ExchangeError("x")

    of.api.load_markets = load_markets

    async def reload() -> None:
        with pytest.raises(Unreachable):
            await of.reload()

    for _ in range(2 * UNEXPLAINED_MAX):
        asyncio.run(reload())


def test_too_many_requests_said_with_status_200_holds_everyone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Kraken says so in a field of an ordinary answer."""
    monkeypatch.setattr(exchange_module, "BUSY_MAX", 0)  # or it waits for minutes, and asks again
    of = exchange(ccxt.RateLimitExceeded("EGeneral:Too many requests"))
    error = failure(of, "BTC/USDT", "1m")
    assert isinstance(error, Busy)
    assert of.brake.waiting > 0
    assert error.retry_after == pytest.approx(of.brake.waiting, abs=1)


def test_an_exchange_ccxt_does_not_know_is_named_with_near_ones() -> None:
    with pytest.raises(ConfigError, match=r"(?s)binanse.*binance"):
        asyncio.run(Exchange("binanse", Connecting(), ("spot",)).open())


@pytest.mark.parametrize("value", ["emulated", None, False])
def test_what_ccxt_emulates_is_not_what_the_exchange_says(value: Any) -> None:
    of = exchange([])
    of.api.has["fetchOHLCV"] = value
    assert not of.can("fetchOHLCV")


def test_ccxt_itself_never_sends_a_request_again() -> None:
    async def work() -> int:
        of = Exchange("kraken", Connecting(url="http://127.0.0.1:1"), ("spot",))
        with pytest.raises(Unreachable):
            await of.open()
        retries = of.api.maxRetriesOnFailure
        await of.close()
        return int(retries)

    assert asyncio.run(work()) == 0


@pytest.mark.parametrize(
    "listed", [[], {}, [{"symbol": "BTC/USDT", "spot": True, "linear": False}]]
)
def test_a_listing_without_a_kind_of_market_leaves_what_was_known(listed: Any) -> None:
    known: list[Any] = []
    keep = checked_listing(lambda markets, currencies: known.append(markets), "of", ["linear"])
    with pytest.raises(Garbage, match="listed no"):
        keep(listed)
    assert known == []


def test_a_listing_with_every_kind_of_market_is_kept() -> None:
    known: list[Any] = []
    keep = checked_listing(lambda markets, currencies: known.append(markets), "of", ["linear"])
    keep({"BTC/USDT:USDT": {"linear": True}})
    assert known == [{"BTC/USDT:USDT": {"linear": True}}]
