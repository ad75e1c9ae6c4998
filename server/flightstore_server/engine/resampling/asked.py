"""How stored rows are to be shaped before they are handed out."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from flightstore_server.engine.aggregates import fitting
from flightstore_server.engine.aggregates.fitting import UTC, Calendar

CANDLES = "candles"
TRADES = "trades"


class Fill(enum.Enum):
    """What stands in the rows of the grid's times that have none."""

    NULL = "null"  # nothing
    FORWARD = "ffill"  # what the row before says; of candles its close, and no volume


@dataclass(frozen=True, slots=True)
class Resample:
    """That bars which are not stored shall be made.

    source    a timeframe of candles, or trades; empty: the longest stored timeframe that fits
    timezone  days, weeks and months begin at midnight there; empty: UTC
    offset    and so much later, such as 17h; empty: not
    """

    source: str = ""
    timezone: str = ""
    offset: str = ""

    @property
    def calendar(self) -> Calendar:
        """Raises BadRequest if the offset is none."""
        return self.timezone or UTC, fitting.offset_ns(self.offset)

    @property
    def names_calendar(self) -> bool:
        """Whether bars of another calendar are not what is meant."""
        return bool(self.timezone or self.offset)
