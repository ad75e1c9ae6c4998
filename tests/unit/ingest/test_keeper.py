"""One series is kept complete, whatever its source does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pyarrow as pa
import pytest
from tests.support.serving import Serving
from tests.unit.ingest.scripted import BARS, MINUTE, NOON, ScriptedSource, bars, whole

from flightstore_ingest.errors import Beyond, Busy, Ended, Garbage, Refused, Unreachable
from flightstore_ingest.keeper import Keeper
from flightstore_ingest.pace import Pace
from flightstore_ingest.sink import Sink
from flightstore_ingest.source import Listing, Page
from flightstore_proto.errors import FlightstoreError
from flightstore_proto.metadata import LISTED, LISTED_PROOF, SOURCE, WANTED_FROM

END = NOON + 30 * MINUTE
MIDDLE = NOON + 10 * MINUTE


def keeping(
    store: Serving,
    source: ScriptedSource,
    work: Callable[[Keeper], Awaitable[object]],
    *,
    since: int = NOON,
    attempts: int | None = 5,
) -> Keeper:
    """Do `work` with a new keeper, as a start of the service does."""

    async def run() -> Keeper:
        async with Sink(store.db) as sink:
            keeper = Keeper(
                BARS,
                source,
                sink,
                store.db,
                since=since,
                metadata={SOURCE: "scripted"},
                pace=Pace(),
                attempts=attempts,
            )
            await work(keeper)
            return keeper

    return asyncio.run(run())


def filled(store: Serving, source: ScriptedSource, start: int = NOON, end: int = END) -> Keeper:
    return keeping(store, source, lambda keeper: keeper.fill(start, end, asyncio.Semaphore(1)))


def covered(store: Serving) -> list[tuple[int, int]]:
    table = store.db.coverage(BARS.instrument, "1m", output="arrow")
    starts, ends = (table.column(n).cast(pa.int64()).to_pylist() for n in ("start", "end"))
    return list(zip(starts, ends, strict=True))


def stored(store: Serving) -> list[int]:
    table = store.db.candles(BARS.instrument, "1m", output="arrow")
    ts: list[int] = table.column("ts").cast(pa.int64()).to_pylist()
    return ts


EVERYTHING = list(range(NOON, END, MINUTE))


def test_what_is_missing_is_fetched_and_known_complete(store: Serving) -> None:
    filled(store, ScriptedSource())
    assert stored(store) == EVERYTHING
    assert covered(store) == [(NOON, END)]


def test_what_is_there_is_not_asked_for_again(store: Serving) -> None:
    filled(store, ScriptedSource())
    source = ScriptedSource()
    filled(store, source)
    assert source.asked == []


def test_an_earlier_start_asks_for_the_new_part_alone(store: Serving) -> None:
    filled(store, ScriptedSource(), start=MIDDLE)
    source = ScriptedSource()
    filled(store, source)
    assert source.asked == [(NOON, MIDDLE)]


def test_a_hole_in_the_middle_is_asked_for_alone(store: Serving) -> None:
    filled(store, ScriptedSource(), end=MIDDLE)
    filled(store, ScriptedSource(), start=MIDDLE + 5 * MINUTE)
    source = ScriptedSource()
    filled(store, source)
    assert source.asked == [(MIDDLE, MIDDLE + 5 * MINUTE)]


@pytest.mark.parametrize("error", [Garbage("x"), Unreachable("x"), Busy("x", 7.0)])
def test_after_a_failure_the_rest_is_asked_for_again(store: Serving, error: Exception) -> None:
    source = ScriptedSource(lambda s, _: [Page(bars(s, MIDDLE), (s, MIDDLE)), error])
    filled(store, source)
    assert source.asked == [(NOON, END), (MIDDLE, END)]
    assert stored(store) == EVERYTHING


def test_a_source_that_says_how_long_to_wait_is_obeyed(store: Serving) -> None:
    source = ScriptedSource(lambda *_: [Busy("slow down", 7.0)])
    filled(store, source)
    assert source.slept == [7.0]


def test_a_row_that_cannot_be_true_is_a_failure_and_no_hole(store: Serving) -> None:
    wrong = Page(bars(NOON + 1, END), (NOON, END))
    source = ScriptedSource(lambda *_: [wrong])
    filled(store, source)
    assert stored(store) == EVERYTHING
    assert len(source.asked) == 2


def test_a_source_that_says_nothing_is_refused_by_name(store: Serving) -> None:
    with pytest.raises(Refused, match="nothing was said about 2023-11-15T12:00:00Z to"):
        filled(store, ScriptedSource(lambda *_: []))


def test_failures_in_a_row_end_a_bounded_fill_with_the_last_of_them(store: Serving) -> None:
    source = ScriptedSource(*[lambda *_: [Unreachable("gone")]] * 9)
    with pytest.raises(Unreachable, match="gone"):
        filled(store, source)
    assert len(source.asked) == 5


def test_progress_in_between_starts_the_count_of_failures_anew(store: Serving) -> None:
    def one_more(start: int, _: int) -> list[Page | Exception]:
        return [Page(bars(start, start + MINUTE), (start, start + MINUTE)), Unreachable("cut")]

    filled(store, ScriptedSource(*[one_more] * 12))
    assert stored(store) == EVERYTHING


@pytest.mark.parametrize("error", [Refused("no such thing"), Ended("delisted")])
def test_what_cannot_be_had_ends_at_once_with_what_came_before_it(
    store: Serving, error: FlightstoreError
) -> None:
    source = ScriptedSource(lambda s, _: [Page(bars(s, MIDDLE), (s, MIDDLE)), error])
    with pytest.raises(type(error)):
        filled(store, source)
    assert covered(store) == [(NOON, MIDDLE)]
    assert len(source.asked) == 1


def test_pages_may_come_newest_first(store: Serving) -> None:
    filled(
        store,
        ScriptedSource(lambda s, e: [*whole(MIDDLE, e), *whole(s, MIDDLE)]),
    )
    assert covered(store) == [(NOON, END)]


def test_where_the_store_is_complete_the_newest_row_is_the_anchor(store: Serving) -> None:
    filled(store, ScriptedSource(), end=MIDDLE)
    source = ScriptedSource()
    filled(store, source)
    assert [anchor and anchor.ts for anchor in source.anchors] == [MIDDLE - MINUTE]


def test_without_coverage_up_to_the_start_there_is_no_anchor(store: Serving) -> None:
    store.db.write(BARS.instrument, bars(NOON, MIDDLE), timeframe="1m")
    source = ScriptedSource()
    filled(store, source)
    assert source.anchors == [None]


def test_what_lies_before_the_listing_is_complete_and_the_proof_is_kept(store: Serving) -> None:
    source = ScriptedSource()
    source.listing = Listing(MIDDLE, "asked for daily bars: the first is of noon")

    async def begin_and_fill(keeper: Keeper) -> None:
        await keeper.fill(await keeper.begin(asyncio.Semaphore(1)), END, asyncio.Semaphore(1))

    keeping(store, source, begin_and_fill)
    assert source.asked == [(MIDDLE, END)]
    assert covered(store) == [(NOON, END)]
    texts = store.db.series(BARS.instrument)["metadata"].str.json_decode(dtype=None)[0]
    assert texts[LISTED] == "2023-11-15T12:10:00Z"
    assert texts[LISTED_PROOF] == source.listing.proof


def test_the_series_says_from_when_it_is_wanted_and_where_it_is_from(store: Serving) -> None:
    filled(store, ScriptedSource())
    metadata = store.db.series(BARS.instrument)["metadata"][0]
    assert f'"{WANTED_FROM}": "2023-11-15T12:00:00Z"' in metadata
    assert f'"{SOURCE}": "scripted"' in metadata


def test_what_is_forgotten_is_read_again_and_corrected(store: Serving) -> None:
    def corrected(start: int, end: int) -> list[Page | Exception]:
        return [
            Page(
                bars(start + MINUTE, end + MINUTE).set_column(0, "ts", bars(start, end)["ts"]),
                (start, end),
            )
        ]

    source = ScriptedSource(whole, corrected)

    async def work(keeper: Keeper) -> None:
        await keeper.fill(NOON, END, asyncio.Semaphore(1))
        keeper.forget(MIDDLE, END)
        await keeper.fill(NOON, END, asyncio.Semaphore(1))

    keeping(store, source, work)
    assert source.asked == [(NOON, END), (MIDDLE, END)]
    close = store.db.candles(BARS.instrument, "1m")["close"].to_list()
    assert close[10] == close[9] + 2


def test_only_bars_that_are_closed_by_the_source_s_clock_are_history(store: Serving) -> None:
    source = ScriptedSource()
    source.clock = NOON + 5 * MINUTE + 2 * 10**9  # two seconds after a close: within the grace

    async def edge(keeper: Keeper) -> None:
        assert keeper.edge() == NOON + 4 * MINUTE

    keeping(store, source, edge)


def test_what_is_out_of_reach_is_said_once_and_the_rest_is_had(store: Serving) -> None:
    def newest_only(start: int, end: int) -> list[Page | Exception]:
        return [
            *whole(max(MIDDLE, start), end),
            *([Beyond("no further")] if start < MIDDLE else []),
        ]

    source = ScriptedSource(newest_only, newest_only)

    async def work(keeper: Keeper) -> None:
        with pytest.raises(Beyond, match="no further"):
            await keeper.fill(NOON, END, asyncio.Semaphore(1))
        await keeper.fill(NOON, END + 5 * MINUTE, asyncio.Semaphore(1))

    keeping(store, source, work)
    assert covered(store) == [(MIDDLE, END + 5 * MINUTE)]
    assert source.asked == [(NOON, END), (END, END + 5 * MINUTE)]
