"""An exchange that wants to be left alone, is away, or will have nothing to do with us."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from tests.support.ingesting import (
    HOUR,
    MIDNIGHT,
    MINUTE,
    SECOND,
    Ingesting,
    tape_of,
    wait_until,
)

from flightstore_ingest.errors import Blocked
from flightstore_ingest.simulate import Clock, Fault, Limit, Market, Tape

NOW = MIDNIGHT + 30 * SECOND
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")


def markets(count: int = 3, hours: int = 3) -> list[Tape]:
    return [
        tape_of(MIDNIGHT - hours * HOUR, MIDNIGHT + HOUR, market=Market(symbol))
        for symbol in SYMBOLS[:count]
    ]


def clock(speed: float = 60.0) -> Clock:
    return Clock(NOW, speed=speed)


def assert_all_complete(it: Ingesting) -> None:
    for tape in it.tapes:
        it.assert_equal_to_record(symbol=tape.market.symbol, end=MIDNIGHT - MINUTE)


def longest_pause(it: Ingesting) -> float:
    """Real seconds between two requests, whatever series they were for."""
    times = [r.at for r in it.exchange.log.matching("")]
    return max(b - a for a, b in pairwise(times))


# ---- too many requests


@pytest.mark.parametrize("status", [429, 418])
def test_no_series_asks_while_the_exchange_wants_to_be_left_alone(
    tmp_path: Path, status: int
) -> None:
    fault = Fault("status", "klines", status=status, retry_after=1, after=4)
    with Ingesting(
        tmp_path, "binance", markets(), clock=clock(), page_cap=30, faults=[fault]
    ) as it:
        it.backfill()
        # Two more may have been on their way when the answer came.
        assert asked_during_the_pause(it, status) <= 2
        assert_all_complete(it)


def test_those_who_wait_for_their_turn_in_ccxts_queue_stay_there(tmp_path: Path) -> None:
    fault = Fault("status", "klines", status=429, retry_after=1, after=4)
    with Ingesting(
        tmp_path, "binance", markets(), clock=clock(), page_cap=60, faults=[fault], paced=True
    ) as it:
        it.backfill()
        assert asked_during_the_pause(it, 429) == 0
        assert_all_complete(it)


def asked_during_the_pause(it: Ingesting, status: int) -> int:
    log = it.exchange.log.matching("")
    (refused,) = [r.at for r in log if r.status == status]
    assert max(r.at for r in log) > refused + 0.9
    return sum(refused < r.at < refused + 0.9 for r in log)


def test_a_ban_in_words_is_waited_for_by_the_exchanges_clock(tmp_path: Path) -> None:
    until = (NOW + 60 * SECOND) // 1_000_000
    body = f'{{"code":-1003,"msg":"Way too much request weight used; IP banned until {until}."}}'
    fault = Fault("status", "klines", status=418, body=body, after=1)
    with Ingesting(tmp_path, "binance", markets(1), clock=clock(), faults=[fault]) as it:
        it.exchange.page_cap = 60
        it.backfill()
        (banned,) = [r for r in it.exchange.log.all() if r.status == 418]
        after = [r.exchange_ns for r in it.exchange.log.all() if r.at > banned.at]
        assert min(after) >= until * 1_000_000 - SECOND
        assert_all_complete(it)


def test_an_exchange_with_a_limit_is_hardly_asked_beyond_it_and_gives_all(tmp_path: Path) -> None:
    """Each refusal is a pause for all: of three series, no more than three were on their way."""
    limit = Limit(requests=40, seconds=1.0)
    with Ingesting(tmp_path, "binance", markets(), clock=clock(), limit=limit, page_cap=30) as it:
        it.backfill()
        log = it.exchange.log.matching("")
        refused = [r.at for r in log if r.status == 429]
        pauses = 1 + sum(b - a > 0.8 for a, b in pairwise(refused))
        assert 0 < len(refused) <= 3 * pauses
        assert_all_complete(it)


def test_ccxts_own_pace_is_one_for_all_series(tmp_path: Path) -> None:
    section = {"config": {"rateLimit": 100}, "concurrency": 3}
    with Ingesting(
        tmp_path, "okx", markets(hours=1), clock=clock(), section=section, paced=True
    ) as it:
        it.backfill()
        assert it.exchange.log.rate(1.0, "candles") <= 11
        assert_all_complete(it)


def test_weight_is_braked_before_the_exchange_has_to_say_so(tmp_path: Path) -> None:
    """The limit is the exchange's own, and its minute by its own clock."""
    header = {"x-mbx-used-weight-1m": "5990"}
    fault = Fault("slow", "klines", after=2)
    with Ingesting(tmp_path, "binance", markets(1), clock=clock(), page_cap=60) as it:
        spent = it.exchange.wire.limit_headers

        def limit_headers(used: int) -> dict[str, str]:
            near = len(it.exchange.log.matching("klines")) == 3
            return header if near else dict(spent(used))

        it.exchange.wire.limit_headers = limit_headers  # type: ignore[method-assign]
        it.exchange.faults.add(fault)
        it.backfill()
        times = [r.exchange_ns for r in it.exchange.log.matching("klines")]
        assert times[3] // MINUTE > times[2] // MINUTE, "still in the same minute"
        assert_all_complete(it)


def test_too_many_requests_said_in_an_ordinary_answer_hold_all(tmp_path: Path) -> None:
    body = '{"error":["EGeneral:Too many requests"]}'
    fault = Fault("status", "OHLC", status=200, body=body, headers={"Retry-After": "1"})
    with Ingesting(tmp_path, "kraken", markets(2, hours=1), clock=clock(), faults=[fault]) as it:
        brake_waited: list[str] = []

        async def work() -> None:
            async with it.service() as feed:
                strike = feed.source.exchange.brake.strike  # type: ignore[attr-defined]

                def short(reason: str, banned: bool = False) -> None:
                    brake_waited.append(reason)
                    strike(reason, banned)
                    feed.source.exchange.brake._until -= 4.5  # type: ignore[attr-defined]

                feed.source.exchange.brake.strike = short  # type: ignore[attr-defined]
                await feed.backfill()

        it.run(work())
        assert len(brake_waited) == 1
        assert_all_complete(it)


# ---- away


@pytest.mark.parametrize("kind", ["reset", "truncated", "maintenance"])
@pytest.mark.parametrize("name", ["binance", "kraken", "okx"])
def test_an_exchange_that_is_away_is_waited_for(tmp_path: Path, name: str, kind: str) -> None:
    where = {"binance": "klines", "kraken": "OHLC", "okx": "candles"}[name]
    fault = Fault(kind, where, times=4)
    with Ingesting(tmp_path, name, markets(1), clock=clock(), faults=[fault]) as it:
        it.backfill()
        assert sum(r.fault == kind for r in it.exchange.log.all()) == 4
        assert_all_complete(it)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520])
def test_each_failure_is_followed_by_one_request_and_not_by_four_at_once(
    tmp_path: Path, status: int
) -> None:
    """ccxt's own retries come without a pause, and would be on top of ours."""
    fault = Fault("status", "klines", status=status, times=3)
    with Ingesting(tmp_path, "binance", markets(1), clock=clock(20.0), faults=[fault]) as it:
        it.backfill()
        failed = [r.at for r in it.exchange.log.matching("klines") if r.status == status]
        assert len(failed) == 3
        gaps = [b - a for a, b in pairwise(failed)]
        assert min(gaps) > 0.4 / 20 * 0.8
        assert_all_complete(it)


def test_unavailable_with_a_time_to_come_back_is_left_alone_until_then(tmp_path: Path) -> None:
    fault = Fault("status", "klines", status=503, retry_after=1)
    with Ingesting(tmp_path, "binance", markets(1), clock=clock(), faults=[fault]) as it:
        it.backfill()
        assert longest_pause(it) > 0.9
        assert_all_complete(it)


def test_an_answer_that_never_comes_is_given_up_and_asked_for_again(tmp_path: Path) -> None:
    fault = Fault("hang", "klines", after=1)
    section = {"config": {"timeout": 300}}
    with Ingesting(
        tmp_path, "binance", markets(1), clock=clock(), faults=[fault], section=section, page_cap=60
    ) as it:
        it.backfill()
        assert_all_complete(it)


@pytest.mark.parametrize("kind", ["reset", "html", "maintenance"])
def test_an_exchange_that_is_away_at_the_start_is_waited_for(tmp_path: Path, kind: str) -> None:
    fault = Fault(kind, "exchangeInfo", times=3)
    with Ingesting(tmp_path, "binance", markets(1), clock=clock(), faults=[fault]) as it:
        it.backfill()
        assert_all_complete(it)


def test_an_exchange_that_lists_no_markets_has_not_delisted_them_all(tmp_path: Path) -> None:
    """One such answer had all series taken for ended, and left alone until the next day."""
    fault = Fault("empty", "exchangeInfo", times=3)
    with Ingesting(tmp_path, "binance", markets(1), clock=clock(), faults=[fault]) as it:
        it.backfill()
        assert_all_complete(it)


def test_an_exchange_whose_time_cannot_be_read_is_read_by_its_headers(tmp_path: Path) -> None:
    fault = Fault("html", "/api/v3/time", times=100)
    with Ingesting(tmp_path, "binance", markets(1), clock=clock(), faults=[fault]) as it:
        it.backfill()
        assert_all_complete(it)


# ---- no


@pytest.mark.parametrize("status", [403, 451])
def test_a_block_is_said_loudly_and_not_asked_about_every_second(
    tmp_path: Path, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    fault = Fault("status", "klines", status=status, times=1_000)
    with Ingesting(
        tmp_path, "binance", markets(1), clock=clock(600.0), faults=[fault], attempts=3
    ) as it:
        it.backfill()
        (said,) = it.feed.refused.values()
        assert "refused here" in said
        assert f"{status}" in said
        asked = [r.exchange_ns for r in it.exchange.log.matching("klines")]
        assert all(b - a > 40 * SECOND for a, b in pairwise(asked))


def test_a_block_at_the_start_is_told_to_whoever_started(tmp_path: Path) -> None:
    fault = Fault("status", "exchangeInfo", status=451, times=1_000)
    with (
        Ingesting(tmp_path, "binance", markets(1), clock=clock(), faults=[fault], attempts=1) as it,
        pytest.raises(Blocked, match="refused here"),
    ):
        it.backfill()


@pytest.mark.parametrize(
    "body",
    ['{"code":-1120,"msg":"Invalid interval."}', '{"code":-1100,"msg":"Illegal characters."}'],
)
def test_what_the_exchange_refuses_for_good_stops_that_series_only(
    tmp_path: Path, body: str
) -> None:
    fault = Fault("status", "klines", status=400, body=body)
    with Ingesting(
        tmp_path, "binance", markets(2), clock=clock(), faults=[fault], section={"concurrency": 1}
    ) as it:
        it.backfill()
        (name,) = it.feed.refused
        (other,) = [s for s in SYMBOLS[:2] if s not in name]
        it.assert_equal_to_record(symbol=other, end=MIDNIGHT - MINUTE)
        assert sum(r.status == 400 for r in it.exchange.log.all()) == 1


def test_an_error_without_a_name_is_asked_again(tmp_path: Path) -> None:
    fault = Fault("status", "klines", status=400, body='{"code":-9999,"msg":"?"}', times=3)
    with Ingesting(tmp_path, "binance", markets(1), clock=clock(), faults=[fault]) as it:
        it.backfill()
        assert_all_complete(it)


def test_only_the_kinds_of_market_that_are_kept_are_asked_for(tmp_path: Path) -> None:
    """Binance's futures live at other addresses: where they fail, spot markets would not load."""
    with Ingesting(tmp_path, "binance", markets(1), clock=clock()) as it:
        it.backfill()
        paths = {r.path for r in it.exchange.log.all()}
        assert not [path for path in paths if "fapi" in path or "dapi" in path]
        assert "/api/v3/exchangeInfo" in paths


def test_a_series_that_fails_on_and_on_stops_no_other(tmp_path: Path) -> None:
    with Ingesting(tmp_path, "binance", markets(2), clock=clock(600.0), attempts=3) as it:
        spoiled = it.tapes[0]
        opened = MIDNIGHT - HOUR
        bar = spoiled.bars("1m", opened, opened + 1)[0]
        spoiled.correct("1m", opened, bar._replace(high=bar.low / 2))
        it.backfill()
        (name,) = it.feed.refused
        assert SYMBOLS[0] in name
        it.assert_equal_to_record(symbol=SYMBOLS[1], end=MIDNIGHT - MINUTE)


def test_while_nobody_may_ask_the_reason_can_be_seen(tmp_path: Path) -> None:
    fault = Fault("status", "klines", status=429, retry_after=1)
    with Ingesting(tmp_path, "binance", markets(1), clock=clock(), faults=[fault]) as it:
        seen: list[str] = []

        def waiting() -> bool:
            seen.append(it.feed.source.waiting())
            return bool(seen[-1])

        it.run_for(lambda: it.stored_until() >= MIDNIGHT, lambda: wait_until(waiting))
        assert "429 from the exchange" in seen[-1]
