"""What websockets do to those who listen: after a repair the store is the exchange's own record."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.support.ingesting import BTC, HOUR, MIDNIGHT, MINUTE, SECOND, Ingesting, tape_of

from flightstore_ingest.ccxt_source import CcxtSource
from flightstore_ingest.pace import Pace
from flightstore_ingest.simulate import Clock, Fault, Market, Tape, Trade
from flightstore_ingest.source import TRADES
from flightstore_proto.errors import UnknownInstrument
from flightstore_proto.timerange import format_ns

MS = 1_000_000
NOW = MIDNIGHT + HOUR
SYMBOL = BTC.symbol
STREAMED = ("binance", "kraken", "okx", "coinbaseexchange", "bitfinex")


def live(
    tmp_path: Path,
    name: str,
    tapes: Tape | Sequence[Tape],
    *,
    candles: Sequence[str] = (),
    speed: float = 40,
    since: int = NOW - 10 * MINUTE,
    **more: Any,
) -> Ingesting:
    """A service that keeps trades (or `candles` instead) since ten minutes before NOW."""
    tapes = [tapes] if isinstance(tapes, Tape) else tapes
    keep: Mapping[str, Any] = {
        "symbols": [tape.market.symbol for tape in tapes],
        "candles": list(candles),
        "trades": not candles,
        "since": format_ns(since),
    }
    clock = Clock(NOW, speed=speed)
    return Ingesting(tmp_path, name, tapes, clock=clock, keep=keep, since=since, **more)


def busy(per_minute: float = 60, minutes: int = 60) -> Tape:
    return tape_of(NOW - 10 * MINUTE, NOW + minutes * MINUTE, per_minute)


def broken(it: Ingesting) -> int:
    """How many connections have ended otherwise than by a farewell."""
    return len(it.exchange.log.websockets(1006))


def streamed(it: Ingesting, rows: int) -> Callable[[], bool]:
    """Whether so many rows have come live, of every series."""
    return lambda: all(keeper.progress.rows_live >= rows for keeper in it.feed.keepers)


def known(it: Ingesting) -> list[tuple[int, int]]:
    """What is covered of the trades; nothing as long as there are none."""
    try:
        return it.covered(TRADES)
    except UnknownInstrument:
        return []


def subscribed(it: Ingesting) -> list[str]:
    """What was asked for on websockets, as texts."""
    texts = (request.query.get("text", "") for request in it.exchange.log.websockets(0))
    return [text for text in texts if "subscribe" in text.lower()]


@pytest.fixture(autouse=True)
def _no_noise() -> Iterator[None]:
    """Futures whose errors nobody looks at are told when they are collected: within the test."""
    yield
    gc.collect()


# ---- lost connections


@pytest.mark.parametrize("name", STREAMED)
def test_three_connections_lost_in_the_middle_of_it_lose_nothing(tmp_path: Path, name: str) -> None:
    faults = [Fault("close", frames=frames, after=i) for i, frames in enumerate((3, 17, 5))]
    with live(tmp_path, name, busy(), faults=faults) as it:
        came_before: list[int] = []

        def went_on() -> bool:
            """Long enough after the third for the history to have what it cost."""
            if broken(it) < 3:
                return False
            came_before.append(it.feed.keepers[0].progress.rows_live)
            return came_before[-1] >= came_before[0] + 50

        it.run_for(went_on)
        it.backfill()
        it.assert_equal_to_record(TRADES)


def test_what_was_lost_is_fetched_while_the_service_runs(tmp_path: Path) -> None:
    """Not at the next start, and long before the next comparison is due."""
    pace = Pace(confirm=100_000)
    with live(tmp_path, "binance", busy(), faults=[Fault("close", frames=20)], pace=pace) as it:

        def repaired() -> bool:
            covered = known(it)
            return broken(it) == 1 and len(covered) == 1 and covered[0][1] > NOW + 3 * MINUTE

        it.run_for(repaired)
        it.assert_equal_to_record(TRADES)


def test_frames_that_are_dropped_or_doubled_change_nothing(tmp_path: Path) -> None:
    faults = [Fault("drop", frames=10), Fault("duplicate", frames=10)]
    with live(tmp_path, "binance", busy(), faults=faults) as it:
        it.run_for(streamed(it, 100))
        it.backfill()
        it.assert_equal_to_record(TRADES)


def test_a_burst_of_thousands_of_trades_loses_none(tmp_path: Path) -> None:
    """ccxt keeps the last thousand, and forgets the others without a word."""
    burst = [Trade(NOW + 5 * SECOND + i * MS // 2, 5_000 + i, 5.0, 1.0, 1) for i in range(3_000)]
    later = [Trade(NOW + 8 * SECOND + i * SECOND, 9_000 + i, 6.0, 1.0, 1) for i in range(600)]
    tape = Tape(BTC, [*burst, *later])
    with live(tmp_path, "kraken", tape, since=NOW) as it:
        it.run_for(streamed(it, 3_100))
        it.backfill()
        it.assert_equal_to_record(TRADES)


def test_live_rows_are_stored_and_proved_without_asking_again(tmp_path: Path) -> None:
    """Contiguous ids: what the stream sent without a gap needs no second look."""
    pace = Pace(confirm=100_000)
    with live(tmp_path, "binance", busy(), pace=pace) as it:

        def followed() -> bool:
            covered = known(it)
            return bool(covered) and covered[-1][1] > NOW + 4 * MINUTE

        it.run_for(followed)
        asked = it.exchange.log.matching("aggTrades")
        assert all(r.exchange_ns < NOW + 2 * MINUTE for r in asked)
        it.assert_equal_to_record(TRADES)


# ---- silence


@pytest.mark.parametrize("name", ["binance", "kraken"])
def test_a_stream_that_died_on_a_living_socket_is_subscribed_anew(
    tmp_path: Path, name: str
) -> None:
    """Heartbeats go on, no error comes; and ccxt believes that it is subscribed."""
    like = {"binance": "aggTrade", "kraken": '"trade"'}[name]
    pace = Pace(confirm=30, trade_grace=2)
    with live(tmp_path, name, busy(), pace=pace) as it:
        seen: list[int] = []

        def stalled_and_back() -> bool:
            rows = it.feed.keepers[0].progress.rows_live
            if rows > 30 and not seen:
                it.exchange.faults.add(Fault("stall", like=like))
                seen.append(rows)
            return bool(seen) and rows > seen[0] + 60 and len(subscribed(it)) > 1

        it.run_for(stalled_and_back)
        it.backfill()
        it.assert_equal_to_record(TRADES)


def test_a_quiet_market_is_no_stall(tmp_path: Path) -> None:
    """Nothing comes because nothing happens: its subscription stays as it is."""
    trades = [Trade(NOW + i * SECOND, 1_000 + i, 5.0, 1.0, 1) for i in range(20)]
    pace = Pace(confirm=20, trade_grace=2)
    with live(tmp_path, "binance", Tape(BTC, trades), pace=pace, since=NOW) as it:
        it.run_for(lambda: it.clock.now() > NOW + 2 * MINUTE)
        assert len(subscribed(it)) == 1


# ---- handshakes


@pytest.mark.parametrize("status", [429, 503])
def test_refused_handshakes_end_in_waiting_and_meanwhile_in_asking(
    tmp_path: Path, status: int
) -> None:
    refused = Fault("refuse", status=status, times=3)
    with live(tmp_path, "binance", busy(), faults=[refused]) as it:
        it.run_for(streamed(it, 20))
        it.backfill()
        it.assert_equal_to_record(TRADES)
        dials = [r.at for r in it.exchange.log.websockets() if r.status in (status, 101)]
        assert len(dials) == 4
        assert all(b - a > 0.2 for a, b in pairwise(dials))


# ---- candles


@pytest.mark.parametrize("name", ["binance", "kraken"])
def test_live_candles_are_the_exchanges_own_after_a_lost_connection(
    tmp_path: Path, name: str
) -> None:
    faults = [Fault("close", frames=5)]
    with live(tmp_path, name, busy(), candles=["1m"], faults=faults, speed=60) as it:
        it.run_for(lambda: broken(it) >= 1 and streamed(it, 3)())
        it.backfill()
        if name == "kraken":
            _assert_equal_where_traded(it)
        else:
            it.assert_equal_to_record()


def test_two_timeframes_of_one_market_are_both_kept_at_kraken(tmp_path: Path) -> None:
    """ccxt takes their streams for one, and never subscribes to the second."""
    with live(tmp_path, "kraken", busy(), candles=["1m", "5m"], speed=60) as it:
        it.run_for(lambda: min(_newest(it, "1m"), _newest(it, "5m")) >= NOW)
        assert len([text for text in subscribed(it) if "ohlc" in text]) == 1
        for timeframe in ("1m", "5m"):
            _assert_equal_where_traded(it, timeframe)


def _newest(it: Ingesting, timeframe: str) -> int:
    [progress] = [k.progress for k in it.feed.keepers if k.series.timeframe == timeframe]
    return progress.last_ts or 0


def _assert_equal_where_traded(it: Ingesting, timeframe: str = "1m") -> None:
    """Where nothing was traded Kraken writes a bar or none, as it likes."""
    [(low, high)] = it.covered(timeframe=timeframe)
    rows, ts = it.stored(timeframe=timeframe), pl.col("ts").dt.epoch("ns")
    rows = rows.filter((ts >= low) & (ts < high) & (pl.col("volume") > 0))
    wanted = it.record(low, high, timeframe=timeframe).filter(pl.col("volume") > 0)
    assert rows.equals(wanted.select(rows.columns))


def test_candles_of_an_exchange_without_a_stream_of_them_are_polled(tmp_path: Path) -> None:
    with live(tmp_path, "coinbaseexchange", busy(), candles=["1m"], speed=120) as it:
        it.run_for(lambda: _newest(it, "1m") > NOW + 2 * MINUTE)
        assert not subscribed(it)
        it.assert_equal_to_record()


# ---- many series


@pytest.mark.parametrize("count", [50, 250])
def test_every_one_of_many_markets_is_heard(tmp_path: Path, count: int) -> None:
    """One task for each: ccxt's calls for many symbols at once starve all but the busiest."""
    tapes = [_ticking(Market(f"C{n:03}/USDT")) for n in range(count)]
    section = {"concurrency": 16}
    with live(tmp_path, "binance", tapes, section=section, speed=10, since=NOW) as it:
        it.run_for(streamed(it, 1))
        assert len(it.feed.keepers) == count
        assert not it.feed.refused
        assert sum(text.count("@aggTrade") for text in subscribed(it)) == count


def _ticking(market: Market) -> Tape:
    times = range(NOW - MINUTE, NOW + 30 * MINUTE, 5 * SECOND)
    return Tape(market, [Trade(ts, 1_000 + i, 5.0 + i, 1.0, 1) for i, ts in enumerate(times)])


# ---- the end


def test_closing_leaves_no_socket_no_task_and_no_noise(tmp_path: Path) -> None:
    said: list[str] = []
    with live(tmp_path, "binance", busy(), faults=[Fault("close", frames=5)]) as it:

        async def work() -> None:
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: said.append(str(context)))
            async with it.service() as feed:
                running = asyncio.create_task(feed.run())
                await it._until(streamed(it, 20), running)
                source = feed.source
                assert isinstance(source, CcxtSource)
                sockets = list(source.exchange.api.clients.values())
                running.cancel()
                await asyncio.wait([running])
            assert sockets and all(socket.closed() for socket in sockets)
            assert source.exchange.api.session is None
            del running, source, sockets
            gc.collect()

        it.run(work())
    assert not said


def test_ccxts_caches_do_not_grow(tmp_path: Path) -> None:
    with live(tmp_path, "binance", busy(300), speed=60) as it:
        cached: list[int] = []

        def look() -> bool:
            source = it.feed.source
            assert isinstance(source, CcxtSource)
            cached.append(len(source.exchange.api.trades.get(SYMBOL, ())))
            return it.feed.keepers[0].progress.rows_live > 2_000

        it.run_for(look)
        assert max(cached) < 500
