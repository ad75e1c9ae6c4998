"""The process of a trigger: what it is told arrives, and whatever becomes of it is reported."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from threading import Thread

import pytest
from tests.support.rows import MINUTE, candles
from tests.support.triggers import RUN, Acted, until

from flightstore_server.triggers import child as children
from flightstore_server.triggers.child import Child, Failed, Gone
from flightstore_server.triggers.interface import TriggerBatch

BATCH = TriggerBatch("candles", "any:BTC/USD", "1m", 7, candles([0, MINUTE]))
HOLE = TriggerBatch("candles", "any:BTC/USD", "1m", 8, candles([]), (None, MINUTE))


@pytest.fixture
def child(acted: Acted) -> Iterator[Child]:
    """A process that has not been told yet which trigger to make."""
    process = Child("trigger:any", timeout_seconds=60)
    yield process
    process.end(30)


@pytest.fixture
def hasty(acted: Acted) -> Iterator[Child]:
    """A process that has little time."""
    process = Child("trigger:any", timeout_seconds=2)
    yield process
    process.end(0)


def _fails(child: Child, batch: TriggerBatch = BATCH) -> Failed:
    with pytest.raises(Failed) as caught:
        child.deal_with(batch)
    return caught.value


def _said(caplog: pytest.LogCaptureFixture, level: int, text: str) -> bool:
    return any(r.levelno == level and text in r.getMessage() for r in caplog.records)


def test_batches_arrive_as_they_were_committed(child: Child, acted: Acted) -> None:
    child.make(RUN, acted.options())
    child.deal_with(BATCH)
    child.deal_with(HOLE)
    rows, hole = acted.batches
    assert rows["series"] == ["candles", "any:BTC/USD", "1m"]
    assert (rows["lsn"], rows["ts"], rows["deleted"]) == (7, [0, MINUTE], None)
    assert rows["columns"] == BATCH.rows.schema.names
    assert (hole["lsn"], hole["ts"], hole["deleted"]) == (8, [], [None, MINUTE])


def test_a_trigger_that_raises_is_quoted_and_lives_on(child: Child, acted: Acted) -> None:
    child.make(RUN, acted.options("fail"))
    failure = _fails(child)
    assert not isinstance(failure, Gone)
    assert failure.sentence == "ValueError: there is an obstacle"
    assert "acting.py" in failure.details
    acted.obstacle.unlink()
    child.deal_with(BATCH)
    assert acted.ts == [0, MINUTE]


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("nowhere.alerts:Alert", r"nowhere.*cannot be imported.* PYTHONPATH"),
        ("acting:Nothing", r"no attribute 'Nothing'\); correct `run`"),
        ("json:JSONDecoder", r"not a class derived from flightstore_server.triggers.Trigger"),
        ("json:loads", r"not a class derived from"),
    ],
)
def test_a_wrong_class_is_named_with_the_remedy(
    run: str, said: str, child: Child, acted: Acted
) -> None:
    with pytest.raises(Failed, match=said):
        child.make(run, acted.options())


def test_a_trigger_that_cannot_be_made_is_quoted(child: Child, acted: Acted) -> None:
    with pytest.raises(Failed, match="ValueError: these options will not do"):
        child.make(RUN, acted.options("refuse"))


@pytest.mark.parametrize("act", ["loop", "sleep"])
def test_a_trigger_that_takes_too_long_is_ended_and_the_log_says_where(
    act: str, hasty: Child, acted: Acted, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    hasty.make(RUN, acted.options(act))
    failure = _fails(hasty)
    assert isinstance(failure, Gone)
    assert failure.sentence == "It took longer than 2 s (timeout_seconds) and was ended."
    until(lambda: _said(caplog, logging.INFO, f"in {act}"), lambda: caplog.text)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ("leave", "Its process ended with exit code 3."),
        ("crash", "Its process was ended by SIGSEGV."),
    ],
)
def test_a_process_that_ends_is_reported(act: str, said: str, child: Child, acted: Acted) -> None:
    child.make(RUN, acted.options(act))
    failure = _fails(child)
    assert isinstance(failure, Gone)
    assert failure.sentence == said
    assert isinstance(_fails(child), Gone), "and it stays so"


def test_a_process_that_hangs_up_and_stays_is_ended(
    child: Child, acted: Acted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "_EXIT_SECONDS", 0.1)
    child.make(RUN, acted.options("hang_up"))
    failure = _fails(child)
    assert isinstance(failure, Gone)
    assert failure.sentence == "Its process closed its connection, and was ended."


def test_a_process_that_cannot_be_started_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "_COMMAND", ("/nowhere/python",))
    with pytest.raises(Gone, match="cannot be started: No such file"):
        Child("trigger:any", 60)


def test_what_a_trigger_says_is_in_the_servers_log(
    child: Child, acted: Acted, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    child.make(RUN, acted.options("talk"))
    child.deal_with(BATCH)
    until(lambda: _said(caplog, logging.INFO, "xxx"), lambda: caplog.text)
    assert _said(caplog, logging.INFO, "trigger:any: it is said")
    assert _said(caplog, logging.ERROR, "trigger:any: it is serious")
    assert "unheard" not in caplog.text


def test_it_ends_with_the_batch_under_way_dealt_with_and_closed(acted: Acted) -> None:
    child = Child("trigger:any", 60)
    child.make(RUN, acted.options("wait"))
    dealing = Thread(target=child.deal_with, args=(BATCH,))
    dealing.start()
    until(lambda: acted.noted)
    child.finish()
    acted.obstacle.unlink()
    dealing.join(30)
    child.end(30)
    assert acted.ts == [0, MINUTE]
    assert acted.noted[-1]["closed"]


def test_one_that_has_ended_may_be_told_to_end(acted: Acted) -> None:
    child = Child("trigger:any", 60)
    child.end(30)
    child.finish()
    child.kill()


def test_a_close_that_fails_is_logged(acted: Acted, caplog: pytest.LogCaptureFixture) -> None:
    child = Child("trigger:any", 60)
    child.make(RUN, acted.options("refuse_to_close"))
    child.end(30)
    until(lambda: _said(caplog, logging.ERROR, "close() failed"), lambda: caplog.text)


def test_it_ends_by_itself_when_the_server_is_gone(acted: Acted) -> None:
    child = Child("trigger:any", 60)
    child.make(RUN, acted.options("loop"))
    failures: list[Failed] = []
    asking = Thread(target=lambda: failures.append(_fails(child)))
    asking.start()
    until(lambda: acted.noted)
    child.finish()  # the same end of the stream as when a server is killed
    asking.join(30)
    assert failures[0].sentence == "Its process ended with exit code 1."
    child.end(0)


def test_an_answer_that_nobody_waits_for_is_no_reason_to_fail(
    acted: Acted, caplog: pytest.LogCaptureFixture
) -> None:
    child = Child("trigger:any", 60)
    child.make(RUN, acted.options("wait"))
    asking = Thread(target=_fails, args=(child,))
    asking.start()
    until(lambda: acted.noted)
    child._connection.shutdown(socket.SHUT_RDWR)  # as when a server is killed
    acted.obstacle.unlink()
    asking.join(30)
    child.end(30)
    assert acted.ts == [0, MINUTE]
    assert acted.noted[-1]["closed"]
    until(lambda: _said(caplog, logging.WARNING, "the server is gone"), lambda: caplog.text)
