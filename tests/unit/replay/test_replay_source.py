"""The source itself: what it finds, where its series begin, and what it knows by now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.unit.replay.recordings import BARS, MINUTE, SECOND, START, TICKS, bars, ticks

from flightstore_ingest.errors import Ended, Refused
from flightstore_ingest.replay import ReplaySource
from flightstore_ingest.source import CANDLES, TRADES, Page, Series

STANDING = 1e-9  # a second of the recording in 30 years
END = START + 60 * MINUTE


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Any]:
    """An hour of A/B: bars of a minute, and a trade every ten seconds."""
    bars(60).write_parquet(tmp_path / "bars.parquet")
    ticks([START + i * 10 * SECOND for i in range(360)]).write_parquet(tmp_path / "ticks.parquet")
    return {"A/B": [str(tmp_path / "bars.parquet"), str(tmp_path / "ticks.parquet")]}


@asynccontextmanager
async def opened(files: dict[str, Any], **settings: Any) -> AsyncIterator[ReplaySource]:
    source = ReplaySource("v", files=files, **settings)
    await source.open()
    yield source
    await source.close()


async def pages(source: ReplaySource, series: Series, start: int, end: int) -> list[Page]:
    return [page async for page in source.history(series, start, end, None)]


def test_its_clock_begins_at_the_first_row_of_all(files: dict[str, Any]) -> None:
    async def work() -> None:
        async with opened(files, speed=STANDING) as source:
            assert source.now() == START

    asyncio.run(work())


def test_history_ends_where_its_clock_is(files: dict[str, Any]) -> None:
    async def work() -> None:
        async with opened(files, speed=STANDING, start="2023-11-15T00:30:20") as source:
            [page] = await pages(source, BARS, START, END)
            assert page.covers == (START, START + 30 * MINUTE)
            [page] = await pages(source, TICKS, START, END)
            assert page.covers == (START, START + 30 * MINUTE + 20 * SECOND + 1)
            assert page.rows.num_rows == 30 * 6 + 3

    asyncio.run(work())


def test_live_rows_come_as_the_clock_passes_them(files: dict[str, Any]) -> None:
    async def work() -> None:
        async with opened(files, speed=600, start="2023-11-15T00:50") as source:
            seen = []
            async for page in source.live(BARS):
                assert page.covers is not None
                assert page.covers[1] <= source.now()
                seen += [each.value for each in page.rows.column("ts")]
                if page.covers[1] == END:
                    break
            assert seen == [START + i * MINUTE for i in range(50, 60)]

    asyncio.run(work())


def test_at_the_end_live_says_nothing_and_history_that_it_has_ended(files: dict[str, Any]) -> None:
    async def work() -> None:
        async with opened(files, speed="max") as source:
            silent = asyncio.ensure_future(anext(source.live(BARS)))
            [page] = await pages(source, BARS, START, END + MINUTE)
            assert page.covers == (START, END)
            with pytest.raises(Ended, match=r"bars.parquet ends at 2023-11-15T01:00:00Z"):
                await pages(source, BARS, END, END + MINUTE)
            assert not silent.done()
            silent.cancel()
            with pytest.raises(asyncio.CancelledError):
                await silent

    asyncio.run(work())


def test_a_series_begins_with_its_first_row(files: dict[str, Any]) -> None:
    async def work() -> None:
        async with opened(files, speed=STANDING) as source:
            listing = await source.listed(BARS, START - MINUTE)
            assert listing is not None
            assert listing.ts == START
            assert "bars.parquet" in listing.proof
            assert await source.listed(BARS, START) is None

    asyncio.run(work())


def test_a_first_row_that_lies_ahead_is_not_known_yet(files: dict[str, Any]) -> None:
    async def work() -> None:
        async with opened(files, speed=STANDING, start="2023-11-14") as source:
            assert await source.listed(BARS, START - 48 * 60 * MINUTE) is None

    asyncio.run(work())


def test_series_are_found_by_symbol_and_by_glob(files: dict[str, Any]) -> None:
    async def work() -> None:
        async with opened(files) as source:
            for pattern in ("A/B", "*", "A/?"):
                [found] = await source.find([pattern], CANDLES, "1m")
                assert found.instrument == "v:A/B"
                assert found.metadata == {"source": "replay/bars.parquet"}
            assert len(await source.find(["*"], TRADES, "")) == 1

    asyncio.run(work())


@pytest.mark.parametrize(
    ("pattern", "timeframe", "message"),
    [
        ("A/C", "1m", "no recording of 'A/C'. Did you mean A/B?"),
        ("A/B", "5m", "no 5m candles of 'A/B'; it has 1m, trades."),
    ],
)
def test_what_is_not_recorded_is_refused(
    pattern: str, timeframe: str, message: str, files: dict[str, Any]
) -> None:
    async def work() -> None:
        async with opened(files) as source:
            with pytest.raises(Refused) as caught:
                await source.find([pattern], CANDLES, timeframe)
            assert message in caught.value.message

    asyncio.run(work())


def test_a_file_that_cannot_be_read_stops_no_other(files: dict[str, Any]) -> None:
    async def work() -> None:
        async with opened(files | {"C/D": "gone.csv"}) as source:
            assert len(await source.find(["A/B"], CANDLES, "1m")) == 1
            assert len(await source.find(["*"], CANDLES, "1m")) == 1
            with pytest.raises(Refused, match="there is no file"):
                await source.find(["C/D"], CANDLES, "1m")

    asyncio.run(work())


def test_two_files_of_one_series_are_named(files: dict[str, Any], tmp_path: Path) -> None:
    async def work() -> None:
        bars(10).write_parquet(tmp_path / "again.parquet")
        files["A/B"].append(str(tmp_path / "again.parquet"))
        source = ReplaySource("v", files=files)
        await source.open()
        assert len(await source.find(["A/B"], CANDLES, "1m")) == 1
        with pytest.raises(Refused, match=r"is in bars.parquet and in again.parquet"):
            await source.find(["A/B"], CANDLES, "5m")
        await source.close()

    asyncio.run(work())


def test_files_none_of_which_can_be_read_are_an_error_at_once() -> None:
    with pytest.raises(Refused, match="there is no file"):
        asyncio.run(ReplaySource("v", files={"A/B": "gone.csv"}).open())
