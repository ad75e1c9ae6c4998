"""A source that has written no more than it must."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence

import pyarrow as pa
import pytest
from tests.support.serving import Serving
from tests.unit.replay.feeding import run_until

from flightstore_ingest import registry
from flightstore_ingest.source import CANDLES, Anchor, Found, Page, Series, Source
from flightstore_proto.schemas import BUILT_IN

SERIES = Series(CANDLES, "bare:A/B", "1m")
KEEP = [{"symbols": ["A/B"], "candles": ["1m"], "since": "-1h"}]


class Bare(Source):
    """A market in which nobody trades."""

    async def find(self, patterns: Sequence[str], dataset: str, timeframe: str) -> list[Found]:
        return [Found(SERIES.instrument)]

    async def history(
        self, series: Series, start: int, end: int, anchor: Anchor | None
    ) -> AsyncGenerator[Page, None]:
        yield Page(no_rows(), (start, end))


class Silent(Bare):
    """Its live data end as soon as they begin."""

    async def live(self, series: Series) -> AsyncGenerator[Page, None]:
        return
        yield Page(no_rows())


def no_rows() -> pa.Table:
    return BUILT_IN[CANDLES].empty_table()


def test_it_goes_by_this_machines_clock() -> None:
    assert abs(Bare().now() - time.time_ns()) < 60 * 10**9


def test_its_live_data_are_a_hint_to_ask_for_history(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(self: Source, seconds: float) -> None:
        assert seconds > 0

    monkeypatch.setattr(Bare, "sleep", at_once)

    async def first() -> Page:
        return await anext(Bare().live(SERIES))

    page = asyncio.run(first())
    assert (page.rows.num_rows, page.covers) == (0, None)


@pytest.mark.parametrize("kind", [Bare, Silent])
def test_it_is_kept_complete_without_live_data(
    kind: type[Source], store: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "make", lambda *_: kind())
    feed = run_until(
        store,
        "bare",
        {"source": "bare", "keep": KEEP},
        lambda feed: feed.keepers[0].progress.repairs > 0,
    )
    assert feed.keepers[0].progress.doing == "complete"
