"""A server that is away for a moment: what is tried again, and what is not."""

from __future__ import annotations

import pyarrow as pa
import pytest

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb


class Flaky:
    """Fails with `unavailable` so many times, then does as told."""

    def __init__(self, fake, failures: int, then) -> None:
        self.fake, self.left, self.then = fake, failures, then
        self.calls = 0

    def __call__(self, asked):
        self.calls += 1
        self.left -= 1
        if self.left >= 0:
            raise self.fake.refusal("unavailable", "Restarting.")
        return self.then(asked)


def test_a_read_is_tried_again(server, db, fake) -> None:
    rows = fake.candles(3)
    server.script.read = Flaky(fake, 2, lambda _: fake.stream.plain(rows))
    assert db.candles("x:Y", "1m").height == 3
    assert server.script.read.calls == 3


def test_a_read_that_broke_off_starts_again_from_the_beginning(server, db, fake) -> None:
    answer = fake.stream.plain(fake.candles(3000))

    def broken():
        yield answer.batches[0]
        raise fake.refusal("unavailable", "Restarting.")

    whole = list(answer.batches)
    streams = [fake.stream(answer.schema, whole), fake.stream(answer.schema, broken())]
    server.script.read = lambda _: streams.pop()
    assert db.candles("x:Y", "1m")["close"].to_list() == [float(n) for n in range(3000)]


def test_tries_are_bounded_and_wait_longer_each_time(server, db, fake, monkeypatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("flightstore._connection.time.sleep", slept.append)
    server.script.read = Flaky(fake, 99, None)
    with (
        fs.connect(server.uri, retry=fs.Retry(attempts=4, backoff=0.5)) as db,
        pytest.raises(fs.Unavailable, match="Restarting"),
    ):
        db.candles("x:Y", "1m")
    assert server.script.read.calls == 4
    assert slept == [0.5, 1.0, 2.0]


def test_other_errors_are_not_tried_again(server, db, fake) -> None:
    calls = []

    def refuse(ticket):
        calls.append(ticket)
        raise fake.refusal("overloaded", "Too many streams.")

    server.script.read = refuse
    with pytest.raises(fs.Overloaded):
        db.candles("x:Y", "1m")
    assert len(calls) == 1


def test_a_write_is_sent_again_under_the_same_id(server, db, fake) -> None:
    def lose_the_first_ack(put):
        ack = server.apply(put)
        seen.append(put.commit.put_id)
        if len(seen) == 1:
            raise fake.refusal("unavailable", "Restarting.")
        return ack

    seen: list[int] = []
    server.script.put = lose_the_first_ack
    assert db.write("lab:X", fake.candles(3), timeframe="1m") == fs.WriteAck(1, 3)
    assert len(seen) == 2 and len(set(seen)) == 1
    assert len(server.puts) == 1


def test_several_series_are_sent_again_too(server, db, fake) -> None:
    server.script.put = Flaky(fake, 1, server.apply)
    assert db.write_many({"lab:X": fake.candles(3)}, timeframe="1m").rows == 3


def test_a_reader_can_be_read_only_once(server, db, fake) -> None:
    server.script.put = Flaky(fake, 1, server.apply)
    with pytest.raises(fs.Unavailable):
        db.write("lab:X", fake.candles(3).to_reader(), timeframe="1m")
    assert server.puts == []


def test_batches_are_tried_again_only_before_the_first(server, db, fake) -> None:
    rows = fake.candles(2000)
    server.script.read = Flaky(fake, 1, lambda _: fake.stream.plain(rows))
    assert pa.Table.from_batches(list(db.batches("x:Y", "1m"))).num_rows == 2000
    answer = fake.stream.plain(rows)

    def broken(batches):
        yield batches[0]
        raise fake.refusal("unavailable", "Restarting.")

    answer.batches = broken(answer.batches)
    server.script.read = lambda _: answer
    batches = db.batches("x:Y", "1m")
    assert next(batches).num_rows == 1000
    with pytest.raises(fs.Unavailable):
        next(batches)


def test_questions_are_asked_again_and_commands_are_not(server, db, fake) -> None:
    server.script.actions["status"] = Flaky(fake, 1, lambda _: [pb.Status(version="1")])
    assert db.status().version == "1"
    server.script.actions["delete"] = Flaky(fake, 1, lambda _: [pb.WriteAck()])
    with pytest.raises(fs.Unavailable):
        db.delete("x:Y", timeframe="1m")


def test_a_client_finds_a_server_that_was_restarted(fake) -> None:
    first = fake.server()
    port = first.port
    with fs.connect(first.uri, retry=fs.Retry(attempts=20, backoff=0.01)) as db:
        first.stop()
        second = fake.server(f"grpc://127.0.0.1:{port}")
        try:
            assert db.health().ready
        finally:
            second.stop()
