"""Recorded Bitfinex candle replies, played as the exchange, against the recorded years of bars.

The 180 replies are those of 2013-04-01, of 2016-08-02 to 08-10 (after the attack of 08-02 the
exchange was closed for a week: 93 replies are empty) and of 2017-12-20 to 12-24.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from tests.support.ingesting import HOUR, Ingesting
from tests.support.recorded import bitfinex_bars, same_bits

from flightstore_ingest.simulate import Clock, Market, Request, Tape
from flightstore_ingest.simulate.recorded import bars_of_bitfinex_pages
from flightstore_proto.timerange import to_ns

pytestmark = pytest.mark.data

PAGES = "bitfinex/raw_rest_pages_BTCUSD.tar.xz"
BTC = Market("BTC/USD")
RECORDED_PAGE = 120  # the most rows in one of the replies
EPISODES = {
    "a thin day": ("2013-04-01", "2013-04-02", 234),
    "the outage": ("2016-08-02", "2016-08-11", 1_524),
    "busy days": ("2017-12-20", "2017-12-25", 7_200),
}
episodes = pytest.mark.parametrize("episode", EPISODES)
pages = pytest.mark.parametrize("page", [RECORDED_PAGE, None], ids=["recorded pages", "own pages"])


@pytest.fixture(scope="module")
def years(market_data: Path) -> pa.Table:
    return bitfinex_bars(market_data)


@pytest.fixture(scope="module")
def tape(market_data: Path) -> Tape:
    return bars_of_bitfinex_pages(market_data / PAGES, BTC)


@contextmanager
def backfilled(
    root: Path, tape: Tape, since: str, until: str, page: int | None
) -> Iterator[Ingesting]:
    """[since, until) fetched from an exchange whose pages have at most `page` rows."""
    end = to_ns(until)
    clock = Clock(end + HOUR)
    start = to_ns(since)
    with Ingesting(root, "bitfinex", tape, clock=clock, since=start, page_cap=page) as it:
        it.backfill(end)
        assert not it.feed.refused
        yield it


def stored(it: Ingesting) -> pa.Table:
    return it.store.db.candles(it.instrument(), "1m", output="arrow")


def of_days(years: pa.Table, since: str, until: str) -> pa.Table:
    ts = years.column("ts").to_numpy().astype("int64")
    first, end = ts.searchsorted([to_ns(since), to_ns(until)])
    return years.slice(first, end - first)


def questions(it: Ingesting, timeframe: str) -> list[Request]:
    return it.exchange.log.matching(f"/candles/trade:{timeframe}:")


@pages
@episodes
def test_the_recorded_replies_become_the_recorded_bars(
    tmp_path: Path, tape: Tape, years: pa.Table, episode: str, page: int | None
) -> None:
    since, until, count = EPISODES[episode]
    with backfilled(tmp_path, tape, since, until, page) as it:
        assert same_bits(stored(it), of_days(years, since, until))
        assert stored(it).num_rows == count
        assert it.covered() == [(to_ns(since), to_ns(until))]
        assert it.store.db.gaps(it.instrument(), "1m", since, until).height == 0


@pages
@episodes
def test_nothing_is_asked_twice_but_what_was_empty(
    tmp_path: Path, tape: Tape, episode: str, page: int | None
) -> None:
    since, until, count = EPISODES[episode]
    with backfilled(tmp_path, tape, since, until, page) as it:
        asked = it.exchange.log.matching("/candles/")
    times = Counter(map(_question, asked))
    twice = {question for question, often in times.items() if often > 1}
    assert max(times.values()) <= 2
    # A window may begin with the bar that is known already: it is empty but for that one.
    assert all(request.rows <= 1 for request in asked if _question(request) in twice)
    # Beside full pages: the short one at the end of each window of a week, two looks at each of
    # two windows that lie in the outage, and a few questions for days.
    assert len(asked) <= count // (page or 10_000) + 2 + 2 * 2 + 4


def _question(request: Request) -> tuple[str, ...]:
    return (request.path, *(f"{key}={value}" for key, value in sorted(request.query.items())))


@pages
def test_one_run_through_all_the_years_finds_every_recorded_bar(
    tmp_path: Path, tape: Tape, page: int | None
) -> None:
    """Between the recorded days the exchange played here has nothing: two silences of years."""
    with backfilled(tmp_path, tape, "2013-04-01", "2017-12-25", page) as it:
        assert same_bits(stored(it), tape.bar_table("1m"))
        assert it.covered() == [(to_ns("2013-04-01"), to_ns("2017-12-25"))]
        assert len(questions(it, "1m")) <= 8_958 // (page or 10_000) + 3 * 9
        assert len(questions(it, "1D")) <= 1 + 2 * 4  # for the listing, and a few for each silence


def test_the_outage_is_a_confirmed_gap(tmp_path: Path, tape: Tape) -> None:
    since, until, _ = EPISODES["the outage"]
    with backfilled(tmp_path, tape, since, until, RECORDED_PAGE) as it:
        gaps: Any = it.store.db.gaps(it.instrument(), "1m", since, until, confirmed=True)
    outages = gaps.filter(pl.col("reason") == "likely an outage")
    assert [str(t)[:16] for t in outages.select("start", "end").row(0)] == [
        "2016-08-02 18:03",
        "2016-08-10 15:53",
    ]
    assert outages.height == 1
