"""Rows as they are committed: what a stream hands out, and how it ends."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Iterator

import pytest
from tests.unit.client.live_script import LiveScript, Step

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.schemas import CANDLES


@pytest.fixture
def script(server, fake) -> LiveScript:
    return LiveScript(server, fake.stream, CANDLES)


def test_history_comes_first_and_then_every_change(script, db, fake) -> None:
    script.episode(
        Step(7, {"x:Y": fake.candles(2)}, history=True),
        Step(8, {"x:Y": fake.candles(1, first=2)}),
    )
    with db.live("x:Y", "1m", "2024-01-01") as live:
        first, second = next(live), next(live)
    assert (first.lsn, first.history, first.bridged) == (7, True, False)
    assert (second.lsn, second.history, second.bridged) == (8, False, False)
    assert (first.dataset, first.timeframe, first.instruments) == ("candles", "1m", ["x:Y"])
    assert first.rows.schema.equals(CANDLES, check_metadata=True)
    assert first.frame.columns == CANDLES.names
    assert second.frame["close"].to_list() == [2.0]
    [asked] = script.asked
    assert (asked.instruments, asked.timeframe, asked.start) == (["x:Y"], "1m", fake.start_ns)
    assert not asked.HasField("after_lsn")


def test_all_that_was_asked_for_is_sent(script, db) -> None:
    script.episode()
    db.live(["a:X", "b:*"], dataset="trades", columns="price", closed=True, after_lsn=4).close()
    [asked] = script.asked
    assert (asked.dataset, asked.instruments) == ("trades", ["a:X", "b:*"])
    assert (asked.columns, asked.closed, asked.after_lsn) == (["price"], True, 4)
    assert not asked.HasField("start")


def test_rows_of_several_say_whose_they_are(script, db, fake) -> None:
    script.episode(
        Step(1, {"a:X": fake.candles(2), "b:Y": fake.candles(1)}),
        Step(2, {"c:Z": fake.candles(1), "a:X": fake.candles(1)}),
    )
    with db.live("*", "1m") as live:
        first, second = next(live), next(live)
    assert first.rows.column("exchange").to_pylist() == ["a", "a", "b"]
    assert second.rows.column("symbol").to_pylist() == ["Z", "X"]
    assert second.instruments == ["c:Z", "a:X"]
    assert first.rows.schema == second.rows.schema
    assert first.frame.columns[:2] == ["exchange", "symbol"]
    pandas = second.to_pandas()
    assert (pandas.index.name, list(pandas["exchange"])) == ("ts", ["c", "a"])


def test_deletes_say_what_is_gone(script, db, fake) -> None:
    start = fake.start_ns
    script.episode(Step(3, deletes=[("a:X", start, start + fake.minute_ns), ("b:Y", None, None)]))
    with db.live("*", "1m") as live:
        batch = next(live)
    one, whole = batch.deletes
    assert (one.instrument, one.start_ns, one.end_ns) == ("a:X", start, start + fake.minute_ns)
    assert one.end.isoformat() == "2024-01-01T00:01:00+00:00"
    assert (whole.instrument, whole.start, whole.end) == ("b:Y", None, None)
    assert (one.is_whole_series, whole.is_whole_series) == (False, True)
    assert (len(batch), batch.instruments, batch.frame.height) == (0, ["a:X", "b:Y"], 0)
    assert "2 deletes" in repr(batch)


def test_a_stream_without_news_moves_its_position_on(script, db, fake) -> None:
    episode = script.episode(Step(5, {"x:Y": fake.candles(1)}, history=True))
    with db.live("x:Y", "1m", "2024") as live:
        next(live)
        assert live.lsn is None
        for lsn in (6, 7, 8):
            episode.put(Step(lsn))
        episode.put(Step(9, {"x:Y": fake.candles(1)}))
        assert next(live).lsn == 9
        assert live.lsn == 9


def test_an_error_at_the_opening_is_raised_at_once(script, db, fake) -> None:
    script.episode(fake.refusal("unknown_dataset", "No dataset tirades."))
    with pytest.raises(fs.UnknownDataset, match="tirades"):
        db.live("x:Y", dataset="tirades")
    with pytest.raises(fs.BadRequest, match="on_lag"):
        db.live("x:Y", "1m", on_lag="ignore")
    with pytest.raises(fs.BadRequest, match="nothing to follow"):
        db.live_many([])
    with pytest.raises(fs.BadRange):
        db.live("x:Y", "1m", "yesterday-ish")


def test_an_error_on_the_way_comes_after_the_rows_before_it(script, db, fake) -> None:
    script.episode(Step(1, {"x:Y": fake.candles(1)}), fake.refusal("corrupt", "Damaged at 7."))
    live = db.live("x:Y", "1m")
    assert next(live).lsn == 1
    with pytest.raises(fs.Corrupt, match="Damaged"):
        next(live)
    assert list(live) == []


def test_a_message_that_does_not_add_up_is_a_defect_and_not_a_wait(script, db, fake) -> None:
    said = pb.LiveBatch(lsn=1, instruments=["x:Y"], series=[0], rows=[2])
    [batch] = fake.candles(1).to_batches()
    unnamed = pb.LiveBatch(lsn=1, series=[0], rows=[1], deletes=[pb.LiveDelete(series=1)])
    unnamed.instruments.append("x:Y")
    for metadata in (said.SerializeToString(), unnamed.SerializeToString(), b"\xff"):
        script.episode((batch, metadata))
        with db.live("x:Y", "1m") as live, pytest.raises(fs.InternalError):
            next(live)


@pytest.mark.parametrize("what", ["live", "db"])
def test_closing_from_another_thread_ends_a_wait(script, server, db, what) -> None:
    script.episode()
    live = db.live("x:Y", "1m")
    closer = threading.Timer(0.05, (live if what == "live" else db).close)
    closer.start()
    assert list(live) == []
    closer.join()
    assert server.cancelled.wait(10)


@pytest.fixture
def _heeding_interrupts() -> Iterator[None]:
    """Also where the tests were started in the background, with interrupts ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_heeding_interrupts")
def test_an_interrupt_ends_a_wait(script, db) -> None:
    script.episode()
    with db.live("x:Y", "1m") as live, pytest.raises(KeyboardInterrupt):
        threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        next(live)


@pytest.mark.parametrize("way", ["with", "forgotten"])
def test_an_abandoned_stream_is_cancelled(script, server, db, way) -> None:
    script.episode()
    live = db.live("x:Y", "1m")
    if way == "with":
        with live:
            pass
    else:
        del live
        gc.collect()
    assert server.cancelled.wait(10)


def test_a_slow_reader_holds_up_the_server_and_loses_nothing(script, db, fake) -> None:
    steps = [Step(n, {"x:Y": fake.candles(1, first=n)}) for n in range(1, 60)]
    script.episode(*steps)
    with db.live("x:Y", "1m") as live:
        assert [next(live).lsn for _ in steps] == [step.lsn for step in steps]


def test_several_selections_come_in_one_iterator(server, db, fake) -> None:
    answers = {"1m": Step(3, {"x:Y": fake.candles(1)}), "1h": Step(5, {"x:Y": fake.candles(2)})}

    def answer(ticket):
        own = LiveScript(server, fake.stream, CANDLES)
        own.episode(answers[ticket.subscribe.timeframe])
        server.script.read = answer
        return own._answer(ticket)

    server.script.read = answer
    with db.live_many([fs.Selection("x:Y", "1m"), fs.Selection("*", "1h")]) as live:
        found = sorted((next(live) for _ in range(2)), key=lambda batch: batch.lsn)
        assert live.lsn == 3
    assert [(batch.timeframe, len(batch)) for batch in found] == [("1m", 1), ("1h", 2)]
    assert "exchange" in found[1].rows.schema.names
