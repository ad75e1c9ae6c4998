"""A simulated exchange, a store, and the ingestion service between them.

    with Ingesting(tmp_path, "binance", tape, clock=Clock(NOON, speed=60)) as it:
        it.backfill()
        it.assert_equal_to_record()

Every `backfill` and `run_for` is a start of the service, and its end: what one of them leaves
undone, the next one finds in the store and nowhere else.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self

import polars as pl
from tests.support.serving import Serving

from flightstore_ingest.config import checked
from flightstore_ingest.pace import Pace
from flightstore_ingest.service import Feed
from flightstore_ingest.simulate import (
    Clock,
    Fault,
    Faults,
    Limit,
    Market,
    SimulatedExchange,
    Tape,
    running,
    seeded,
)
from flightstore_ingest.sink import Sink
from flightstore_ingest.source import CANDLES
from flightstore_proto.timerange import format_ns

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MIDNIGHT = 1_700_006_400 * SECOND  # 2023-11-15 00:00 UTC
BTC = Market("BTC/USDT")
SECONDS = 60.0  # real ones, after which a test has failed


def tape_of(start: int, end: int, per_minute: float = 6.0, market: Market = BTC) -> Tape:
    """Trades of [start, end) ns with quiet minutes and crowds, the same every time."""
    return seeded(market, start, end, per_minute, seed=1)


def wait_until(condition: Callable[[], bool], seconds: float = SECONDS / 2) -> None:
    """Raises TimeoutError if `condition` does not come true."""
    deadline = monotonic() + seconds
    while not condition():
        if monotonic() > deadline:
            raise TimeoutError(f"{condition} did not come true in {seconds:.0f} s")
        sleep(0.01)


class Ingesting:
    """`with`; belongs to one test.

    tapes    what the exchange trades
    keep     `[[exchange.keep]]`: one table or several; by default candles of 1m of every tape
    since    ns from which the default `keep` wants them; by default the first trade's minute
    section  further keys of the exchange's section of ingest.toml
    paced    whether ccxt waits between requests, as it does with a real exchange
    attempts failures in a row after which a series gives up; None: never
    """

    feed: Feed  # of the latest start
    store: Serving
    url: str

    def __init__(
        self,
        root: Path,
        name: str,
        tapes: Tape | Sequence[Tape],
        *,
        clock: Clock | None = None,
        keep: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        since: int | None = None,
        section: Mapping[str, Any] | None = None,
        limit: Limit | None = None,
        faults: Iterable[Fault] | Faults = (),
        page_cap: int | None = None,
        pace: Pace | None = None,
        paced: bool = False,
        attempts: int | None = None,
        sink_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.tapes = [tapes] if isinstance(tapes, Tape) else list(tapes)
        self.clock = clock or Clock(self.tapes[0].trades.ts[-1], speed=60)
        self.exchange = SimulatedExchange(
            name,
            self.tapes,
            clock=self.clock,
            limit=limit,
            faults=faults if isinstance(faults, Faults) else Faults(faults),
            page_cap=page_cap,
        )
        self.since = self._first_minute() if since is None else since
        self.keep = self._everything() if keep is None else keep
        self.section = dict(section or {})
        self.pace = pace or Pace()
        self.attempts = attempts
        self._paced, self._root = paced, root
        self._sink_options = dict(sink_options or {})
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.url = self._stack.enter_context(running(self.exchange))
        self.store = Serving(self._root)
        self._stack.callback(self.store.close)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    # ---- the service

    @asynccontextmanager
    async def service(self) -> AsyncIterator[Feed]:
        """The service, opened; for tests that do more with it than what is below."""
        async with Sink(self.store.db, **self._sink_options) as sink:
            feed = self.feed = Feed(
                self.exchange.name,
                self._checked_section(),
                self.store.db,
                sink,
                self.pace,
                attempts=self.attempts,
            )
            try:
                await feed.open()
                yield feed
            finally:
                await feed.close()

    def backfill(self, until: int | None = None) -> None:
        """Start, fetch everything missing up to `until` ns or now, and end."""

        async def work() -> None:
            async with self.service() as feed:
                await feed.backfill(until)

        self.run(work())

    def run_for(self, condition: Callable[[], bool], act: Callable[[], Any] | None = None) -> None:
        """Start, backfill and follow until `condition`, and end.

        `act` is called once the service runs. Raises what the service fails with, and TimeoutError
        if the condition does not come true.
        """

        async def work() -> None:
            async with self.service() as feed:
                following = asyncio.create_task(feed.run())
                try:
                    if act is not None:
                        await asyncio.to_thread(act)
                    await self._until(condition, following)
                finally:
                    following.cancel()
                    with suppress(asyncio.CancelledError):
                        await following

        self.run(work())

    def run(self, work: Any) -> None:
        """Run a coroutine; it has failed after SECONDS."""
        asyncio.run(asyncio.wait_for(work, SECONDS))

    async def _until(self, condition: Callable[[], bool], following: asyncio.Task[None]) -> None:
        deadline = monotonic() + SECONDS / 2  # in time to say what is the matter
        while not await asyncio.to_thread(condition):
            if following.done():
                following.result()
            if monotonic() > deadline:
                raise TimeoutError(f"{condition} did not come true: {self.state()}")
            await asyncio.sleep(0.02)

    def state(self) -> str:
        """What the series of the latest start are at, for messages."""
        return "; ".join(str(keeper.progress) for keeper in self.feed.keepers)

    # ---- what was stored, and what should have been

    def instrument(self, symbol: str = "") -> str:
        return f"{self.exchange.name}:{symbol or self.tapes[0].market.symbol}"

    def stored(self, dataset: str = CANDLES, timeframe: str = "1m", symbol: str = "") -> Any:
        """All rows in the store, a polars frame; `symbol` is the first tape's by default."""
        frame = timeframe if dataset == CANDLES else ""
        return self.store.db.read(dataset, self.instrument(symbol), frame)

    def covered(
        self, dataset: str = CANDLES, timeframe: str = "1m", symbol: str = ""
    ) -> list[tuple[int, int]]:
        """The ranges of ns the store knows complete."""
        frame = timeframe if dataset == CANDLES else ""
        found: Any = self.store.db.coverage(self.instrument(symbol), frame, dataset=dataset)
        return list(found.select(pl.col("start", "end").dt.epoch("ns")).iter_rows())

    def stored_until(self, dataset: str = CANDLES, timeframe: str = "1m", symbol: str = "") -> int:
        """The ns up to which the newest range is covered; 0 before anything is stored."""
        if not len(self.store.db.series(self.instrument(symbol), dataset=dataset)):
            return 0
        return max((end for _, end in self.covered(dataset, timeframe, symbol)), default=0)

    def metadata(
        self, dataset: str = CANDLES, timeframe: str = "1m", symbol: str = ""
    ) -> dict[str, str]:
        """The texts stored with a series."""
        listed: Any = self.store.db.series(self.instrument(symbol), dataset=dataset)
        frame = timeframe if dataset == CANDLES else ""
        return dict(json.loads(listed.filter(pl.col("timeframe") == frame)["metadata"][0]))

    def record(
        self,
        start: int,
        end: int,
        dataset: str = CANDLES,
        timeframe: str = "1m",
        symbol: str = "",
    ) -> Any:
        """What the exchange itself has of [start, end) ns, as the store should have it."""
        tape = self._tape(symbol)
        if dataset == CANDLES:
            table = tape.bar_table(timeframe, start, end)
        elif self.exchange.name == "binance":
            table = tape.aggregate_table(start, end)  # Binance's trades are its aggregates
        else:
            table = tape.table(start, end)
        ts = pl.col("ts").dt.epoch("ns")
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        return frame.filter((ts >= start) & (ts < end))

    def assert_equal_to_record(
        self,
        dataset: str = CANDLES,
        timeframe: str = "1m",
        symbol: str = "",
        *,
        start: int | None = None,
        end: int | None = None,
    ) -> None:
        """One unbroken range is covered from `start` (since) to `end` (what was closed, or later),
        and its rows are the exchange's own: none missing, none more, none different.
        """
        start = self.since if start is None else start
        covered = self.covered(dataset, timeframe, symbol)
        assert len(covered) == 1, f"covered in pieces: {_words(covered)}"
        low, high = covered[0]
        assert low <= start, f"covered only from {format_ns(low)} on"
        if end is not None:
            assert high >= end, f"covered only up to {format_ns(high)}"
        rows, ts = self.stored(dataset, timeframe, symbol), pl.col("ts").dt.epoch("ns")
        rows = rows.filter((ts >= low) & (ts < high))
        wanted = self.record(low, high, dataset, timeframe, symbol).select(rows.columns)
        missing = wanted.join(rows, on=wanted.columns, how="anti")
        extra = rows.join(wanted, on=wanted.columns, how="anti")
        assert rows.equals(wanted), (
            f"{len(missing)} rows are missing or different, {len(extra)} are no rows of the "
            f"exchange's\n{missing.head(3)}\n{extra.head(3)}"
        )
        assert len(rows) or start >= high, "there is nothing to compare"

    # ---- parts

    def _first_minute(self) -> int:
        first = self.tapes[0].trades.ts[0]
        return first - first % MINUTE

    def _everything(self) -> dict[str, Any]:
        symbols = [tape.market.symbol for tape in self.tapes]
        return {"symbols": symbols, "candles": ["1m"], "since": format_ns(self.since)}

    def _checked_section(self) -> Any:
        keep = [self.keep] if isinstance(self.keep, Mapping) else list(self.keep)
        # What ccxt waits at the end is for connections with TLS.
        config = {"enableRateLimit": self._paced, "timeout_on_exit": 0}
        config |= self.section.get("config", {})
        section = {"url": self.url, "speed": self.clock.speed, "keep": keep} | self.section
        section["config"] = config
        name = self.exchange.name
        return checked({"exchange": {name: section}}, "the test").exchange[name]

    def _tape(self, symbol: str) -> Tape:
        return self.exchange.tapes[symbol or self.tapes[0].market.symbol]


def _words(ranges: Sequence[tuple[int, int]]) -> str:
    return ", ".join(f"{format_ns(low)} to {format_ns(high)}" for low, high in ranges)
