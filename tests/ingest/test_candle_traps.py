"""Candles over REST: what exchanges do to those who take their answers as they come."""

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
    wait_until,
)

from flightstore_ingest.pace import Pace
from flightstore_ingest.simulate import Clock, Fault, Market, Request, Tape, Trade
from flightstore_proto.timerange import format_ns

NOW = MIDNIGHT + 30 * SECOND
CANDLES = {"binance": "klines", "kraken": "OHLC", "okx": "candles", "coinbaseexchange": "candles"}
PAGED_BY_TIME = ["binance", "okx", "coinbaseexchange", "bitfinex"]


def day(hours: int = 6, ahead: int = 1, per_minute: float = 6.0) -> Tape:
    """Hours of trades before midnight, and some after it."""
    return tape_of(MIDNIGHT - hours * HOUR, MIDNIGHT + ahead * HOUR, per_minute)


def clock(speed: float = 60.0, now: int = NOW) -> Clock:
    return Clock(now, speed=speed)


def candle_requests(it: Ingesting, timeframe: str = "1m") -> list[Request]:
    found = it.exchange.log.matching("*andle*") + it.exchange.log.matching("*klines*")
    spelled = {timeframe, {"1m": "60", "1d": "86400"}[timeframe]}
    return [
        r
        for r in found
        if spelled & {r.query.get("interval"), r.query.get("bar"), r.query.get("granularity")}
    ]


# ---- what is there, and what is finished


@pytest.mark.parametrize("name", [*PAGED_BY_TIME, "kraken"])
def test_a_backfill_is_the_exchanges_own_record_and_no_bar_that_is_still_open(
    tmp_path: Path, name: str
) -> None:
    with Ingesting(tmp_path, name, day(), clock=clock()) as it:
        it.backfill()
        it.assert_equal_to_record(end=MIDNIGHT - MINUTE)
        newest = it.stored()["ts"].dt.epoch("ns")[-1]
        assert newest + MINUTE <= it.clock.now()


@pytest.mark.parametrize("years", [-5, 20])
def test_what_is_closed_goes_by_the_exchanges_clock_and_not_by_this_machines(
    tmp_path: Path, years: int
) -> None:
    """This machine is years before or behind; the exchange is in the middle of a bar."""
    shift = years * 365 * DAY
    tape = tape_of(MIDNIGHT - HOUR + shift, MIDNIGHT + HOUR + shift)
    with Ingesting(tmp_path, "binance", tape, clock=clock(1.0, NOW + shift)) as it:
        it.backfill()
        assert it.covered() == [(it.since, MIDNIGHT + shift)]
        it.assert_equal_to_record()


def test_an_exchange_that_tells_no_time_is_believed_by_its_answers_headers(tmp_path: Path) -> None:
    with Ingesting(tmp_path, "bitfinex", day(hours=1), clock=clock(1.0)) as it:
        it.backfill()
        assert it.covered() == [(it.since, MIDNIGHT)]
        it.assert_equal_to_record()


def test_a_bar_that_has_only_just_ended_waits_for_the_grace(tmp_path: Path) -> None:
    with Ingesting(tmp_path, "binance", day(hours=1), clock=clock(1.0, MIDNIGHT + SECOND)) as it:
        it.pace = Pace(candle_grace=30.0)
        it.backfill()
        assert it.covered() == [(it.since, MIDNIGHT - MINUTE)]


# ---- pages


@pytest.mark.parametrize("name", PAGED_BY_TIME)
def test_pages_shorter_than_asked_for_leave_nothing_out(tmp_path: Path, name: str) -> None:
    with Ingesting(tmp_path, name, day(), clock=clock(), page_cap=50) as it:
        it.backfill()
        it.assert_equal_to_record(end=MIDNIGHT - MINUTE)


def test_the_newest_page_of_candles_may_be_short_and_trades_make_the_rest(tmp_path: Path) -> None:
    tape = day(hours=2, per_minute=20)
    with Ingesting(tmp_path, "kraken", tape, clock=clock(), page_cap=60) as it:
        it.backfill()
        start, end = it.covered()[0]
        assert start == it.since
        traded = it.record(start, end).filter(_has_volume())
        assert it.stored().filter(_has_volume()).equals(traded.select(it.stored().columns))


@pytest.mark.parametrize("name", PAGED_BY_TIME)
def test_an_empty_answer_in_the_middle_is_asked_for_again_before_it_is_believed(
    tmp_path: Path, name: str
) -> None:
    faults = [Fault("empty", "*andle*", after=2), Fault("empty", "*klines*", after=1)]
    with Ingesting(tmp_path, name, day(hours=12), clock=clock(), faults=faults) as it:
        it.exchange.page_cap = 200
        it.backfill()
        assert any(r.fault == "empty" for r in it.exchange.log.all())
        it.assert_equal_to_record()


@pytest.mark.parametrize("name", ["binance", "coinbaseexchange"])
def test_a_page_that_is_sent_twice_is_noticed(tmp_path: Path, name: str) -> None:
    faults = [Fault("repeat", "*andle*", after=3), Fault("repeat", "*klines*", after=3)]
    with Ingesting(tmp_path, name, day(), clock=clock(), page_cap=60, faults=faults) as it:
        it.backfill()
        it.assert_equal_to_record()


@pytest.mark.parametrize("name", ["binance", "bitfinex"])
def test_hours_in_which_the_exchange_was_down_are_known_to_be_empty(
    tmp_path: Path, name: str
) -> None:
    """An empty page is not the end: what lies behind it is fetched as well."""
    down = (MIDNIGHT - 6 * HOUR, MIDNIGHT - 2 * HOUR)
    parts = [tape_of(MIDNIGHT - 8 * HOUR, down[0]), tape_of(down[1], MIDNIGHT + HOUR)]
    trades = [t._replace(id=i) for i, t in enumerate(x for p in parts for x in p.rows(0, 10**9))]
    tape = Tape(BTC, trades, outages=[down])
    with Ingesting(tmp_path, name, tape, clock=clock(), page_cap=60) as it:
        it.backfill()
        it.assert_equal_to_record(end=MIDNIGHT - MINUTE)
        assert not len(it.stored().filter(_between(*down)))


def test_a_market_in_which_little_happens_costs_little(tmp_path: Path) -> None:
    """A trade every half an hour: windows without a bar are the rule."""
    times = range(MIDNIGHT - 40 * HOUR, MIDNIGHT, 30 * MINUTE)
    tape = Tape(BTC, [Trade(ts, i, 5.0, 1.0, 1) for i, ts in enumerate(times)])
    with Ingesting(tmp_path, "coinbaseexchange", tape, clock=clock()) as it:
        it.backfill()
        it.assert_equal_to_record(end=MIDNIGHT - MINUTE)
        assert len(candle_requests(it)) <= 40 * 60 / 300 * 1.5


# ---- answers that cannot be true


@pytest.mark.parametrize(
    "fault",
    [
        *("html", "cut", "truncated", "reset"),
        *("none_fields", "off_grid", "outside", "contradiction", "zero_rows"),
    ],
)
@pytest.mark.parametrize("name", ["binance", "bitfinex"])
def test_an_answer_that_cannot_be_true_is_thrown_away_and_asked_for_again(
    tmp_path: Path, name: str, fault: str
) -> None:
    where = ["*andle*", "*klines*"]
    faults = [Fault(fault, match, after=1, times=2) for match in where]
    with Ingesting(tmp_path, name, day(hours=3), clock=clock(), page_cap=60, faults=faults) as it:
        it.backfill()
        assert sum(r.fault == fault for r in it.exchange.log.all()) == 2
        it.assert_equal_to_record(end=MIDNIGHT - MINUTE)


@pytest.mark.parametrize("body", ["", "{}", "null", '"maintenance"', '[["0"]]', "[[]]", "[null]"])
def test_json_that_is_no_candles_is_no_empty_page(tmp_path: Path, body: str) -> None:
    faults = [Fault("status", "klines", status=200, body=body, after=1, times=2)]
    with Ingesting(
        tmp_path, "binance", day(hours=3), clock=clock(), page_cap=60, faults=faults
    ) as it:
        it.backfill()
        it.assert_equal_to_record(end=MIDNIGHT - MINUTE)


def test_a_negative_volume_is_refused(tmp_path: Path) -> None:
    opened = MIDNIGHT - 30 * MINUTE
    tape = day(hours=1)
    bar = tape.bars("1m", opened, opened + 1)[0]
    tape.correct("1m", opened, bar._replace(volume=-1.0))
    with Ingesting(tmp_path, "binance", tape, clock=clock(), page_cap=25, attempts=2) as it:
        it.backfill()
        assert "volume" in it.feed.refused[f"{it.instrument()} 1m"]
        assert not len(it.stored().filter(_between(opened, opened + MINUTE)))


# ---- what is asked for, and how often


def test_a_page_that_failed_is_tried_again_and_not_skipped(tmp_path: Path) -> None:
    faults = [Fault("status", "klines", status=500, after=2, times=3)]
    with Ingesting(tmp_path, "binance", day(), clock=clock(), page_cap=60, faults=faults) as it:
        it.backfill()
        it.assert_equal_to_record(end=MIDNIGHT - MINUTE)


def test_a_page_that_fails_for_good_leaves_a_hole_that_shows_and_is_filled_later(
    tmp_path: Path,
) -> None:
    faults = [Fault("status", "klines", status=500, after=3, times=1_000)]
    with Ingesting(
        tmp_path, "binance", day(), clock=clock(), page_cap=60, faults=faults, attempts=2
    ) as it:
        it.backfill()
        assert it.covered()[-1][1] < MIDNIGHT - HOUR
        it.exchange.faults.clear()
        it.backfill()
        it.assert_equal_to_record(end=MIDNIGHT - MINUTE)


def test_a_restart_goes_on_where_it_stopped_and_fetches_nothing_twice(tmp_path: Path) -> None:
    with Ingesting(tmp_path, "binance", day(), clock=clock(), page_cap=60) as it:
        it.backfill(until=MIDNIGHT - 3 * HOUR)
        it.exchange.log.clear()
        it.backfill()
        it.assert_equal_to_record(end=MIDNIGHT - MINUTE)
        asked = [int(r.query["startTime"]) * 1_000_000 for r in candle_requests(it)]
        assert min(asked) >= MIDNIGHT - 3 * HOUR - MINUTE
        assert len(asked) == len(set(asked))


def test_an_earlier_start_fetches_only_what_is_new(tmp_path: Path) -> None:
    with Ingesting(tmp_path, "binance", day(), clock=clock(1.0), since=MIDNIGHT - 2 * HOUR) as it:
        it.backfill()
        it.exchange.log.clear()
        it.since = MIDNIGHT - 5 * HOUR
        it.keep = {**it.keep, "since": format_ns(it.since)}
        it.backfill()
        it.assert_equal_to_record(end=MIDNIGHT)
        asked = candle_requests(it)
        assert len(asked) == 1
        assert int(asked[0].query["endTime"]) * 1_000_000 < MIDNIGHT - 2 * HOUR


def test_a_backfill_with_nothing_to_do_asks_for_no_candles(tmp_path: Path) -> None:
    with Ingesting(tmp_path, "binance", day(), clock=clock(1.0)) as it:
        it.backfill()
        it.exchange.log.clear()
        it.backfill()
        assert not candle_requests(it)


# ---- afterwards


def test_bars_that_the_exchange_corrects_are_read_again(tmp_path: Path) -> None:
    tape, opened = day(hours=1), MIDNIGHT + MINUTE
    with Ingesting(tmp_path, "binance", tape, clock=clock(), pace=Pace(confirm=30)) as it:
        it.backfill()
        bar = tape.bars("1m", opened, opened + 1)[0]
        right = bar._replace(close=bar.high, volume=bar.volume + 1)

        def volume() -> float:
            found = it.stored().filter(_between(opened, opened + MINUTE))["volume"]
            return float(found[0]) if len(found) else 0.0

        def correct() -> None:
            wait_until(lambda: volume() == bar.volume)
            tape.correct("1m", opened, right)

        it.run_for(lambda: volume() == right.volume, correct)
        it.assert_equal_to_record()


# ---- which series


def test_series_that_cannot_be_had_are_refused_by_name_and_stop_no_other(tmp_path: Path) -> None:
    keep = [
        {"symbols": ["BTC/USDT"], "candles": ["7m", "1w", "1m"], "since": "2023-11-14T23:00"},
        {"symbols": ["BTC/UDST"], "candles": ["1m"]},
    ]
    tape = day(hours=1)
    with Ingesting(tmp_path, "binance", tape, clock=clock(), keep=keep) as it:
        it.backfill()
        it.assert_equal_to_record(end=MIDNIGHT - MINUTE)
        refused = "\n".join(it.feed.refused.values())
        for name in ("'7m'", "1w", "'BTC/UDST'"):
            assert name in refused
        assert len(it.feed.keepers) == 1


def test_a_market_that_is_delisted_keeps_its_rows_and_stops_no_other(tmp_path: Path) -> None:
    other = tape_of(MIDNIGHT - HOUR, MIDNIGHT + HOUR, market=Market("ETH/USDT"))
    faults = [Fault("bad_symbol", "klines", after=1)]
    section = {"concurrency": 1}
    with Ingesting(
        tmp_path, "binance", [day(hours=1), other], clock=clock(), faults=faults, section=section
    ) as it:
        it.backfill()
        it.exchange.faults.clear()
        assert len(it.feed.refused) == 1
        kept = [s for s in ("BTC/USDT", "ETH/USDT") if len(it.store.db.series(it.instrument(s)))]
        assert kept
        for symbol in kept:
            if f"{it.instrument(symbol)} 1m" not in it.feed.refused:
                it.assert_equal_to_record(symbol=symbol)


def test_a_glob_keeps_active_markets_only(tmp_path: Path) -> None:
    tapes = [
        tape_of(MIDNIGHT - HOUR, MIDNIGHT + HOUR, market=Market(symbol, active=active))
        for symbol, active in (("BTC/USDT", True), ("OLD/USDT", False), ("BTC/EUR", True))
    ]
    keep = {"symbols": ["*/USDT"], "candles": ["1m"], "since": "2023-11-14T23:00"}
    with Ingesting(tmp_path, "binance", tapes, clock=clock(), keep=keep) as it:
        it.backfill()
        assert [str(keeper.series) for keeper in it.feed.keepers] == ["binance:BTC/USDT 1m"]
        it.assert_equal_to_record()


# ---- parts


def _between(start: int, end: int) -> object:
    import polars as pl

    ts = pl.col("ts").dt.epoch("ns")
    return (ts >= start) & (ts < end)


def _has_volume() -> object:
    import polars as pl

    return pl.col("volume") > 0
