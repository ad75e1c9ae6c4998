"""How far back the candles of a market go, and how that is known."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.ingesting import (
    BTC,
    DAY,
    HOUR,
    MIDNIGHT,
    MINUTE,
    SECOND,
    Ingesting,
    tape_of,
)

from flightstore_ingest.ccxt_source import profiles
from flightstore_ingest.pace import Pace
from flightstore_ingest.simulate import Clock, Fault, Tape, Trade
from flightstore_proto import metadata as keys
from flightstore_proto.timerange import format_ns

PAGED_BY_TIME = ["binance", "okx", "coinbaseexchange", "bitfinex"]


def day(hours: int = 6) -> Tape:
    """Hours of trades before midnight, and one after it."""
    return tape_of(MIDNIGHT - hours * HOUR, MIDNIGHT + HOUR)


def clock(speed: float = 60.0) -> Clock:
    return Clock(MIDNIGHT + 30 * SECOND, speed=speed)


# ---- where a market begins


@pytest.mark.parametrize("name", ["binance", "okx", "coinbaseexchange", "bitfinex"])
@pytest.mark.parametrize("cap", [None, 30])
def test_the_listing_date_is_found_and_kept_with_its_proof(
    tmp_path: Path, name: str, cap: int | None
) -> None:
    born = MIDNIGHT - 40 * DAY
    times = range(born + 5 * HOUR, MIDNIGHT, 3 * HOUR)
    tape = Tape(BTC, [Trade(ts, i, 5.0, 1.0, 1) for i, ts in enumerate(times)])
    with Ingesting(
        tmp_path, name, tape, clock=clock(1.0), since=MIDNIGHT - 600 * DAY, page_cap=cap
    ) as it:
        it.backfill(until=born + DAY)
        it.assert_equal_to_record(end=born + DAY)
        texts = it.metadata()
        assert texts[keys.LISTED] == format_ns(born)
        assert "1d" in texts[keys.LISTED_PROOF]
        assert format_ns(born)[:10] in texts[keys.LISTED_PROOF]
        assert texts[keys.WANTED_FROM] == format_ns(it.since)


def test_an_answer_that_failed_empty_does_not_make_a_market_younger(tmp_path: Path) -> None:
    born = MIDNIGHT - 500 * DAY
    times = range(born, MIDNIGHT, 6 * HOUR)
    tape = Tape(BTC, [Trade(ts, i, 5.0, 1.0, 1) for i, ts in enumerate(times)])
    faults = [Fault("empty", "candles")]
    with Ingesting(
        tmp_path, "coinbaseexchange", tape, clock=clock(1.0), since=born - DAY, faults=faults
    ) as it:
        it.backfill(until=born + DAY)
        assert it.metadata()[keys.LISTED] == format_ns(born)
        it.assert_equal_to_record(end=born + DAY)


# ---- exchanges about which nothing is known


def as_stranger(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """`name` as an exchange without a profile."""
    monkeypatch.delitem(profiles._PROFILES, name)


@pytest.mark.parametrize("name", PAGED_BY_TIME)
def test_an_unknown_exchange_that_honours_the_time_is_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    as_stranger(monkeypatch, name)
    since = MIDNIGHT - 5 * HOUR
    with Ingesting(tmp_path, name, day(hours=30), clock=clock(), since=since) as it:
        it.backfill()
        assert not it.feed.refused
        it.assert_equal_to_record(end=MIDNIGHT - MINUTE)


def test_an_unknown_exchange_that_ignores_the_time_is_read_as_far_as_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ccxt makes an empty page of its newest one: that is no proof that nothing was traded."""
    as_stranger(monkeypatch, "kraken")
    with Ingesting(tmp_path, "kraken", day(hours=30), clock=clock()) as it:
        it.backfill()
        covered = it.covered()
        assert len(covered) == 1
        assert MIDNIGHT - 13 * HOUR < covered[0][0] < MIDNIGHT - 11 * HOUR
        assert covered[0][1] >= MIDNIGHT - MINUTE
        it.assert_equal_to_record(start=covered[0][0])
        (said,) = it.feed.refused.values()
        assert "kraken keeps no candles" in said
        assert keys.LISTED not in it.metadata()


def test_an_exchange_that_keeps_no_old_candles_is_followed_from_now_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_stranger(monkeypatch, "kraken")
    with Ingesting(tmp_path, "kraken", day(hours=30), clock=clock(), pace=Pace(confirm=30)) as it:
        it.run_for(lambda: it.stored_until() > MIDNIGHT + MINUTE)
        it.assert_equal_to_record(start=it.covered()[0][0], end=MIDNIGHT)
