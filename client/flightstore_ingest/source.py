"""What a source of market data is: series in, pages of rows with their coverage out.

A source is found by name through the entry point group `flightstore.sources`; `source = "name"`
in ingest.toml picks it, and the keys of that section's `settings` table become its arguments. It
is made once per section of the configuration and used from one event loop. Everything else is
done for it: what is missing, retries, checks, writing, progress, reports.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from flightstore_proto import timeframe as timeframes
from flightstore_proto.schemas import BUILT_IN

CANDLES, TRADES = "candles", "trades"
LOOK_SECONDS = 30.0  # how often a source without live data is looked at


@dataclass(frozen=True, slots=True, order=True)
class Series:
    """One stored sequence of rows: dataset `candles` or `trades`, instrument, timeframe."""

    dataset: str
    instrument: str
    timeframe: str = ""

    @property
    def symbol(self) -> str:
        """The instrument without its exchange."""
        return self.instrument.partition(":")[2]

    @property
    def step_ns(self) -> int:
        """Nanoseconds from one bar to the next; 0 for trades, and bars of months."""
        return timeframes.parse(self.timeframe).step_ns if self.timeframe else 0

    def __str__(self) -> str:
        return f"{self.instrument} {self.timeframe or self.dataset}"


@dataclass(frozen=True, slots=True)
class Anchor:
    """The newest stored row at or before the start of a range, by its key."""

    ts: int  # ns
    id: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one series and the range they make complete.

    rows    the dataset's columns (flightstore_proto.schemas), in any order
    covers  half-open range of ns in which the source has exactly these rows; None: makes no claim
    """

    rows: pa.Table
    covers: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """An instrument a source offers, with texts to keep (flightstore_proto.metadata)."""

    instrument: str
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listing:
    """Where a series begins at its source, and the question and answer that show it."""

    ts: int  # ns; nothing lies between the wanted start and here
    proof: str


class Source(Protocol):
    """Where rows come from. Errors are those of flightstore_ingest.errors.

    A subclass has to write `find` and `history`. The rest is as for a source that needs no
    connection, goes by this machine's clock and has no live data.
    """

    async def open(self) -> None:
        """Connect, load what is needed to answer the rest. Called first, and again if it failed."""
        return  # without a body a type checker would take it for one that must be written

    async def close(self) -> None:
        """Free everything. Called once."""
        return

    async def find(self, patterns: Sequence[str], dataset: str, timeframe: str) -> list[Found]:
        """The instruments that match symbols or globs (`BTC/USDT`, `*/USDT`).

        Raises Refused for a symbol or a timeframe the source does not have, naming near ones.
        """

    async def reload(self) -> None:
        """Look again at what there is to be found: new listings, delistings."""
        return

    def now(self) -> int:
        """The source's own clock in ns: what is closed, what is recent."""
        return time.time_ns()

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds` of the source's clock."""
        await asyncio.sleep(seconds)

    def waiting(self) -> str:
        """Why nobody may ask the source at present, such as a limit; empty while they may."""
        return ""

    def requests(self, series: Series) -> int:
        """How many requests were made for the series since `open`."""
        return 0

    async def listed(self, series: Series, wanted: int) -> Listing | None:
        """Where the series begins, if that is known to be later than `wanted` ns."""
        return None

    def history(
        self, series: Series, start: int, end: int, anchor: Anchor | None
    ) -> AsyncGenerator[Page, None]:
        """Every row in [start, end) in pages whose `covers`, together, make up the range.

        Pages may come in any order of time. `anchor` is the newest stored row if the store is
        complete right up to `start`: a source that pages by id goes on from it.
        """

    async def live(self, series: Series) -> AsyncGenerator[Page, None]:
        """New rows as they come, for ever.

        A page whose `covers` is None makes no claim; an empty one says that rows may have been
        lost, after a lost connection for instance: `history` is asked for what is missing then.
        """
        while True:
            await self.sleep(LOOK_SECONDS)
            yield Page(BUILT_IN[series.dataset].empty_table())
