"""Leaving the exchange alone when it says so, for as long as it says."""

from __future__ import annotations

import asyncio
from email.utils import formatdate

import pytest

from flightstore_ingest.ccxt_source.brake import BAN_SECONDS, FIRST_WAIT_SECONDS, Brake
from flightstore_ingest.ccxt_source.clock import ExchangeClock

SECOND = 1_000_000_000
NOON = 1_700_049_600 * SECOND


def brake(weight_limit: int | None = None, speed: float = 1.0, now: int = NOON) -> Brake:
    clock = ExchangeClock(speed)
    clock.told(now)
    return Brake(clock, weight_limit)


def after(status: int, headers: dict[str, str] | None = None, body: str = "") -> float:
    """Seconds to wait after one answer."""
    held = brake()
    held.answered(status, headers or {}, body)
    return held.waiting


@pytest.mark.parametrize("status", [418, 429, 503])
def test_retry_after_is_waited_for_to_the_second(status: int) -> None:
    assert after(status, {"retry-after": "33"}) == pytest.approx(33, abs=2)


def test_retry_after_may_be_a_date_by_the_exchanges_clock() -> None:
    date = formatdate(NOON // SECOND + 90, usegmt=True)
    assert after(429, {"retry-after": date}) == pytest.approx(90, abs=2)


def test_a_ban_in_words_ends_by_the_exchanges_clock() -> None:
    """This machine's clock is years away from it."""
    body = f'{{"code":-1003,"msg":"Way too much; IP banned until {NOON // 1_000_000 + 600_000}."}}'
    assert after(418, {}, body) == pytest.approx(600, abs=2)


def test_a_ban_by_a_fast_clock_is_shorter_in_real_seconds() -> None:
    held = brake(speed=60)
    held.answered(418, {}, f"IP banned until {NOON // 1_000_000 + 600_000}")
    assert held.waiting == pytest.approx(10, abs=2)


def test_a_ban_without_a_word_is_long_and_a_warning_is_short() -> None:
    assert after(418) == pytest.approx(BAN_SECONDS, abs=2)
    assert after(429) == pytest.approx(FIRST_WAIT_SECONDS, abs=2)


def test_warnings_in_a_row_make_the_wait_longer_until_something_is_answered() -> None:
    held = brake()
    for _ in range(3):
        held.answered(429, {}, "")
    assert held.waiting == pytest.approx(4 * FIRST_WAIT_SECONDS, abs=2)
    held.answered(200, {}, "[]")
    other = brake()
    other._strikes = held._strikes
    other.answered(429, {}, "")
    assert other.waiting == pytest.approx(FIRST_WAIT_SECONDS, abs=2)


def test_a_shorter_wait_does_not_end_a_longer_one() -> None:
    held = brake()
    held.hold(60, "first")
    held.hold(5, "second")
    assert held.waiting == pytest.approx(60, abs=2)
    assert held.reason == "first"


@pytest.mark.parametrize("status", [200, 400, 404, 500, 503])
def test_other_answers_stop_nobody(status: int) -> None:
    assert after(status) == 0


def test_a_nonsensical_wait_is_cut_to_the_longest_known_ban() -> None:
    assert after(429, {"retry-after": "99999999999"}) <= 3 * 86_400


def test_weight_near_its_limit_waits_for_the_next_minute_of_the_exchange() -> None:
    held = brake(weight_limit=6000, now=NOON + 40 * SECOND)
    held.answered(200, {"x-mbx-used-weight-1m": "5400"}, "[]")
    assert held.waiting == pytest.approx(21, abs=2)
    assert "5400 of 6000" in held.reason


def test_the_minute_of_a_fast_clock_is_short() -> None:
    held = brake(weight_limit=6000, speed=60, now=NOON + 30 * SECOND)
    held.answered(200, {"x-mbx-used-weight-1m": "5999"}, "[]")
    assert held.waiting < 1


@pytest.mark.parametrize("weight", ["5399", "", "many"])
def test_weight_below_the_limit_stops_nobody(weight: str) -> None:
    held = brake(weight_limit=6000)
    held.answered(200, {"x-mbx-used-weight-1m": weight}, "[]")
    assert held.waiting == 0


def test_all_who_wait_go_on_together_and_not_before() -> None:
    held = brake()

    async def work() -> None:
        held.hold(0.2, "a short while")
        waiting = [asyncio.create_task(held.released()) for _ in range(5)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        await asyncio.wait_for(asyncio.gather(*waiting), 10)
        assert held.waiting == 0

    asyncio.run(work())
