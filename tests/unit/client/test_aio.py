"""The asynchronous twin does what the client does."""

from __future__ import annotations

import asyncio
import inspect

import pytest

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb


def test_every_method_has_a_twin_with_the_same_arguments() -> None:
    for sync, twin in (
        (fs.Client, fs.aio.AsyncClient),
        (fs.Writer, fs.aio.AsyncWriter),
        (fs.Rules, fs.aio.AsyncRules),
        (fs.Live, fs.aio.AsyncLive),
    ):
        names = [name for name in dir(sync) if not name.startswith("_")]
        assert names
        for name in names:
            ours, theirs = getattr(twin, name), getattr(sync, name)
            assert ours.__doc__, name
            if callable(theirs):
                assert list(inspect.signature(ours).parameters) == list(
                    inspect.signature(theirs).parameters
                ), name


def test_reads_run_side_by_side(server, fake) -> None:
    server.script.read = lambda _: fake.stream.plain(fake.candles(5))

    async def main() -> list[int]:
        async with fs.aio.connect(server.uri) as db:
            assert db.uri == server.uri
            frames = await asyncio.gather(*(db.candles("x:Y", "1m") for _ in range(4)))
            return [frame.height for frame in frames]

    assert asyncio.run(main()) == [5, 5, 5, 5]


def test_a_connection_may_be_awaited_instead(server) -> None:
    async def main() -> bool:
        db = await fs.aio.connect(server.uri)
        async with db:
            return (await db.health()).ready

    assert asyncio.run(main())


def test_batches_and_verification_are_asynchronous_iterators(server, fake) -> None:
    server.script.read = lambda _: fake.stream.plain(fake.candles(2500))
    server.script.actions["verify"] = lambda _: [pb.VerifyProgress(), pb.VerifyProgress()]

    async def main() -> tuple[int, int]:
        async with fs.aio.connect(server.uri) as db:
            rows = sum([batch.num_rows async for batch in db.batches("x:Y", "1m")])
            return rows, len([step async for step in db.verify()])

    assert asyncio.run(main()) == (2500, 2)


def test_an_abandoned_stream_is_cancelled(server, fake) -> None:
    answer = fake.stream.plain(fake.candles(1000))
    batch = answer.batches[0]
    answer.batches = iter(lambda: batch, None)
    server.script.read = lambda _: answer

    async def main() -> None:
        async with fs.aio.connect(server.uri) as db:
            batches = db.batches("x:Y", "1m")
            async for _ in batches:
                break
            await batches.aclose()

    asyncio.run(main())
    assert server.cancelled.wait(10)


def test_errors_are_the_same(server, fake) -> None:
    def refuse(_ticket):
        raise fake.refusal("unknown_instrument", "No x:Y.")

    server.script.read = refuse

    async def main() -> None:
        async with fs.aio.connect(server.uri) as db:
            await db.candles("x:Y", "1m")

    with pytest.raises(fs.UnknownInstrument):
        asyncio.run(main())


def test_a_writer_hands_out_acknowledgements_to_await(server, fake) -> None:
    async def main() -> list[fs.WriteAck]:
        async with fs.aio.connect(server.uri) as db:
            async with db.writer("candles", "1m") as writer:
                pending = [await writer.write("lab:X", fake.candles(2)) for _ in range(3)]
                await writer.flush()
            return [await ack for ack in pending]

    assert asyncio.run(main()) == [fs.WriteAck(n, 2) for n in (1, 2, 3)]


def test_a_writer_takes_several_series_at_once(server, fake) -> None:
    async def main() -> fs.WriteAck:
        async with fs.aio.connect(server.uri) as db, db.writer("candles", "1m") as writer:
            frames = {"lab:A": fake.candles(2), "lab:B": fake.candles(3)}
            return await (await writer.write_many(frames))

    assert asyncio.run(main()) == fs.WriteAck(1, 5)


def test_a_cancelled_wait_does_not_disturb_the_stream(server, fake) -> None:
    def later(put):
        server.release.wait(10)
        return server.apply(put)

    server.script.put = later

    async def main() -> int:
        async with fs.aio.connect(server.uri) as db, db.writer("candles", "1m") as writer:
            first = await writer.write("lab:X", fake.candles(1))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(first, 0.01)
            server.release.set()
            return (await first).rows

    assert asyncio.run(main()) == 1
