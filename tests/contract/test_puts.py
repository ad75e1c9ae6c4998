"""Puts on the wire: the commit decides, an id is applied once, streams carry many."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import flight
from tests.support import wire
from tests.support.rows import MINUTE, NOON_2024, Bar, bars_of, candles
from tests.support.serving import Serving
from tests.support.stores import BULK

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb

BTC = "binance:BTC/USDT"
TIMES = [NOON_2024 + minute * MINUTE for minute in range(20)]
_KILLED = """
import sys, pyarrow as pa, os, signal
from pyarrow import flight
uri, command, path = sys.argv[1], bytes.fromhex(sys.argv[2]), sys.argv[3]
batch = pa.ipc.open_stream(path).read_all().to_batches()[0]
client = flight.FlightClient(uri)
writer, acks = client.do_put(flight.FlightDescriptor.for_command(command), batch.schema)
writer.write_batch(batch)
print("sent", flush=True)
sys.stdin.readline()
"""


def _bars(db: fs.Client) -> list[Bar]:
    return bars_of(db.candles(BTC, "1m", output="arrow").to_batches())


def test_a_put_without_its_commit_leaves_no_trace(serving: Serving) -> None:
    wire.send(serving.uri, [candles(TIMES)], None)
    assert serving.db.series().height == 0
    assert serving.db.status().last_lsn == 0


def test_a_client_that_raises_half_way_leaves_no_trace(serving: Serving) -> None:
    frames = iter([candles(TIMES)])

    def rows() -> object:
        yield next(frames)
        raise RuntimeError("the caller's own")

    reader = pa.RecordBatchReader.from_batches(candles(TIMES).schema, rows())
    with pytest.raises(RuntimeError, match="the caller's own"):
        serving.db.write(BTC, reader, timeframe="1m")
    assert serving.db.series().height == 0


def test_a_client_that_is_killed_half_way_leaves_no_trace(serving: Serving, tmp_path: Path) -> None:
    with pa.ipc.new_stream(str(tmp_path / "rows"), candles(TIMES).schema) as stream:
        stream.write_batch(candles(TIMES))
    command = pb.WriteRequest(dataset="candles", protocol=1).SerializeToString().hex()
    program = [sys.executable, "-c", _KILLED, serving.uri, command, str(tmp_path / "rows")]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"sent\n"
        client.kill()
    assert serving.db.series().height == 0


@pytest.mark.parametrize(("rows", "series_rows"), [(19, 20), (20, 19), (21, 21), (0, 0)])
def test_a_commit_of_another_number_of_rows_is_refused(
    serving: Serving, rows: int, series_rows: int
) -> None:
    with pytest.raises(fs.CommitMismatch, match="20 came"):
        wire.send(serving.uri, [candles(TIMES)], wire.commit(rows, series_rows=series_rows))
    assert serving.db.series().height == 0


def test_a_put_sent_again_with_its_id_is_applied_once(serving: Serving) -> None:
    first = wire.send(serving.uri, [candles(TIMES, 1.0)], wire.commit(20, put_id=7))
    serving.db.write(BTC, candles(TIMES[:1], 5.0), timeframe="1m")
    again = wire.send(serving.uri, [candles(TIMES, 1.0)], wire.commit(20, put_id=7))
    assert again == first
    assert _bars(serving.db)[0] == (TIMES[0], 5.0)


def test_an_id_is_remembered_over_a_restart(serving: Serving) -> None:
    first = wire.send(serving.uri, [candles(TIMES, 1.0)], wire.commit(20, put_id=7))
    serving.restart()
    assert wire.send(serving.uri, [candles(TIMES, 1.0)], wire.commit(20, put_id=7)) == first


def test_an_id_sent_from_many_places_at_once_is_applied_once(serving: Serving) -> None:
    acks: list[pb.WriteAck] = []

    def send() -> None:
        acks.append(wire.send(serving.uri, [candles(TIMES)], wire.commit(20, put_id=7)))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [ack.lsn for ack in acks] == [1] * 8
    assert serving.db.status().last_lsn == 1


def test_a_commit_may_come_without_rows(serving: Serving) -> None:
    schema = candles([]).schema
    ack = wire.send(serving.uri, [], wire.commit(0), schema=schema)
    assert (ack.lsn, ack.rows) == (1, 0)
    assert serving.db.candles(BTC, "1m").height == 0


def test_one_series_named_twice_in_a_put_is_refused(serving: Serving) -> None:
    said = wire.commit(10).series[0]
    commit = pb.PutCommit(put_id=1, rows=20, series=[said, said])
    with pytest.raises(fs.BadRequest, match="twice"):
        wire.send(serving.uri, [candles(TIMES)], commit)
    assert serving.db.series().height == 0


def test_many_puts_go_through_one_stream(db: fs.Client) -> None:
    later = 20 * MINUTE
    with db.writer(timeframe="1m") as writer:
        pending = [
            writer.write(BTC, candles([ts, ts + later], n)) for n, ts in enumerate(TIMES * 20)
        ]
        lsns = [ack.result().lsn for ack in pending]
    assert lsns == sorted(set(lsns))
    first = [(ts, 380.0 + n) for n, ts in enumerate(TIMES)]
    assert _bars(db) == first + [(ts + later, value) for ts, value in first]


def test_rows_written_one_by_one_may_share_a_put_and_the_last_of_a_key_wins(db: fs.Client) -> None:
    with db.writer(timeframe="1m") as writer:
        pending = [writer.write(BTC, candles([ts], n)) for n, ts in enumerate(TIMES * 20)]
        acks = [ack.result() for ack in pending]
    assert [ack.rows for ack in acks] == [1] * len(acks)
    lsns = [ack.lsn for ack in acks]
    assert lsns == sorted(lsns)
    assert lsns[-1] == db.status().last_lsn
    assert _bars(db) == [(ts, 380.0 + n) for n, ts in enumerate(TIMES)]


def test_puts_before_a_bad_one_on_its_stream_are_kept_and_those_after_it_are_not(
    db: fs.Client,
) -> None:
    writer = db.writer(timeframe="1m")
    good = writer.write(BTC, candles(TIMES[:1]))
    bad = writer.write(BTC, candles([TIMES[1] + 1]))
    assert good.result().lsn == 1
    with pytest.raises(fs.InvalidRows):
        bad.result()
    with pytest.raises(fs.InvalidRows):
        writer.write(BTC, candles(TIMES[2:3])).result()
    with pytest.raises(fs.InvalidRows):
        writer.close()
    assert [ts for ts, _ in _bars(db)] == TIMES[:1]


def test_several_series_are_written_together(db: fs.Client) -> None:
    ack = db.write_many({f"x:{n}": candles(TIMES[: n + 1]) for n in range(5)}, timeframe="1m")
    assert ack.rows == 15
    assert db.series()["rows"].to_list() == [1, 2, 3, 4, 5]
    assert db.status().last_lsn == ack.lsn == 1


def test_of_several_series_written_together_none_is_kept_if_one_is_bad(db: fs.Client) -> None:
    frames = {"x:GOOD": candles(TIMES), "x:BAD": candles([TIMES[0] + 1])}
    with pytest.raises(fs.InvalidRows, match="x:BAD"):
        db.write_many(frames, timeframe="1m")
    assert db.series().height == 0


def test_several_series_go_through_an_open_stream_together(db: fs.Client) -> None:
    covers = {"x:B": (TIMES[0] // 10**6, TIMES[1] // 10**6)}
    with db.writer(timeframe="1m") as writer:
        single = writer.write("x:A", candles(TIMES[:1]))
        together = writer.write_many(
            {"x:A": candles(TIMES[1:4]), "x:B": None},
            covers=covers,
            metadata={"x:B": {"source": "test"}},
        )
    assert (single.result().lsn, together.result().lsn) == (1, 2)
    found = db.series()
    assert found["rows"].to_list() == [4, 0]
    assert found["metadata"].to_list() == ["{}", '{"source": "test"}']
    assert db.coverage("x:B", "1m").height == 1


def test_of_several_series_on_an_open_stream_none_is_kept_if_one_is_bad(db: fs.Client) -> None:
    writer = db.writer(timeframe="1m")
    bad = writer.write_many({"x:GOOD": candles(TIMES), "x:BAD": candles([TIMES[0] + 1])})
    with pytest.raises(fs.InvalidRows, match="x:BAD"):
        bad.result()
    with pytest.raises(fs.InvalidRows):
        writer.close()
    assert db.series().height == 0


def test_concurrent_writers_of_one_new_series_agree_on_it(db: fs.Client) -> None:
    threads = [
        threading.Thread(target=db.write, args=(BTC, candles([ts])), kwargs={"timeframe": "1m"})
        for ts in TIMES
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [ts for ts, _ in _bars(db)] == TIMES
    assert db.series().height == 1


@pytest.mark.parametrize("abandoned", ["before the first batch", "after it"])
def test_an_abandoned_stream_does_not_disturb_others(serving: Serving, abandoned: str) -> None:
    command = pb.WriteRequest(dataset="candles", protocol=1).SerializeToString()
    client = flight.FlightClient(serving.uri)
    descriptor = flight.FlightDescriptor.for_command(command)
    writer, _ = client.do_put(descriptor, candles([]).schema)
    if abandoned == "after it":
        writer.write_batch(candles(TIMES))
    serving.db.write(BTC, candles(TIMES), timeframe="1m")
    writer.close()
    client.close()
    assert len(_bars(serving.db)) == 20


def test_a_bulk_put_that_is_refused_leaves_no_file(serving: Serving) -> None:
    serving.restart(BULK)
    rows = candles([*range(0, 10_000 * MINUTE, MINUTE), 1])
    with pytest.raises(fs.InvalidRows):
        serving.db.write(BTC, rows, timeframe="1m")
    assert list((serving.root / "segments").rglob("*.arrow")) == []
