"""Live streams in an event loop."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from concurrent.futures import Future
from types import SimpleNamespace

import pytest
from tests.unit.client.live_script import LiveScript, Step

import flightstore as fs
from flightstore._live.event_loop import AsyncLive
from flightstore._live.handover import Handover
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.schemas import CANDLES


@pytest.fixture
def script(server, fake) -> LiveScript:
    return LiveScript(server, fake.stream, CANDLES)


async def until(condition: Callable[[], bool]) -> None:
    """Return once `condition` holds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def test_batches_are_iterated_asynchronously(script, server, fake) -> None:
    script.episode(
        Step(1, {"x:Y": fake.candles(1)}, history=True), Step(2, {"x:Y": fake.candles(1)})
    )

    async def main() -> list[int]:
        found = []
        async with fs.aio.connect(server.uri) as db:
            async for batch in db.live("x:Y", "1m", "2024"):
                found.append(batch.lsn)
                if len(found) == 2:
                    return found
        return []

    assert asyncio.run(main()) == [1, 2]
    assert server.cancelled.wait(10)


def test_a_stream_is_open_when_it_has_been_entered(script, server) -> None:
    script.episode()

    async def main() -> None:
        async with fs.aio.connect(server.uri) as db, db.live("x:Y", "1m") as live:
            assert len(script.asked) == 1
            await live.close()
            assert [batch async for batch in live] == []

    asyncio.run(main())


def test_an_error_is_raised_where_it_is_awaited(script, server, fake) -> None:
    script.episode(fake.refusal("unknown_dataset", "No dataset tirades."))
    script.episode(Step(1, {"x:Y": fake.candles(1)}), fake.refusal("corrupt", "Damaged at 7."))

    async def main() -> None:
        async with fs.aio.connect(server.uri) as db:
            refused = db.live("x:Y", dataset="tirades")
            with pytest.raises(fs.UnknownDataset):
                await anext(refused)
            live = db.live("x:Y", "1m")
            assert (await anext(live)).lsn == live.lsn == 1
            with pytest.raises(fs.Corrupt):
                await anext(live)

    asyncio.run(main())


def test_a_cancelled_wait_closes_the_stream(script, server) -> None:
    script.episode()

    async def main() -> None:
        async with fs.aio.connect(server.uri) as db:
            live = db.live("x:Y", "1m")
            waiting = asyncio.ensure_future(anext(live))
            await until(lambda: len(script.asked) == 1)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await until(server.cancelled.is_set)
            assert [batch async for batch in live] == []

    asyncio.run(main())


def test_a_forgotten_stream_is_closed(script, server) -> None:
    script.episode()

    async def main() -> None:
        async with fs.aio.connect(server.uri) as db:
            live = db.live("x:Y", "1m")
            async with asyncio.timeout(10):
                await live._opened()
            del live
            gc.collect()
            await until(server.cancelled.is_set)

    asyncio.run(main())


def test_streams_that_wait_leave_the_executor_to_others(script, server, fake) -> None:
    many = 40  # more than the default executor ever has threads on small machines
    for _ in range(many):
        script.episode()
    server.script.actions["status"] = lambda _: [pb.Status(version="1")]

    async def main() -> None:
        async with fs.aio.connect(server.uri) as db:
            streams = [db.live("x:Y", "1m") for _ in range(many)]
            waiting = [asyncio.ensure_future(anext(live)) for live in streams]
            await until(lambda: len(script.asked) == many)
            assert (await db.status()).version == "1"
            for live in streams:
                await live.close()
            ended = await asyncio.gather(*waiting, return_exceptions=True)
            assert {type(one) for one in ended} == {StopAsyncIteration}

    asyncio.run(main())


def test_rules_and_sync_are_coroutines(server) -> None:
    server.script.actions |= {
        "rule-add": lambda _: [pb.Rule(name="daily")],
        "sync": lambda _: [pb.SyncResult(lsn=3)],
    }

    async def main() -> tuple[str, int]:
        async with fs.aio.connect(server.uri) as db:
            return (await db.rules.add("candles/*/1m", "1d")).name, (await db.sync(3)).lsn

    assert asyncio.run(main()) == ("daily", 3)


class _Opening:
    """A stream that opens when the test says so, and on which nothing arrives."""

    patience = 10.0

    def __init__(self) -> None:
        self.opened: list[Future[None]] = [Future()]
        self.arrivals: Handover[object] = Handover(1)
        self.close = self.arrivals.close


@pytest.mark.parametrize("turns", range(8))
def test_a_cancellation_is_not_lost_when_the_stream_opens_at_that_moment(turns) -> None:
    """Up to Python 3.11 asyncio.wait_for answered with the result of what it had waited for, and a
    task that had been cancelled went on waiting for a batch for ever."""

    async def main() -> None:
        stream = _Opening()
        waiting = asyncio.ensure_future(anext(AsyncLive(SimpleNamespace(_stream=stream))))
        await asyncio.sleep(0)
        stream.opened[0].set_result(None)
        for _ in range(turns):
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting], timeout=5)
        assert waiting.cancelled()

    asyncio.run(main())
