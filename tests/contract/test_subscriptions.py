"""Live streams: history and every later change without a seam, however fast somebody reads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
import pytest
from tests.support import seeds, wire
from tests.support.live_rows import stored
from tests.support.live_wire import eventually, live, request
from tests.support.rows import MINUTE, NOON_2024, candles, own, trades
from tests.support.serving import Serving
from tests.support.stores import SMALL

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb
from flightstore_server.engine.limits import Limits

BTC, ETH, XRP = "binance:BTC/USDT", "binance:ETH/USDT", "kraken:XRP/EUR"
_NEVER_READS = """
import sys, time
from pyarrow import flight
streams = [flight.FlightClient(sys.argv[1]).do_get(flight.Ticket(bytes.fromhex(sys.argv[2])))
           for _ in range(int(sys.argv[3]))]
for stream in streams:
    stream.schema
print("ready", flush=True)
time.sleep(600)
"""


def _bars(*minutes: int, close: float = 1.0) -> pa.RecordBatch:
    return candles([NOON_2024 + m * MINUTE for m in minutes], close)


def _write(db: fs.Client, name: str, *minutes: int, close: float = 1.0) -> int:
    return db.write(name, _bars(*minutes, close=close), timeframe="1m").lsn


def _lsn(db: fs.Client) -> int:
    return db.status().last_lsn


def _subscribers(serving: Serving) -> list[str]:
    return [c.name for c in serving.store.consumers.all() if c.kind == "subscriber"]


@pytest.fixture
def silent(serving: Serving) -> Iterator[list[subprocess.Popen[str]]]:
    """Where tests keep the processes that must be gone before the server is."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _never_reading(serving: Serving, count: int) -> subprocess.Popen[str]:
    ticket = pb.Ticket(subscribe=request()).SerializeToString().hex()
    command = [sys.executable, "-c", _NEVER_READS, serving.uri, ticket, str(count)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_history_is_followed_by_what_is_written_later(serving: Serving, db: fs.Client) -> None:
    _write(db, BTC, 0, 1, 2)
    _write(db, XRP, 5)
    with live(serving.uri, history=True) as stream:
        stream.live()
        assert [b.said.history for b in stream.heard] == [True, False]
        assert list(stream.heard[0].said.instruments) == [BTC, XRP], "they share a batch"
        stream.until(_write(db, BTC, 3))
        assert stream.held.filled() == stored(serving.store, "candles", "1m")


def test_history_begins_where_it_was_asked_to(serving: Serving, db: fs.Client) -> None:
    _write(db, BTC, *range(10))
    with live(serving.uri, start=NOON_2024 + 8 * MINUTE) as stream:
        held = stream.live().held.filled()[BTC]
        assert [ts for ts, _ in held] == [NOON_2024 + m * MINUTE for m in (8, 9)]


def test_without_history_only_news_come(serving: Serving, db: fs.Client) -> None:
    _write(db, BTC, 0)
    with live(serving.uri) as stream:
        stream.live()
        stream.until(_write(db, BTC, 1))
        assert [ts for ts, _ in stream.held.rows[BTC]] == [NOON_2024 + MINUTE]


def test_a_series_that_appears_later_joins_with_its_first_row(
    serving: Serving, db: fs.Client
) -> None:
    with live(serving.uri, "binance:*", "okx:NEW/USDT") as stream:
        stream.live()
        _write(db, XRP, 0)
        _write(db, ETH, 0)
        stream.until(_write(db, "okx:NEW/USDT", 7))
        assert stream.names == [ETH, "okx:NEW/USDT"]


def test_a_changed_row_comes_again_and_a_delete_takes_rows_away(
    serving: Serving, db: fs.Client
) -> None:
    with live(serving.uri) as stream:
        stream.live()
        _write(db, BTC, *range(10))
        _write(db, BTC, 4, close=9.0)
        serving.store.delete("candles", BTC, "1m", NOON_2024, NOON_2024 + 2 * MINUTE)
        stream.until(_lsn(db))
        assert stream.held.filled() == stored(serving.store, "candles", "1m")


def test_a_series_that_is_deleted_and_written_again_is_told_in_that_order(
    serving: Serving, db: fs.Client
) -> None:
    _write(db, BTC, 0, 1)
    with live(serving.uri, history=True) as stream:
        stream.live()
        serving.store.delete("candles", BTC, "1m", None, None)
        stream.until(_write(db, BTC, 5))
        assert [ts for ts, _ in stream.held.filled()[BTC]] == [NOON_2024 + 5 * MINUTE]


def test_only_the_columns_asked_for_come_and_ts_comes_first(
    serving: Serving, db: fs.Client
) -> None:
    _write(db, BTC, 0, close=3.0)
    with live(serving.uri, history=True, columns=["volume", "close"]) as stream:
        stream.live()
        stream.until(_write(db, BTC, 1, close=4.0))
        assert stream.schema.names == ["ts", "volume", "close"]
        assert list(stream.held.rows[BTC].values()) == [(6.0, 3.0), (8.0, 4.0)]


def test_a_dataset_that_gains_a_column_does_not_change_a_stream(
    serving: Serving, db: fs.Client
) -> None:
    db.write(BTC, own([1], x=[1.0]), dataset="funding")
    with live(serving.uri, history=True, dataset="funding", timeframe="") as stream:
        stream.live()
        stream.until(db.write(BTC, own([2], x=[2.0], y=[3.0]), dataset="funding").lsn)
        assert stream.schema.names == ["ts", "x"]
        assert list(stream.held.rows[BTC].values()) == [(1.0,), (2.0,)]


def test_many_rows_written_at_once_come_in_several_messages(
    serving: Serving, db: fs.Client
) -> None:
    with live(serving.uri) as stream:
        stream.live()
        before = stream.position
        stream.until(_write(db, BTC, *range(150_000)))
        parts = [b for b in stream.heard if b.rows.num_rows]
        assert max(b.rows.nbytes for b in parts) <= 1 << 20
        assert {b.said.lsn for b in parts[:-1]} == {before}, "a part is not yet the position"
        assert len(stream.held.rows[BTC]) == 150_000


def test_a_lost_connection_goes_on_from_its_position(serving: Serving, db: fs.Client) -> None:
    with live(serving.uri) as stream:
        stream.live()
        position = stream.until(_write(db, BTC, 0)).position
    last = [_write(db, BTC, m) for m in range(1, 20)][-1]
    with live(serving.uri, after_lsn=position) as stream:
        stream.until(last)
        assert len(stream.held.rows[BTC]) == 19


def test_a_history_that_broke_off_goes_on_with_the_rows_that_did_not_come(
    serving: Serving, db: fs.Client
) -> None:
    for name in (BTC, ETH, XRP):
        _write(db, name, *range(5))
    begun = _lsn(db)
    _write(db, BTC, 0, close=7.0)  # delivered before, and changed since
    _write(db, ETH, 1, 4, close=8.0)
    _write(db, XRP, 2, close=9.0)
    position = pb.HistoryPosition(instrument=ETH, ts=NOON_2024 + 2 * MINUTE, rows=1)
    with live(serving.uri, history=True, after_lsn=begun, delivered=position) as stream:
        stream.live()
        first, second = stream.heard[0].said, stream.heard[0].rows
        assert (list(stream.names), list(first.rows)) == ([ETH, XRP], [2, 5])
        assert first.lsn == begun, "until the history is whole, it is where to go on"
        assert second.column("close").to_pylist() == [1.0, 8.0, 1.0, 1.0, 9.0, 1.0, 1.0]
        stream.until(_lsn(db))
        later = [(b.said, b.rows.column("close").to_pylist()) for b in stream.heard[2:]]
        assert [close for _, rows in later for close in rows] == [7.0, 8.0]


def test_trades_with_the_same_time_are_counted_where_a_history_goes_on(
    serving: Serving, db: fs.Client
) -> None:
    rows = [(NOON_2024, str(number), float(number)) for number in range(1, 6)]
    lsn = db.write(BTC, trades(rows), dataset="trades").lsn
    position = pb.HistoryPosition(instrument=BTC, ts=NOON_2024, rows=3)
    words = {"dataset": "trades", "timeframe": "", "after_lsn": lsn, "delivered": position}
    with live(serving.uri, history=True, **words) as stream:
        stream.live()
        assert [key for _, key in stream.held.rows[BTC]] == ["4", "5"]


def test_a_position_that_the_log_no_longer_reaches_is_told_what_it_missed(
    serving: Serving,
) -> None:
    db = serving.restart(replace(SMALL, feed_bytes_max=1))
    for minute in range(200):
        _write(db, BTC, minute)
    serving.store.flush()
    serving.store.maintenance.collect()
    with (
        live(serving.uri, after_lsn=1) as stream,
        pytest.raises(fs.Lagged, match=r"records 2 to \d+ are gone"),
    ):
        stream.until(200)


def test_a_position_of_another_log_is_refused(serving: Serving) -> None:
    with (
        pytest.raises(fs.Lagged, match="the log ends at 0"),
        live(serving.uri, after_lsn=77) as stream,
    ):
        stream.next()


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        ({"dataset": "candels"}, fs.UnknownDataset, "Did you mean candles"),
        ({"columns": ["clsoe"]}, fs.UnknownColumn, "Did you mean close"),
        ({"timeframe": "1x"}, fs.BadTimeframe, "1x"),
        ({"delivered": pb.HistoryPosition(instrument=BTC)}, fs.BadRequest, "after_lsn"),
    ],
)
def test_what_cannot_be_followed_is_refused(
    serving: Serving, words: dict[str, object], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said), live(serving.uri, **words) as stream:
        stream.next()


def test_what_is_not_there_yet_is_waited_for(serving: Serving, db: fs.Client) -> None:
    with live(serving.uri, "okx:*/USDT", dataset="trades", timeframe="", history=True) as stream:
        stream.live()
        rows = trades([(NOON_2024, "1", 2.0)])
        stream.until(db.write("okx:A/USDT", rows, dataset="trades").lsn)
        assert stream.names == ["okx:A/USDT"]


def test_as_many_as_are_allowed_may_follow(serving: Serving) -> None:
    serving.restart(Limits(subscribers_max=2))
    with live(serving.uri), live(serving.uri) as second:
        with pytest.raises(fs.Overloaded, match=r"2 live .*limits\.subscribers_max"):
            live(serving.uri).__enter__()
        second.close()
        eventually(lambda: len(_subscribers(serving)) < 2)
        with live(serving.uri) as third:
            third.live()


def test_the_status_names_who_follows_what_and_from_where(serving: Serving, db: fs.Client) -> None:
    with live(serving.uri, "binance:*/USDT") as stream:
        stream.live()
        lsn = stream.until(_write(db, BTC, 0)).position

        def shown() -> list[tuple[str, int, str]]:
            status = pb.Status.FromString(wire.act(serving.uri, "status")[0])
            return [(c.name, c.lsn, c.state) for c in status.consumers if c.kind == "subscriber"]

        eventually(lambda: shown() == [("live-1 candles binance:*/USDT 1m", lsn, "waiting")])


def test_a_position_moves_on_past_changes_of_others(serving: Serving, db: fs.Client) -> None:
    with live(serving.uri, XRP) as stream:
        stream.live()
        for minute in range(1_100):
            lsn = _write(db, BTC, minute)
        stream.until(lsn - 100)
        assert not stream.held.filled()


def test_a_stopping_server_says_so(serving: Serving) -> None:
    with live(serving.uri) as stream:
        stream.live()
        serving.service.shutdown()
        with pytest.raises(fs.Unavailable, match="stopping"):
            stream.next()


def test_those_who_never_read_hold_up_nobody(
    serving: Serving, silent: list[subprocess.Popen[str]], pytestconfig: pytest.Config
) -> None:
    count = seeds.scaled(pytestconfig, ci=40, nightly=200)
    silent.append(_never_reading(serving, count))
    eventually(lambda: len(_subscribers(serving)) == count)
    with live(serving.uri) as stream:
        stream.live()
        for minute in range(0, 100_000, 2_000):
            lsn = _write(serving.db, BTC, *range(minute, minute + 2_000))
        stream.until(lsn)
        assert len(stream.held.rows[BTC]) == 100_000


def test_one_that_was_frozen_goes_on_where_it_stood(
    serving: Serving, silent: list[subprocess.Popen[str]]
) -> None:
    silent.append(_never_reading(serving, 1))
    os.kill(silent[0].pid, signal.SIGSTOP)
    for minute in range(0, 20_000, 2_000):
        lsn = _write(serving.db, BTC, *range(minute, minute + 2_000))
    with live(serving.uri, history=True) as stream:
        assert len(stream.until(lsn).live().held.rows[BTC]) == 20_000
    os.kill(silent[0].pid, signal.SIGCONT)
    eventually(lambda: len(_subscribers(serving)) == 1)


def test_one_that_was_killed_is_noticed(
    serving: Serving, silent: list[subprocess.Popen[str]]
) -> None:
    silent.append(_never_reading(serving, 3))
    eventually(lambda: len(_subscribers(serving)) == 3)
    silent[0].kill()
    eventually(lambda: not _subscribers(serving))
