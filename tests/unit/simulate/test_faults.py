"""Every fault as ccxt passes it on: as an exception, or as garbage without one."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import Any

import aiohttp
import ccxt
import pytest
from tests.support.ccxt_clients import run, until
from tests.unit.simulate.conftest import (
    BTC,
    MINUTE,
    SECOND,
    START,
    binance,
    every_second,
    frozen,
    heard,
)

from flightstore_ingest.simulate import (
    Fault,
    Faults,
    SimulatedExchange,
    Tape,
    random_faults,
    serve,
)

SINCE = START // 1_000_000
CANDLES = "/api/v3/klines"


@pytest.fixture
def x() -> SimulatedExchange:
    """Binance ten minutes after START, with a trade in every second."""
    tape = Tape(BTC, every_second(1_200))
    return SimulatedExchange("binance", [tape], clock=frozen(START + 10 * MINUTE))


def candles(
    x: SimulatedExchange, *faults: Fault, since: int | None = SINCE, **config: Any
) -> list[list[Any]]:
    """What ccxt gives for ten candles while `faults` wait."""
    found: list[list[Any]] = []

    async def test() -> None:
        async with binance(x, **config) as client:
            await client.load_markets()
            for fault in faults:
                x.faults.add(fault)
            found.extend(await client.fetch_ohlcv("BTC/USDT", "1m", since, 10))

    run(test())
    return found


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("status", CANDLES, status=429, retry_after=7), ccxt.DDoSProtection),
        (Fault("status", CANDLES, status=418, retry_after=120), ccxt.DDoSProtection),
        (Fault("status", CANDLES, status=451), ccxt.ExchangeNotAvailable),
        (Fault("status", CANDLES, status=403), ccxt.ExchangeNotAvailable),
        (Fault("status", CANDLES, status=500), ccxt.OperationFailed),
        (Fault("status", CANDLES, status=502), ccxt.ExchangeNotAvailable),
        (Fault("status", CANDLES, status=503), ccxt.ExchangeNotAvailable),
        (Fault("status", CANDLES, status=504), ccxt.NetworkError),
        (Fault("truncated", CANDLES), ccxt.ExchangeError),
        (Fault("reset", CANDLES, times=2), ccxt.ExchangeNotAvailable),
        (Fault("maintenance", CANDLES), ccxt.OnMaintenance),
        (Fault("bad_symbol", CANDLES), ccxt.BadSymbol),
    ],
    ids=lambda value: f"{value.kind} {value.status}" if isinstance(value, Fault) else "",
)
def test_ccxt_raises(x: SimulatedExchange, fault: Fault, error: type[Exception]) -> None:
    with pytest.raises(error):
        candles(x, fault)
    assert x.log.matching(CANDLES)[-1].fault == fault.kind


def test_a_hanging_request_is_given_up_by_the_client(x: SimulatedExchange) -> None:
    with pytest.raises(ccxt.RequestTimeout):
        candles(x, Fault("hang", CANDLES), timeout=200)


def test_a_slow_answer_is_a_true_one(x: SimulatedExchange) -> None:
    assert candles(x, Fault("slow", CANDLES, seconds=0.01)) == candles(x)


@pytest.mark.parametrize("kind", ["html", "cut"])
def test_ccxt_reads_garbage_as_candles_of_nothing(x: SimulatedExchange, kind: str) -> None:
    found = candles(x, Fault(kind, CANDLES), since=None)
    assert found
    # It goes through the text by character: some are digits, which pass for a time.
    assert all(value is None for candle in found for value in candle[1:])
    # With `since`, which candles of no time are not after, it passes for an empty page.
    assert candles(x, Fault(kind, CANDLES)) == []


def test_an_empty_answer_is_no_candles(x: SimulatedExchange) -> None:
    assert candles(x, Fault("empty", CANDLES)) == []


def test_a_row_of_nulls_reaches_the_client(x: SimulatedExchange) -> None:
    assert [None] * 6 in candles(x, Fault("none_fields", CANDLES), since=None)


def test_a_row_off_the_grid_reaches_the_client(x: SimulatedExchange) -> None:
    assert [c[0] % 60_000 for c in candles(x, Fault("off_grid", CANDLES))].count(7_123) == 1


def test_a_row_from_outside_the_window_reaches_the_client_through_the_raw_answer(
    x: SimulatedExchange,
) -> None:
    async def test() -> None:
        async with binance(x) as client:
            await client.load_markets()
            x.faults.add(Fault("outside", CANDLES))
            ask = {"symbol": "BTCUSDT", "interval": "1m", "startTime": SINCE}
            rows = await client.public_get_klines(ask)
        assert int(rows[-1][0]) == SINCE - 3 * 86_400_000

    run(test())


def test_a_contradictory_row_has_its_high_below_its_low(x: SimulatedExchange) -> None:
    assert len([c for c in candles(x, Fault("contradiction", CANDLES)) if c[2] < c[3]]) == 1


def test_a_row_of_zeros_keeps_its_time(x: SimulatedExchange) -> None:
    found = candles(x, Fault("zero_rows", CANDLES))
    assert [c[1:] for c in found].count([0.0] * 5) == 1
    assert [c[0] for c in found] == [c[0] for c in candles(x)]


def test_the_page_before_comes_again(x: SimulatedExchange) -> None:
    async def test() -> None:
        async with binance(x) as client:
            first = await client.public_get_klines({"symbol": "BTCUSDT", "interval": "1m"})
            x.faults.add(Fault("repeat", CANDLES))
            ask = {"symbol": "BTCUSDT", "interval": "1m", "startTime": SINCE + 300_000}
            other = {"symbol": "BTCUSDT", "interval": "5m"}
            assert await client.public_get_klines(other) != first, "it is of another series"
            x.faults.add(Fault("repeat", CANDLES))
            assert await client.public_get_klines(ask) == first
            assert await client.public_get_klines(ask) != first

    run(test())


def test_a_client_that_is_told_to_wait_can_read_how_long(x: SimulatedExchange) -> None:
    async def test() -> None:
        x.faults.add(Fault("status", CANDLES, status=418, retry_after=120))
        async with binance(x) as client:
            with pytest.raises(ccxt.DDoSProtection, match=str(SINCE + 600_000 + 120_000)):
                await client.fetch_ohlcv("BTC/USDT")
            assert client.last_response_headers["Retry-After"] == "120"

    run(test())


def test_a_fault_strikes_the_path_it_is_meant_for_as_often_as_it_says(
    x: SimulatedExchange,
) -> None:
    x.faults.add(Fault("status", "/api/*Trades", times=2, after=1))

    async def test() -> None:
        async with binance(x) as client:
            statuses = []
            for _ in range(5):
                await client.fetch_ohlcv("BTC/USDT")
                try:
                    await client.fetch_trades("BTC/USDT")
                    statuses.append(200)
                except ccxt.ExchangeNotAvailable:
                    statuses.append(503)
        assert statuses == [200, 503, 503, 200, 200]

    run(test())
    assert x.faults.waiting() == []


def test_an_outage_ends_websockets_and_answers_with_maintenance() -> None:
    trades = [t for t in every_second(300) if not 60 <= (t.ts - START) // SECOND < 120]
    tape = Tape(BTC, trades, outages=[(START + MINUTE, START + 2 * MINUTE)])
    x = SimulatedExchange("binance", [tape], clock=frozen(START + 50 * SECOND))

    async def test() -> None:
        async with binance(x) as client:
            await heard(x, client.watch_trades("BTC/USDT"), SECOND)
            x.clock.advance(10 * SECOND)
            with pytest.raises(ccxt.NetworkError):
                await client.watch_trades("BTC/USDT")
            with pytest.raises(ccxt.OnMaintenance):
                await client.fetch_ohlcv("BTC/USDT")
            x.clock.advance(MINUTE)
            assert len(await client.fetch_ohlcv("BTC/USDT")) == 2

    run(test())


def watched(x: SimulatedExchange, fault: Fault, wanted: int) -> list[int]:
    """Ids of the first `wanted` trades that reach ccxt after `fault`, when 20 seconds pass."""
    found: list[int] = []

    async def test() -> None:
        async with binance(x) as client:
            x.faults.add(fault)
            task = asyncio.ensure_future(client.watch_trades("BTC/USDT"))
            await until(lambda: any(c.subscriptions for c in x.connections))
            await until(lambda: not x.faults.waiting())
            x.clock.advance(20 * SECOND)
            await task
            await until(lambda: len(client.trades["BTC/USDT"]) >= wanted)
            found.extend(int(t["id"]) for t in client.trades["BTC/USDT"])

    run(test())
    return found


# The trade of START + 600 s has id 1601; the twenty after it happen while ccxt watches.
HAPPENED = list(range(1_602, 1_622))


def test_frames_can_be_lost(x: SimulatedExchange) -> None:
    assert watched(x, Fault("drop", frames=5), 15) == HAPPENED[5:]


def test_frames_can_come_twice(x: SimulatedExchange) -> None:
    assert watched(x, Fault("duplicate", frames=2), 22) == sorted([*HAPPENED[:2], *HAPPENED])


def test_frames_can_be_held_back_until_there_are_many(x: SimulatedExchange) -> None:
    assert watched(x, Fault("burst", frames=20), 20) == HAPPENED


def test_a_stalled_stream_sends_nothing_while_its_socket_is_open(x: SimulatedExchange) -> None:
    other = '"t":1610,'
    assert watched(x, Fault("stall", like=other), 19) == [n for n in HAPPENED if n != 1_610]


def test_a_stall_may_end(x: SimulatedExchange) -> None:
    async def test() -> None:
        async with binance(x) as client:
            x.faults.add(Fault("stall", seconds=0.05))
            task = asyncio.ensure_future(client.watch_trades("BTC/USDT"))
            while not task.done():
                await asyncio.sleep(0.005)
                if any(c.subscriptions for c in x.connections):
                    x.clock.advance(SECOND)
            assert int((await task)[0]["id"]) > HAPPENED[0]

    run(test())


def test_a_connection_can_break_after_some_frames(x: SimulatedExchange) -> None:
    x.faults.add(Fault("close", frames=3))

    async def test() -> None:
        async with binance(x) as client:
            await heard(x, client.watch_trades("BTC/USDT"), 20 * SECOND)
            await until(lambda: x.log.websockets(1006))
            await until(lambda: len(client.trades["BTC/USDT"]) == 3)
            assert [int(t["id"]) for t in client.trades["BTC/USDT"]] == HAPPENED[:3]

    run(test())
    assert x.log.websockets(1006)[0].fault == "close"


def test_each_connection_meets_a_fault_once(x: SimulatedExchange) -> None:
    x.faults.add(Fault("close", times=2, after=1))

    async def connect(url: str, session: aiohttp.ClientSession) -> bool:
        """Whether the connection breaks, with the next moment of the clock, or stays."""
        async with session.ws_connect(url + "/ws/btcusdt@trade") as socket:
            await until(lambda: len(x.connections) == 1)
            x.clock.advance(SECOND)
            broken = (await socket.receive()).type != aiohttp.WSMsgType.TEXT
        await until(lambda: not x.connections)
        return broken

    async def test() -> None:
        async with serve(x) as url, aiohttp.ClientSession() as session:
            assert [await connect(url, session) for _ in range(4)] == [False, True, True, False]

    run(test())


def test_a_handshake_can_be_refused(x: SimulatedExchange) -> None:
    x.faults.add(Fault("refuse", status=429, retry_after=3))

    async def test() -> None:
        async with binance(x) as client:
            with pytest.raises(ccxt.NetworkError):
                await client.watch_trades("BTC/USDT")

    run(test())
    assert [r.status for r in x.log.websockets()] == [429]


def test_a_kind_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="not a kind"):
        Fault("earthquake")


def test_a_plan_is_the_same_for_the_same_seed() -> None:
    one, other = (list(islice(random_faults(5, 2.0), 50)) for _ in range(2))
    assert one == other
    assert [at for at, _ in one] == sorted(at for at, _ in one)
    assert {fault.kind for _, fault in islice(random_faults(5, 2.0, ["close"]), 5)} == {"close"}


def test_a_planned_fault_waits_for_its_time() -> None:
    plan = iter([(0.0, Fault("reset")), (3_600.0, Fault("hang"))])
    faults = Faults(plan=plan)
    taken = [faults.take("/anything") for _ in range(2)]
    assert [fault.kind if fault else None for fault in taken] == ["reset", None]


def test_a_connection_that_is_struck_at_once_counts_as_spared_by_later_faults() -> None:
    """It may end before it asks a second time."""
    faults = Faults([Fault("close"), Fault("close", after=1), Fault("stall", after=2)])
    kinds = []
    for _ in range(3):
        fault = faults.take("/ws", ("close", "stall"), [])
        kinds.append(fault.kind if fault else None)
    assert kinds == ["close", "close", "stall"]
