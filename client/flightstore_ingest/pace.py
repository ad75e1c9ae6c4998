"""How long to wait, and how often to try: every pause of the ingestion is named here."""

from __future__ import annotations

import random
from dataclasses import dataclass

from flightstore_ingest.errors import Blocked, Busy, SourceError
from flightstore_proto.errors import FlightstoreError

CANDLE_GRACE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Pauses in seconds of the source's clock.

    candle_grace   a bar counts as closed this long after its end: exchanges publish late
    trade_grace    trades younger than this may still be missing from a REST reply
    confirm        how often live series are compared with the source's own history
    recheck_bars   bars before the newest that are read again each time: exchanges correct them
    deep_recheck   how often the whole last day of candles is read again
    """

    candle_grace: float = CANDLE_GRACE_SECONDS
    trade_grace: float = 10.0
    confirm: float = 300.0
    recheck_bars: int = 5
    deep_recheck: float = 86_400.0


class Backoff:
    """Waits that double from `first` to `longest` seconds, with a fifth of chance in them.

    Without the chance, all series of an exchange would come back in the same instant.
    """

    def __init__(self, first: float = 0.5, longest: float = 60.0) -> None:
        self._first, self._longest = first, longest
        self.failures = 0

    def reset(self) -> None:
        """Something worked."""
        self.failures = 0

    def after(self, error: FlightstoreError) -> float:
        """Seconds to wait after `error`, the latest in a row.

        To be told how long to wait is no failure.
        """
        if isinstance(error, Busy) and error.retry_after is not None:
            return error.retry_after
        self.failures += 1
        longest = 3_600.0 if isinstance(error, Blocked) else self._longest
        first = 60.0 if isinstance(error, Blocked) else self._first
        # 2**20 is far beyond any limit; without a bound the power would overflow in time.
        wait: float = min(first * 2.0 ** min(self.failures - 1, 20), longest)
        return wait * random.uniform(0.8, 1.2)


def is_final(error: FlightstoreError) -> bool:
    """Whether trying again is pointless: the series stops, and says so."""
    return isinstance(error, SourceError) and error.code in ("series_refused", "series_ended")
