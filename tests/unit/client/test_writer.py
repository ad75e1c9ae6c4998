"""One open stream of many puts: order, pressure, failure."""

from __future__ import annotations

import threading

import pytest

import flightstore as fs
from flightstore import _pipe
from flightstore_proto import flightstore_pb2 as pb


def test_puts_are_acknowledged_in_order(server, db, fake) -> None:
    with db.writer("candles", "1m") as writer:
        acks = [writer.write(f"lab:{n}", fake.candles(n + 1)) for n in range(20)]
    assert all(ack.done for ack in acks)
    assert [ack.result() for ack in acks] == [fs.WriteAck(n + 1, n + 1) for n in range(20)]
    assert server.streams == 1
    assert {put.commit.series[0].timeframe for put in server.puts} == {"1m"}


def test_a_timeframe_given_with_a_put_wins(server, db) -> None:
    with db.writer(timeframe="1m") as writer:
        writer.write("lab:X", None, timeframe="1h", covers=("2024", "2025"))
    assert server.puts[0].commit.series[0].timeframe == "1h"


def test_several_series_are_one_put_on_the_open_stream(server, db, fake) -> None:
    frames = {"lab:A": fake.candles(3), "lab:B": None}
    covers = {"lab:B": ("2024-01", "2024-02")}
    with db.writer("candles", "1m") as writer:
        alone = writer.write("lab:A", fake.candles(1))
        together = writer.write_many(frames, covers=covers, metadata={"lab:B": {"a": "b"}})
    assert [alone.result(), together.result()] == [fs.WriteAck(1, 1), fs.WriteAck(2, 3)]
    assert server.streams == 1
    said = server.puts[1].commit.series
    assert [(s.instrument, s.timeframe, s.rows) for s in said] == [
        ("lab:A", "1m", 3),
        ("lab:B", "1m", 0),
    ]
    assert [(len(s.covers), dict(s.metadata)) for s in said] == [(0, {}), (1, {"a": "b"})]


def test_single_rows_written_before_several_series_are_sent_before_them(server, db, fake) -> None:
    def later(put):
        server.release.wait(10)
        return server.apply(put)

    server.script.put = later
    with db.writer("candles", "1m") as writer:
        rows = [writer.write("lab:A", fake.candles(1, first=n)) for n in range(3)]
        together = writer.write_many({"lab:A": fake.candles(2), "lab:B": fake.candles(2)})
        server.release.set()
        assert [ack.result().lsn for ack in rows] == [1, 2, 2]
        assert together.result().lsn == 3


def test_several_series_without_a_timeframe_are_not_sent(server, db, fake) -> None:
    with db.writer() as writer, pytest.raises(fs.BadTimeframe):
        writer.write_many({"lab:A": fake.candles(1)})
    assert server.streams == 0


def test_a_writer_that_writes_nothing_opens_nothing(server, db) -> None:
    with db.writer("candles", "1m") as writer:
        writer.flush()
    assert server.streams == 0


def test_flush_waits_for_the_acknowledgements(server, db, fake) -> None:
    with db.writer("candles", "1m") as writer:
        ack = writer.write("lab:X", fake.candles(1))
        writer.flush()
        assert ack.done
        assert len(server.puts) == 1


def test_a_failed_put_fails_itself_and_all_later_ones(server, db, fake) -> None:
    held = threading.Event()

    def refuse_second(put):
        if put.commit.series[0].instrument == "lab:1":
            held.wait(10)
            raise fake.refusal("invalid_rows", "Off the grid.")
        return server.apply(put)

    server.script.put = refuse_second
    with pytest.raises(fs.InvalidRows, match=r"^Off the grid\.$"), db.writer("candles", "1m") as w:
        acks = [w.write(f"lab:{n}", fake.candles(1)) for n in range(5)]
        held.set()
        assert acks[0].result().rows == 1
        for ack in acks[1:]:
            with pytest.raises(fs.InvalidRows, match=r"^Off the grid\.$"):
                ack.result()
        with pytest.raises(fs.InvalidRows):
            w.write("lab:9", fake.candles(1))
        with pytest.raises(fs.InvalidRows):
            w.flush()


def test_bad_rows_do_not_touch_the_stream(server, db, fake) -> None:
    with db.writer("candles", "1m") as writer:
        with pytest.raises(fs.SchemaMismatch):
            writer.write("lab:X", {"ts": [1]})
        assert writer.write("lab:X", fake.candles(1)).result().rows == 1


def test_a_slow_server_pushes_back(server, fake, monkeypatch) -> None:
    monkeypatch.setattr(_pipe, "UNACKNOWLEDGED_PUTS_MAX", 3)

    def later(put):
        server.release.wait(10)
        return server.apply(put)

    server.script.put = later
    timeout = fs.Timeout(write=0.2)
    with fs.connect(server.uri, timeout=timeout) as db, db.writer("candles", "1m") as writer:
        acks = [writer.write("lab:X", fake.candles(2)) for _ in range(3)]
        with pytest.raises(fs.DeadlineExceeded, match="with 3 puts under way"):
            writer.write("lab:X", fake.candles(2))
        with pytest.raises(fs.DeadlineExceeded, match=r"not acknowledged the put within 0\.01 s"):
            acks[0].result(0.01)
        with pytest.raises(fs.DeadlineExceeded, match="3 puts are not acknowledged"):
            writer.flush()
        assert not acks[0].done
        server.release.set()
        assert writer.write("lab:X", fake.candles(2)).result().rows == 2


def test_bytes_push_back_too_but_one_put_always_goes(server, db, fake, monkeypatch) -> None:
    monkeypatch.setattr(_pipe, "UNACKNOWLEDGED_BYTES_MAX", 100)
    with db.writer("candles", "1m") as writer:
        for _ in range(5):
            writer.write("lab:X", fake.candles(50))
    assert len(server.puts) == 5


def test_thousands_of_puts_do_not_lock_up(server, db, fake) -> None:
    rows = fake.candles(2)
    with db.writer("candles", "1m") as writer:
        for _ in range(2_000):
            writer.write("lab:X", rows)
    assert len(server.puts) == 2_000


def test_a_new_column_opens_a_new_stream(server, db) -> None:
    with db.writer("features") as writer:
        writer.write("lab:X", {"ts": [1], "a": [1]})
        writer.write("lab:X", {"ts": [2], "a": [1]})
        writer.write("lab:X", {"ts": [3], "a": [1], "b": [2]})
    assert server.streams == 2
    assert [put.table.column_names for put in server.puts][1:] == [["ts", "a"], ["ts", "a", "b"]]


def test_an_error_of_the_caller_is_the_one_that_is_seen(server, db, fake) -> None:
    with pytest.raises(ZeroDivisionError), db.writer("candles", "1m") as writer:
        writer.write("lab:X", fake.candles(1)).result()
        _ = 1 / 0
    assert len(server.puts) == 1
    with pytest.raises(ZeroDivisionError), db.writer("candles", "1m"):
        _ = 1 / 0


def test_a_closed_writer_says_so(db, fake) -> None:
    writer = db.writer("candles", "1m")
    writer.close()
    writer.close()
    with pytest.raises(fs.BadRequest, match="closed"):
        writer.write("lab:X", fake.candles(1))


def test_many_threads_share_one_writer(server, db, fake) -> None:
    with db.writer("candles", "1m") as writer:
        threads = [
            threading.Thread(target=writer.write, args=(f"lab:{n}", fake.candles(n + 1)))
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for put in server.puts:
        [said] = put.commit.series
        assert put.table.num_rows == said.rows == int(said.instrument[4:]) + 1


def test_a_frame_of_several_puts_has_one_pending_acknowledgement(
    server, db, fake, monkeypatch
) -> None:
    monkeypatch.setattr("flightstore._puts.PUT_BYTES_MAX", 1_000)
    frame = fake.candles(100).to_reader(max_chunksize=10)
    with db.writer("candles", "1m") as writer:
        ack = writer.write("lab:X", frame).result()
    assert len(server.puts) == 5
    assert ack == fs.WriteAck(lsn=5, rows=100)


def test_a_vanished_server_fails_what_is_pending(server, db, fake) -> None:
    gone = threading.Event()

    def vanish(put):
        gone.set()
        raise fake.refusal("unavailable", "The server is stopping.")

    server.script.put = vanish
    with pytest.raises(fs.Unavailable), db.writer("candles", "1m") as writer:
        writer.write("lab:X", fake.candles(1))
        gone.wait(10)


def test_the_put_id_is_never_zero(monkeypatch, fake) -> None:
    monkeypatch.setattr("secrets.randbits", lambda _: 0)
    [batch] = fake.candles(1).to_batches()
    from flightstore._puts import Put

    assert pb.PutCommit.FromString(Put([batch], [], 0).commit()).put_id == 1
