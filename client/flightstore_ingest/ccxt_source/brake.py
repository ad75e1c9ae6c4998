"""Brake: nobody asks the exchange while it wants to be left alone.

ccxt paces requests by each exchange's published rate; this is for what the exchange says on top: a
wait after too many requests, a ban, a weight that nears its limit. It holds every series at once,
since an exchange counts by address and not by series.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from time import monotonic

from flightstore_ingest.ccxt_source.clock import ExchangeClock, from_header
from flightstore_proto.timeframe import SECOND_NS

# Binance: requests weigh differently, and what an address may spend a minute differs by market.
# https://developers.binance.com/docs/binance-spot-api-docs/rest-api/limits
WEIGHT_HEADER = "x-mbx-used-weight-1m"
WEIGHT_SHARE_MAX = 0.9
_BANNED_UNTIL = re.compile(r"banned until (\d{13})")
_TOO_MANY, _BANNED, _UNAVAILABLE = 429, 418, 503
# A server that says how long to wait may be wrong, but not by more than this: three days is the
# longest ban that Binance documents.
WAIT_SECONDS_MAX = 3 * 86_400.0
# Where the exchange does not say how long: the first time, and at most.
FIRST_WAIT_SECONDS, BAN_SECONDS = 5.0, 120.0


class Brake:
    """Shared by all calls to one exchange; belongs to one event loop.

    clock         the exchange's: by it bans end, and minutes begin
    weight_limit  what may be spent per minute by the WEIGHT_HEADER; None: not counted
    """

    def __init__(self, clock: ExchangeClock, weight_limit: int | None = None) -> None:
        self._clock, self._weight_limit = clock, weight_limit
        self._until = 0.0
        self._strikes = 0  # refusals in a row that did not say how long to wait
        self.reason = ""

    @property
    def waiting(self) -> float:
        """Seconds until requests go on; 0 while they do."""
        return max(0.0, self._until - monotonic())

    async def released(self) -> None:
        """Wait until the exchange may be asked."""
        while (wait := self.waiting) > 0:
            await asyncio.sleep(wait)

    def hold(self, seconds: float, reason: str) -> None:
        """Let nobody ask for `seconds` from now."""
        until = monotonic() + min(max(seconds, 0.0), WAIT_SECONDS_MAX)
        if until > self._until:
            self._until, self.reason = until, reason

    def strike(self, reason: str, banned: bool = False) -> None:
        """The exchange was asked too often, and does not say for how long to leave it alone."""
        wait = BAN_SECONDS if banned else min(FIRST_WAIT_SECONDS * 2**self._strikes, BAN_SECONDS)
        self._strikes = min(self._strikes + 1, 10)
        self.hold(wait, reason)

    def answered(self, status: int, headers: Mapping[str, str], body: str) -> None:
        """Take notice of an answer. Names of `headers` are in lower case."""
        wait = self._told(headers, body)
        reason = f"{status} from the exchange"
        if wait is not None and status in (_TOO_MANY, _BANNED, _UNAVAILABLE):
            self.hold(wait, reason)
        elif status in (_TOO_MANY, _BANNED):
            self.strike(reason, banned=status == _BANNED)
        elif status == 200:
            self._strikes = 0
            self._weigh(headers)

    def _told(self, headers: Mapping[str, str], body: str) -> float | None:
        """The seconds that the exchange says it wants to be left alone."""
        after = headers.get("retry-after", "").strip()
        if after.replace(".", "", 1).isdigit():
            return float(after)
        until = from_header(after)
        if until is None and (banned := _BANNED_UNTIL.search(body)):
            until = int(banned[1]) * 1_000_000
        return None if until is None else self._clock.seconds_until(until)

    def _weigh(self, headers: Mapping[str, str]) -> None:
        weight = headers.get(WEIGHT_HEADER, "")
        if self._weight_limit is None or not weight.isdigit():
            return
        if int(weight) >= WEIGHT_SHARE_MAX * self._weight_limit:
            # The count starts again with the next minute of the exchange's clock.
            now = self._clock.now()
            next_minute = now - now % (60 * SECOND_NS) + 61 * SECOND_NS
            used = f"{weight} of {self._weight_limit} weight used"
            self.hold(self._clock.seconds_until(next_minute), used)
