"""What exchanges do to those who download trades: the store ends up with their own record."""

from __future__ import annotations

import gc
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.support.ingesting import BTC, HOUR, MIDNIGHT, MINUTE, SECOND, Ingesting, tape_of

from flightstore_ingest.ccxt_source import CcxtSource
from flightstore_ingest.simulate import Clock, Fault, Market, Tape, Trade
from flightstore_ingest.simulate.wire import Asked, Reply
from flightstore_ingest.source import TRADES, Page
from flightstore_proto.timerange import format_ns

EXCHANGES = ("binance", "kraken", "okx", "coinbaseexchange", "bitfinex")
MS = 1_000_000
PATHS = {
    "binance": "aggTrades",
    "kraken": "public/Trades",
    "okx": "history-trades",
    "coinbaseexchange": "/trades",
    "bitfinex": "/trades/",
}


def keeping(tmp_path: Path, name: str, tape: Tape, now: int, since: int, **more: Any) -> Ingesting:
    """A service that keeps trades from `since` on, at an exchange whose clock stands at `now`."""
    clock = Clock(now, speed=60)
    clock.freeze()
    keep = {"symbols": [tape.market.symbol], "trades": True, "since": format_ns(since)}
    return Ingesting(tmp_path, name, tape, clock=clock, keep=keep, since=since, **more)


def trades(*times: int, first: int = 1_000) -> list[Trade]:
    """Trades at those ns, each at a price of its own so that none are aggregated."""
    return [Trade(ts, first + i, 100.0 + i % 7, 1.0, 1) for i, ts in enumerate(times)]


def assert_all_there(it: Ingesting, end: int | None = None) -> None:
    it.assert_equal_to_record(TRADES, "", end=end)


# ---- many trades in one millisecond, pages, order


@pytest.mark.parametrize("name", EXCHANGES)
def test_hundreds_of_trades_in_one_millisecond_are_all_kept(tmp_path: Path, name: str) -> None:
    """735 share one in a recorded file of Binance's; here they also lie across page ends."""
    early = [MIDNIGHT + i * 40 * MS for i in range(690)]
    crowd = [MIDNIGHT + MINUTE] * 735
    late = [MIDNIGHT + MINUTE + i * 30 * MS for i in range(1, 900)]
    tape = Tape(BTC, trades(*early, *crowd, *late, first=9_500))
    now = MIDNIGHT + 5 * MINUTE
    with keeping(tmp_path, name, tape, now, MIDNIGHT) as it:
        it.backfill()
        assert_all_there(it, end=now - MINUTE)
        assert it.stored(TRADES).height == len(it.record(MIDNIGHT, now, TRADES))


@pytest.mark.parametrize("name", EXCHANGES)
def test_pages_shorter_than_asked_for_leave_no_trade_out(tmp_path: Path, name: str) -> None:
    tape = tape_of(MIDNIGHT, MIDNIGHT + HOUR, 20)
    now = MIDNIGHT + HOUR + MINUTE
    with keeping(tmp_path, name, tape, now, MIDNIGHT, page_cap=90) as it:
        it.backfill()
        assert_all_there(it, end=MIDNIGHT + HOUR)


def test_trades_of_one_microsecond_on_both_sides_of_a_page_end_are_kept(tmp_path: Path) -> None:
    """Kraken counts 100 ns, the store keeps its microseconds."""
    first = [MIDNIGHT + i * SECOND for i in range(998)]
    same = [MIDNIGHT + 1_000 * SECOND + 5_000 + i * 100 for i in range(5)]
    tape = Tape(BTC, trades(*first, *same))
    with keeping(tmp_path, "kraken", tape, MIDNIGHT + HOUR, MIDNIGHT) as it:
        it.backfill()
        assert it.stored(TRADES).height == 1_003
        assert it.covered(TRADES) == [(MIDNIGHT, it.covered(TRADES)[0][1])]


def test_ids_are_in_the_order_of_numbers(tmp_path: Path) -> None:
    """As text, '10' comes before '9'."""
    tape = Tape(BTC, trades(*[MIDNIGHT] * 30, first=1))
    with keeping(tmp_path, "coinbaseexchange", tape, MIDNIGHT + HOUR, MIDNIGHT) as it:
        it.backfill()
        assert it.stored(TRADES)["id"].to_list() == [str(n) for n in range(1, 31)]


def test_the_side_is_the_takers(tmp_path: Path) -> None:
    """Coinbase Exchange writes the maker's."""
    tape = Tape(BTC, [Trade(MIDNIGHT, 1, 5.0, 1.0, 1), Trade(MIDNIGHT + SECOND, 2, 5.0, 1.0, -1)])
    with keeping(tmp_path, "coinbaseexchange", tape, MIDNIGHT + HOUR, MIDNIGHT) as it:
        it.backfill()
        assert it.stored(TRADES)["side"].to_list() == [1, -1]


# ---- where to start, and when to stop


@pytest.mark.parametrize("name", EXCHANGES)
def test_a_start_in_the_middle_of_a_quiet_time_finds_the_next_trade(
    tmp_path: Path, name: str
) -> None:
    """Binance answers an hour without trades with nothing, though trades come later."""
    before = [MIDNIGHT + i * SECOND for i in range(300)]
    after = [MIDNIGHT + 9 * HOUR + i * SECOND for i in range(300)]
    tape = Tape(BTC, trades(*before, *after))
    start, now = MIDNIGHT + 2 * HOUR, MIDNIGHT + 10 * HOUR
    with keeping(tmp_path, name, tape, now, start) as it:
        it.backfill()
        assert_all_there(it, end=now - MINUTE)
        assert it.stored(TRADES).height == 300


def test_years_without_a_trade_do_not_cost_a_request_an_hour(tmp_path: Path) -> None:
    year = 365 * 24 * HOUR
    tape = Tape(BTC, trades(MIDNIGHT - 3 * year, MIDNIGHT - SECOND))
    with keeping(tmp_path, "binance", tape, MIDNIGHT + MINUTE, MIDNIGHT - 2 * year) as it:
        it.backfill()
        assert_all_there(it, end=MIDNIGHT)
        assert len(it.exchange.log.matching("aggTrades")) < 40


@pytest.mark.parametrize("name", EXCHANGES)
def test_paging_ends_at_the_last_trade(tmp_path: Path, name: str) -> None:
    """Asked from the last trade on, exchanges send that trade, and again, for ever."""
    tape = Tape(BTC, trades(*[MIDNIGHT + i * SECOND for i in range(20)]))
    with keeping(tmp_path, name, tape, MIDNIGHT + HOUR, MIDNIGHT) as it:
        it.backfill()
        assert_all_there(it, end=MIDNIGHT + HOUR - MINUTE)
        assert len(it.exchange.log.matching(PATHS[name])) <= 9


def test_a_busy_hour_is_found_by_its_first_trade_and_not_by_its_last_page(tmp_path: Path) -> None:
    """Of a window with more trades than a page, Binance may send the last ones."""
    tape = tape_of(MIDNIGHT, MIDNIGHT + 2 * HOUR, 60)
    start = MIDNIGHT + 17 * MINUTE + 123 * MS
    with keeping(tmp_path, "binance", tape, MIDNIGHT + 2 * HOUR + MINUTE, start) as it:
        it.backfill()
        assert_all_there(it, end=MIDNIGHT + 2 * HOUR)


def test_a_restart_goes_on_by_id_and_fetches_no_page_twice(tmp_path: Path) -> None:
    tape = tape_of(MIDNIGHT, MIDNIGHT + 2 * HOUR, 60)
    with keeping(tmp_path, "binance", tape, MIDNIGHT + 2 * HOUR + MINUTE, MIDNIGHT) as it:
        it.backfill(MIDNIGHT + HOUR)
        stored = it.stored(TRADES).height
        it.exchange.log.clear()
        it.backfill()
        assert_all_there(it, end=MIDNIGHT + 2 * HOUR)
        asked = it.exchange.log.matching("aggTrades")
        assert all("startTime" not in request.query for request in asked)
        # What came beyond the end of the first run is thrown away, and a second more for safety.
        assert sum(r.rows for r in asked) <= it.stored(TRADES).height - stored + 3_000
        assert max(Counter(r.query["fromId"] for r in asked if r.rows).values()) == 1


def test_krakens_times_are_read_digit_by_digit(tmp_path: Path) -> None:
    """A double cannot tell the last of seven decimals, and one trade in fourteen would move by a
    microsecond: a second key for what the websocket has sent already.
    """
    tape = Tape(BTC, trades(MIDNIGHT))
    with keeping(tmp_path, "kraken", tape, MIDNIGHT + HOUR, MIDNIGHT) as it:

        async def work() -> None:
            async with it.service() as feed:
                assert isinstance(feed.source, CcxtSource)
                read = feed.source.exchange.api.parse_json('{"last": 1649715480.2729039}')
                assert read == {"last": "1649715480.2729039"}

        it.run(work())


def test_krakens_cursor_neither_overlaps_nor_leaves_out(tmp_path: Path) -> None:
    """ccxt alone asks by whole seconds, where a second may hold more than a page."""
    busy = [MIDNIGHT + i * 100_000 for i in range(2_500)]  # within a quarter of a second
    tape = Tape(BTC, trades(*busy))
    with keeping(tmp_path, "kraken", tape, MIDNIGHT + HOUR, MIDNIGHT) as it:
        it.backfill()
        assert_all_there(it)
        assert sum(r.rows for r in it.exchange.log.matching("public/Trades")) == 2_500


# ---- answers that are not true


@pytest.mark.parametrize("name", EXCHANGES)
def test_answers_that_are_not_true_make_no_hole(tmp_path: Path, name: str) -> None:
    """Empty for no reason, the page before once more, a trade from three days ago."""
    tape = tape_of(MIDNIGHT, MIDNIGHT + HOUR, 60)
    kinds = ("empty", "repeat", "outside")
    faults = [Fault(kind, match=PATHS[name], after=2 * i + 1) for i, kind in enumerate(kinds)]
    now = MIDNIGHT + HOUR + MINUTE
    with keeping(tmp_path, name, tape, now, MIDNIGHT, faults=faults, page_cap=400) as it:
        it.backfill()
        assert_all_there(it, end=MIDNIGHT + HOUR)
        assert not it.exchange.faults.waiting()


def test_that_nothing_follows_an_id_is_not_believed_for_being_said_twice(tmp_path: Path) -> None:
    """A queue of faults after a restart emptied two answers in a row: a trade was missing that the
    coverage called complete."""
    tape = tape_of(MIDNIGHT, MIDNIGHT + HOUR, 60)
    fault = Fault("empty", match="aggTrades", times=2, after=5)
    now = MIDNIGHT + HOUR + MINUTE
    with keeping(tmp_path, "binance", tape, now, MIDNIGHT, faults=[fault], page_cap=400) as it:
        it.backfill()
        assert_all_there(it, end=MIDNIGHT + HOUR)
        assert not it.exchange.faults.waiting()


@pytest.mark.parametrize("kind", ["none_fields", "contradiction", "html", "cut"])
def test_a_page_with_trades_that_cannot_be_is_asked_for_again(tmp_path: Path, kind: str) -> None:
    tape = tape_of(MIDNIGHT, MIDNIGHT + HOUR, 60)
    fault = Fault(kind, match="aggTrades", after=2)
    now = MIDNIGHT + HOUR + MINUTE
    with keeping(tmp_path, "binance", tape, now, MIDNIGHT, faults=[fault]) as it:
        it.backfill()
        assert_all_there(it, end=MIDNIGHT + HOUR)


@pytest.mark.parametrize("name", ["binance", "kraken", "coinbaseexchange"])
def test_an_answer_that_leaves_out_ids_is_asked_for_again(tmp_path: Path, name: str) -> None:
    tape = tape_of(MIDNIGHT, MIDNIGHT + 10 * MINUTE, 30)
    it = keeping(tmp_path, name, tape, MIDNIGHT + 15 * MINUTE, MIDNIGHT)
    left_out = _leaving_out_one(it, PATHS[name])
    with it:
        it.backfill()
        assert left_out
        assert_all_there(it, end=MIDNIGHT + 10 * MINUTE)


def _answering(it: Ingesting, answered: Callable[[Asked, Reply], None]) -> None:
    """Have `answered` look at all that the exchange answers, before it is sent."""
    wire: Any = it.exchange.wire
    routes = wire.routes()

    def looked_at(handler: Callable[[Asked, Any], Reply]) -> Callable[[Asked, Any], Reply]:
        def handle(asked: Asked, x: Any) -> Reply:
            reply = handler(asked, x)
            answered(asked, reply)
            return reply

        return handle

    wire.routes = lambda: [replace(route, handler=looked_at(route.handler)) for route in routes]


def _leaving_out_one(it: Ingesting, path: str) -> list[Any]:
    """The first long answer of the exchange lacks a row from its middle, as some have."""
    left_out: list[Any] = []

    def leave_out(asked: Asked, reply: Reply) -> None:
        if left_out or reply.rows < 50 or path not in asked.path:
            return
        layout = it.exchange.wire.layout(asked.path)
        assert layout is not None
        if isinstance(reply.body, str):
            reply.body = json.loads(reply.body)
        rows = layout.rows(reply.body)
        left_out.append(rows.pop(len(rows) // 2))

    _answering(it, leave_out)
    return left_out


# ---- bitfinex: by time


def test_a_millisecond_with_more_trades_than_a_page_is_refused_by_name(tmp_path: Path) -> None:
    crowd = [MIDNIGHT + MINUTE] * 200
    tape = Tape(BTC, trades(MIDNIGHT, *crowd, MIDNIGHT + 2 * MINUTE))
    now = MIDNIGHT + HOUR
    with keeping(tmp_path, "bitfinex", tape, now, MIDNIGHT, page_cap=100) as it:
        it.backfill()
        assert "more than fit into one answer" in str(it.feed.refused)
        assert it.covered(TRADES) == [(MIDNIGHT, MIDNIGHT + MINUTE)]


# ---- binance: aggregates or single trades


def test_binances_aggregates_are_taken_unless_single_trades_are_wanted(tmp_path: Path) -> None:
    tape = tape_of(MIDNIGHT, MIDNIGHT + HOUR, 60)
    with keeping(tmp_path, "binance", tape, MIDNIGHT + HOUR + MINUTE, MIDNIGHT) as it:
        it.backfill()
        assert not it.exchange.log.matching("historicalTrades")
        assert it.stored(TRADES).height < len(tape.trades)


SINGLE = {"trades": "single", "config": {"apiKey": "key"}}


def test_binances_single_trades_are_had_with_a_key(tmp_path: Path) -> None:
    tape = tape_of(MIDNIGHT, MIDNIGHT + HOUR, 60)
    start = MIDNIGHT + 10 * MINUTE
    now = MIDNIGHT + HOUR + MINUTE
    with keeping(tmp_path, "binance", tape, now, start, section=SINGLE) as it:
        it.backfill()
        assert_equal_to_the_tape(it, tape, start, MIDNIGHT + HOUR)
        assert not it.exchange.log.matching("aggTrades")


def test_without_a_key_single_trades_are_refused_with_the_remedy(tmp_path: Path) -> None:
    tape = tape_of(MIDNIGHT, MIDNIGHT + HOUR, 60)
    section = {"trades": "single"}
    with keeping(tmp_path, "binance", tape, MIDNIGHT + HOUR, MIDNIGHT, section=section) as it:
        it.backfill()
        assert "API key" in str(it.feed.refused)


def test_a_stream_of_single_trades_has_the_ids_of_their_history(tmp_path: Path) -> None:
    """Stitched from two series of ids, nothing would ever match."""
    tape = tape_of(MIDNIGHT, MIDNIGHT + 30 * MINUTE, 60)
    keep = {"symbols": [BTC.symbol], "trades": True, "since": format_ns(MIDNIGHT)}
    clock = Clock(MIDNIGHT + 5 * MINUTE, speed=60)
    with Ingesting(
        tmp_path, "binance", tape, clock=clock, keep=keep, since=MIDNIGHT, section=SINGLE
    ) as it:
        it.run_for(lambda: it.feed.keepers[0].progress.rows_live > 300)
        it.backfill()
        assert_equal_to_the_tape(it, tape, MIDNIGHT, it.covered(TRADES)[0][1])


def assert_equal_to_the_tape(it: Ingesting, tape: Tape, start: int, end: int) -> None:
    [(low, high)] = it.covered(TRADES)
    assert low <= start and high >= end
    ts = pl.col("ts").dt.epoch("ns")
    rows = it.stored(TRADES).filter((ts >= start) & (ts < end))
    wanted: Any = pl.from_arrow(tape.table(start, end))
    assert rows.equals(wanted.select(rows.columns))


# ---- candles from trades


def test_candles_made_of_trades_begin_with_a_whole_bar(tmp_path: Path) -> None:
    """Kraken keeps 720 candles; older ones are made of trades, here from the middle of a bar on."""
    start = MIDNIGHT + 30 * SECOND
    tape = tape_of(MIDNIGHT, MIDNIGHT + 14 * HOUR, 3)
    now = MIDNIGHT + 14 * HOUR + MINUTE
    clock = Clock(now, speed=60)
    clock.freeze()
    keep = {"symbols": [BTC.symbol], "candles": ["1m"], "since": format_ns(start)}
    with Ingesting(tmp_path, "kraken", tape, clock=clock, keep=keep, since=start) as it:
        it.backfill()
        [(low, high)] = it.covered()
        assert low == start
        traded = it.stored().filter(pl.col("volume") > 0)
        wanted = it.record(MIDNIGHT + MINUTE, high).filter(pl.col("volume") > 0)
        assert traded.equals(wanted.select(traded.columns))


# ---- memory


def test_a_long_history_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    tape = Tape(Market("BTC/USDT"), trades(*_steady(40_000)))
    now = MIDNIGHT + 3 * HOUR
    it = keeping(tmp_path, "kraken", tape, now, MIDNIGHT)
    alive = _pages_alive(it)
    gc.collect()  # what other tests have left
    with it:
        it.backfill()
        assert_all_there(it)
    assert len(alive) > 40
    # Those on their way to the store, and what the garbage collector has not seen yet.
    assert max(alive) <= 16


def _steady(count: int) -> Iterable[int]:
    return (MIDNIGHT + i * 200 * MS for i in range(count))


def _pages_alive(it: Ingesting) -> list[int]:
    """Counts, each time the exchange is asked for trades, the pages of before that still live."""
    alive: list[int] = []

    def count(asked: Asked, reply: Reply) -> None:
        if asked.path.endswith("Trades"):
            alive.append(sum(isinstance(one, Page) for one in gc.get_objects()))

    _answering(it, count)
    return alive
