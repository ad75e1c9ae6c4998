"""History of trades from exchanges that have peculiar ideas of paging."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from tests.support.trade_history import (
    Answer,
    PeculiarExchange,
    assert_nothing_is_claimed_that_was_not_sent,
    covered,
)

from flightstore_ingest.ccxt_source.profiles import Profile, profile_of
from flightstore_ingest.errors import Garbage, Refused
from flightstore_ingest.simulate import Market, Tape, Trade, seeded

MS = 1_000_000
SECOND = 1_000 * MS
MINUTE = 60 * SECOND
NOON = 1_700_049_600 * SECOND
Trades = list[dict[str, Any]]
PAGE = 50
CAUTIOUS = Profile(trade_page=PAGE, own=False)
BY_TIME = Profile(trade_page=PAGE, trade_paging="time")
BACK = Profile(trade_page=PAGE, trade_paging="back")
NEWEST = Profile(trade_page=PAGE, trade_paging="newest")


def market(minutes: int = 60, per_minute: float = 20.0) -> Tape:
    return seeded(Market("BTC/USD"), NOON, NOON + minutes * MINUTE, per_minute, seed=4)


def at(*times: int) -> Tape:
    """Trades at so many ms after noon."""
    return Tape(
        Market("BTC/USD"), [Trade(NOON + t * MS, 7 + i, 5.0, 1.0, 1) for i, t in enumerate(times)]
    )


# ---- how exchanges answer


def oldest_since(since: int | None, until: int | None, limit: int, trades: Trades) -> Trades:
    if since is None:
        return trades[-limit:]
    return [t for t in trades if t["timestamp"] >= since][:limit]


def ignores_since(since: int | None, until: int | None, limit: int, trades: Trades) -> Trades:
    """ccxt leaves out of the newest page what is older than `since`."""
    return [t for t in trades[-limit:] if t["timestamp"] >= (since or 0)]


def newest_since(since: int | None, until: int | None, limit: int, trades: Trades) -> Trades:
    return [t for t in trades if t["timestamp"] >= (since or 0)][-limit:]


def wants_until(since: int | None, until: int | None, limit: int, trades: Trades) -> Trades:
    if (since is None) != (until is None):
        raise Refused("fetchTrades() requires an until parameter when since is provided")
    return oldest_since(since, until, limit, trades)


def sends_the_newest_instead(
    since: int | None, until: int | None, limit: int, trades: Trades
) -> Trades:
    return trades[-limit:]


def newest_of_window(since: int | None, until: int | None, limit: int, trades: Trades) -> Trades:
    """Coinbase Advanced: whole seconds, both ends wanted."""
    if (since is None) != (until is None):
        raise Refused("fetchTrades() requires a `until` parameter when you use `since` argument")
    low, high = (since or 0) // 1000 * 1000, (until or 10**15) // 1000 * 1000
    return [t for t in trades if low <= t["timestamp"] <= high][-limit:]


# ---- an exchange nobody has looked at


def test_an_unknown_exchange_that_honours_since_gives_all_its_history() -> None:
    tape = market()
    exchange = PeculiarExchange(tape, CAUTIOUS, oldest_since)
    pages, beyond = exchange.pages(NOON, NOON + 60 * MINUTE)
    assert_nothing_is_claimed_that_was_not_sent(pages, tape)
    assert covered(pages) == ((NOON, NOON + 60 * MINUTE),)
    assert not beyond


@pytest.mark.parametrize(
    "answer", [ignores_since, newest_since, wants_until, sends_the_newest_instead]
)
def test_where_since_is_not_honoured_only_the_newest_page_counts(answer: Answer) -> None:
    tape = market()
    pages, beyond = PeculiarExchange(tape, CAUTIOUS, answer).pages(NOON, NOON + 60 * MINUTE)
    assert_nothing_is_claimed_that_was_not_sent(pages, tape)
    oldest = tape.trades.ts[-PAGE]
    assert covered(pages) == ((oldest + MS, NOON + 60 * MINUTE),)
    assert "peculiar" in beyond and "cannot be fetched any more" in beyond


@pytest.mark.parametrize("answer", [oldest_since, ignores_since, wants_until])
def test_what_the_newest_page_reaches_is_had_from_any_exchange(answer: Answer) -> None:
    tape = market()
    start = tape.trades.ts[-PAGE] + SECOND
    pages, beyond = PeculiarExchange(tape, CAUTIOUS, answer).pages(start, NOON + 60 * MINUTE)
    assert_nothing_is_claimed_that_was_not_sent(pages, tape)
    assert covered(pages) == ((start, NOON + 60 * MINUTE),)
    assert not beyond


# ---- by time


def test_a_last_instant_that_went_on_in_the_next_page_is_complete() -> None:
    tape = at(*range(48), 100, 100, 100, 100, 100, *range(200, 230))
    pages, _ = PeculiarExchange(tape, BY_TIME, oldest_since).pages(NOON, NOON + MINUTE)
    assert_nothing_is_claimed_that_was_not_sent(pages, tape)
    assert covered(pages) == ((NOON, NOON + MINUTE),)


def test_more_trades_in_a_millisecond_than_a_page_holds_are_refused_by_name() -> None:
    tape = at(0, *[100] * (PAGE + 10), 200)
    pages, beyond = PeculiarExchange(tape, BY_TIME, oldest_since).pages(NOON, NOON + MINUTE)
    assert_nothing_is_claimed_that_was_not_sent(pages, tape)
    assert covered(pages) == ((NOON, NOON + 100 * MS),)
    assert "more than fit into one answer" in beyond


def test_a_few_trades_of_one_millisecond_at_the_end_are_not_taken_for_too_many() -> None:
    tape = at(100, 100)
    pages, beyond = PeculiarExchange(tape, BY_TIME, oldest_since).pages(NOON, NOON + MINUTE)
    assert covered(pages) == ((NOON, NOON + MINUTE),)
    assert not beyond


def test_paging_by_time_ends_when_nothing_new_comes() -> None:
    exchange = PeculiarExchange(at(1, 2, 3), BY_TIME, oldest_since)
    pages, _ = exchange.pages(NOON, NOON + MINUTE)
    assert covered(pages) == ((NOON, NOON + MINUTE),)
    assert len(exchange.asked) <= 4


def test_a_page_that_does_not_join_the_one_before_is_garbage() -> None:
    answers = iter([slice(0, 50), slice(70, 120)])

    def leaves_out(since: int | None, until: int | None, limit: int, trades: Trades) -> Trades:
        return trades[next(answers)]

    with pytest.raises(Garbage):
        PeculiarExchange(market(), BY_TIME, leaves_out).pages(NOON, NOON + 60 * MINUTE)


def test_twins_without_an_id_are_kept_where_two_pages_meet() -> None:
    tape = at(*range(48), 100, 100, 100, 200)
    exchange = PeculiarExchange(tape, BY_TIME, oldest_since, ids=False)
    pages, _ = exchange.pages(NOON, NOON + MINUTE)
    assert_nothing_is_claimed_that_was_not_sent(pages, tape)
    assert covered(pages) == ((NOON, NOON + MINUTE),)


# ---- back in time


@pytest.mark.parametrize("start", [NOON, NOON + 10 * MINUTE + 300 * MS])
def test_windows_answered_from_their_newest_end_are_paged_back(start: int) -> None:
    tape, end = market(), NOON + 50 * MINUTE + 700 * MS
    pages, beyond = PeculiarExchange(tape, BACK, newest_of_window).pages(start, end)
    assert_nothing_is_claimed_that_was_not_sent(pages, tape)
    assert covered(pages) == ((start, end),)
    assert not beyond


def test_a_second_with_more_trades_than_a_page_holds_is_refused_by_name() -> None:
    tape = at(100, *range(30_000, 30_000 + 10 * (PAGE + 20), 10), 59_000)
    pages, beyond = PeculiarExchange(tape, BACK, newest_of_window).pages(NOON, NOON + MINUTE)
    assert_nothing_is_claimed_that_was_not_sent(pages, tape)
    assert covered(pages) == ((NOON + 31 * SECOND, NOON + MINUTE),)
    assert "more than fit into one answer" in beyond


def test_coinbase_advanced_is_paged_back_in_time() -> None:
    assert profile_of("coinbase").trade_paging == "back"


# ---- the newest only


def test_a_newest_page_that_reaches_what_is_stored_closes_the_gap() -> None:
    tape = market()
    start = tape.trades.ts[-PAGE // 2]
    exchange = PeculiarExchange(tape, NEWEST, ignores_since)
    pages, beyond = exchange.pages(start, NOON + 60 * MINUTE)
    assert covered(pages) == ((start, NOON + 60 * MINUTE),)
    assert not beyond
    assert len(exchange.asked) == 1


def test_a_newest_page_does_not_claim_its_oldest_instant() -> None:
    """Half of the trades of that millisecond may be on the page that nobody can ask for."""
    tape = at(*[0] * 30, *[50] * (PAGE - 10), *range(100, 120))
    pages, beyond = PeculiarExchange(tape, NEWEST, ignores_since).pages(NOON, NOON + MINUTE)
    assert_nothing_is_claimed_that_was_not_sent(pages, tape)
    assert covered(pages) == ((NOON + 51 * MS, NOON + MINUTE),)
    assert beyond


@pytest.mark.parametrize("name", ["bybit", "kucoin"])
def test_exchanges_that_have_only_newest_trades_are_known(name: str) -> None:
    assert profile_of(name).trade_paging == "newest"


def test_what_hyperliquid_calls_trades_is_refused_by_name() -> None:
    """They are the caller's own fills."""
    profile = profile_of("hyperliquid")
    exchange = PeculiarExchange(market(), profile, ignores_since, name="hyperliquid")
    pages, beyond = exchange.pages(NOON, NOON + MINUTE)
    assert not pages
    assert "hyperliquid" in beyond
    assert not exchange.asked


# ---- by id, where trades cannot be found by time


def by_ids(tape: Tape, **profile: Any) -> PeculiarExchange:
    """Answers from an id on, and knows no times."""
    exchange = PeculiarExchange(tape, Profile(), oldest_since)

    def from_id(since: int | None, until: int | None, limit: int, trades: Trades) -> Trades:
        assert since is None
        first = exchange.asked[-1].params.get("fromId")
        if first is None:
            return trades[-limit:]
        return [t for t in trades if int(t["id"]) >= first][:limit]

    exchange.answer = from_id
    exchange.profile = Profile(
        trade_paging="id", trade_page=PAGE, trade_by_time=False, contiguous_ids=True, **profile
    )
    return exchange


@pytest.mark.parametrize("minute", [0, 1, 29, 59])
def test_the_first_id_is_found_by_halves_where_nobody_can_be_asked_for_a_time(minute: int) -> None:
    tape, start = market(), NOON + minute * MINUTE + 123 * MS
    exchange = by_ids(tape)
    pages, _ = exchange.pages(start, NOON + 60 * MINUTE)
    assert_nothing_is_claimed_that_was_not_sent(pages, tape)
    assert covered(pages) == ((start, NOON + 60 * MINUTE),)


def test_finding_the_first_of_a_million_ids_takes_a_few_questions() -> None:
    """Ids that jump, a market that was silent for years: neither costs a question an hour."""
    year = 365 * 24 * 60 * MINUTE
    trades = [Trade(NOON - 3 * year, 1, 5.0, 1.0, 1), Trade(NOON, 1_000_000, 5.0, 1.0, 1)]
    tape = Tape(Market("BTC/USD"), trades)
    exchange = by_ids(tape)
    pages, _ = exchange.pages(NOON - 2 * year, NOON + MINUTE)
    assert_nothing_is_claimed_that_was_not_sent(pages, tape)
    assert covered(pages) == ((NOON - 2 * year, NOON + MINUTE),)
    assert len(exchange.asked) < 50


def test_ids_are_compared_as_numbers() -> None:
    """As text, '10' comes before '9'."""
    tape = at(*[5] * 200)
    pages, _ = by_ids(tape).pages(NOON, NOON + MINUTE)
    assert sorted(_ids(pages), key=int) == [str(n) for n in range(7, 207)]


def _ids(pages: Sequence[Any]) -> set[str]:
    return {text for page in pages for text in page.rows.column("id").to_pylist()}
