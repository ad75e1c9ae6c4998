"""A source that does what a test tells it, by a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

import pyarrow as pa

from flightstore_ingest.source import Anchor, Found, Listing, Page, Series
from flightstore_proto.schemas import CANDLES

MINUTE = 60 * 10**9
NOON = 1_700_049_600 * 10**9
BARS = Series("candles", "test:BTC/USDT", "1m")
Answer = Callable[[int, int], Sequence[Page | Exception]]


def bars(start: int, end: int) -> pa.Table:
    """A bar for every minute of [start, end) ns."""
    ts = list(range(start, end, MINUTE))
    flat = [[float(at // MINUTE % 100 + 1)] * 1 for at in ts]
    prices = [value[0] for value in flat]
    columns = [pa.array(ts, pa.int64()).cast(CANDLES.field(0).type)]
    columns += [pa.array(prices, pa.float64())] * 5
    return pa.table(columns, schema=CANDLES)


def whole(start: int, end: int) -> list[Page | Exception]:
    """The range in one page."""
    return [Page(bars(start, end), (start, end))]


class ScriptedSource:
    """Answers each `history` with the next of `answers`, and with the whole range afterwards."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[int, int]] = []
        self.anchors: list[Anchor | None] = []
        self.clock = NOON + 60 * MINUTE
        self.slept: list[float] = []
        self.listing: Listing | None = None

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def find(self, patterns: Sequence[str], dataset: str, timeframe: str) -> list[Found]:
        return [Found(f"test:{pattern}") for pattern in patterns]

    def now(self) -> int:
        return self.clock

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    async def listed(self, series: Series, wanted: int) -> Listing | None:
        return self.listing

    def requests(self, series: Series) -> int:
        return len(self.asked)

    async def history(
        self, series: Series, start: int, end: int, anchor: Anchor | None
    ) -> AsyncGenerator[Page, None]:
        self.asked.append((start, end))
        self.anchors.append(anchor)
        answer = self.answers.pop(0) if self.answers else whole
        for item in answer(start, end):
            if isinstance(item, Exception):
                raise item
            yield item

    async def live(self, series: Series) -> AsyncGenerator[Page, None]:
        await asyncio.Event().wait()
        yield Page(CANDLES.empty_table())
