"""One trigger at work: in order, at least once, and patient with whatever goes wrong."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.support.rows import MINUTE, candles
from tests.support.triggers import RUN, Acted, until

from flightstore_proto import timeframe as timeframes
from flightstore_proto.errors import Corrupt, Lagged, Unavailable, UnknownDataset
from flightstore_proto.instrument import Instrument
from flightstore_proto.schemas import BATCH_ROWS_MAX, CANDLES
from flightstore_server.engine.series import Dataset, Series
from flightstore_server.engine.updates import Update
from flightstore_server.triggers import runner as runners
from flightstore_server.triggers.runner import TriggerRunner
from flightstore_server.triggers.spec import TriggerSpec

BARS = Series(
    1,
    Dataset(1, "candles", CANDLES, key_has_id=False),
    Instrument("any", "BTC/USD"),
    timeframes.parse("1m"),
    free_grid=False,
)


def rows_at(lsn: int, *minutes: int) -> Update:
    return Update(lsn, [], [(BARS, candles([minute * MINUTE for minute in minutes]))])


class Script:
    """A log that holds `news`: by LSN an update, nothing for the trigger, or an error."""

    def __init__(self, news: Sequence[Update | Exception | None], oldest: int = 0) -> None:
        self.news = news
        self.positions: dict[str, int] = {}
        self.is_there = self.is_open = True
        self._oldest = oldest

    def follow(self, spec: TriggerSpec, after_lsn: int) -> ScriptFollower:
        if not self.is_there:
            raise UnknownDataset("There is no dataset 'candles' here.")
        return ScriptFollower(self, after_lsn)

    def newest(self) -> int:
        return len(self.news)

    def oldest(self) -> int:
        return self._oldest

    def reached(self, name: str, lsn: int) -> None:
        self.positions[name] = lsn


class ScriptFollower:
    """Stands for an UpdateFollower."""

    def __init__(self, script: Script, lsn: int) -> None:
        self.lsn = lsn
        self._script = script

    def take(self, seconds: float, *, bytes_max: int) -> Update | None:
        if not self._script.is_open:
            raise Unavailable("The server is stopping; connect again.")
        news = self._script.news[self.lsn :]
        if not news:
            time.sleep(seconds)
            return None
        # What is taken at once is lost with the error, as in the real one.
        wrong = [each for each in news if isinstance(each, Exception)]
        if wrong and (bytes_max > 1 or news[0] is wrong[0]):
            raise wrong[0]
        self.lsn += 1
        assert not isinstance(news[0], Exception)
        return news[0]


Begin = Callable[..., TriggerRunner]


@pytest.fixture
def begin(acted: Acted, monkeypatch: pytest.MonkeyPatch) -> Iterator[Begin]:
    """Starts a trigger that follows a script; it is stopped when the test ends."""
    monkeypatch.setattr(runners, "_PAUSE_SECONDS", 0.01)
    begun = []

    def start(
        script: Script, act: str = "", *, run: str = RUN, seconds: float = 60.0
    ) -> TriggerRunner:
        spec = TriggerSpec(
            "any",
            "candles",
            "*",
            "1m",
            run,
            acted.options(act),
            timeout_seconds=seconds,
        )
        begun.append(TriggerRunner(spec, script, 0))
        begun[-1].start()
        return begun[-1]

    yield start
    for each in begun:
        each.stop(30)


def test_batches_come_in_order_and_move_the_position(acted: Acted, begin: Begin) -> None:
    script = Script([rows_at(1, 1, 2), None, rows_at(3, 3), rows_at(4, 2)])
    trigger = begin(script)
    until(lambda: trigger.lsn == 4, lambda: trigger.error)
    assert acted.ts == [MINUTE, 2 * MINUTE, 3 * MINUTE, 2 * MINUTE]
    assert [each["lsn"] for each in acted.batches] == [1, 3, 4]
    assert script.positions == {"trigger:any": 4}
    assert (trigger.name, trigger.kind) == ("trigger:any", "trigger")
    assert (trigger.state, trigger.error, trigger.errors) == ("waiting", "", 0)


def test_deletions_come_before_rows(acted: Acted, begin: Begin) -> None:
    update = rows_at(1, 5)
    update.deletes = [(BARS, 0, 9), (BARS, None, None)]
    trigger = begin(Script([update]))
    until(lambda: trigger.lsn == 1)
    assert [each["deleted"] for each in acted.batches] == [[0, 9], [None, None], None]
    assert [len(each["ts"]) for each in acted.batches] == [0, 0, 1]


def test_a_long_run_comes_in_pieces(acted: Acted, begin: Begin) -> None:
    trigger = begin(Script([rows_at(1, *range(BATCH_ROWS_MAX + 1))]))
    until(lambda: trigger.lsn == 1)
    assert [len(each["ts"]) for each in acted.batches] == [BATCH_ROWS_MAX, 1]
    assert acted.ts == [minute * MINUTE for minute in range(BATCH_ROWS_MAX + 1)]


def test_what_fails_is_tried_again_and_nothing_overtakes_it(
    acted: Acted, begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    script = Script([rows_at(1, 1), rows_at(2, 2)])
    trigger = begin(script, "fail")
    until(lambda: trigger.errors > 2)
    assert (trigger.state, trigger.lsn, acted.ts) == ("retrying", 0, [])
    assert trigger.error == "ValueError: there is an obstacle"
    acted.obstacle.unlink()
    until(lambda: trigger.lsn == 2)
    assert acted.ts == [MINUTE, 2 * MINUTE]
    until(lambda: trigger.state == "waiting")
    assert trigger.error == ""
    assert caplog.text.count("Traceback") == 1, "the details once"


@pytest.mark.parametrize("act", ["leave", "crash"])
def test_a_process_that_ended_is_started_again(act: str, acted: Acted, begin: Begin) -> None:
    trigger = begin(Script([rows_at(1, 1), rows_at(2, 2)]), act)
    until(lambda: trigger.lsn == 2, lambda: trigger.error)
    assert acted.ts == [MINUTE, 2 * MINUTE]
    assert trigger.errors == 1


def test_a_batch_that_takes_too_long_comes_again(acted: Acted, begin: Begin) -> None:
    trigger = begin(Script([rows_at(1, 1)]), "sleep", seconds=2.0)
    until(lambda: trigger.errors)
    acted.obstacle.unlink()
    until(lambda: trigger.lsn == 1)
    assert acted.ts == [MINUTE]
    assert acted.noted[0]["pid"] != acted.noted[-1]["pid"]


def test_a_class_that_is_not_there_yet_is_waited_for(acted: Acted, begin: Begin) -> None:
    trigger = begin(Script([rows_at(1, 1)]), run="later:Acting")
    until(lambda: trigger.errors > 1)
    assert trigger.state == "retrying"
    assert "later:Acting cannot be imported" in trigger.error
    (acted.folder / "acting.py").rename(acted.folder / "later.py")
    until(lambda: trigger.lsn == 1)
    assert acted.ts == [MINUTE]


def test_what_the_log_no_longer_has_is_missed_and_said(
    acted: Acted, begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    trigger = begin(Script([Lagged("They are gone."), None, rows_at(3, 3)], oldest=2))
    until(lambda: trigger.lsn == 3)
    assert acted.ts == [3 * MINUTE]
    assert trigger.error == "Records 1 to 2 were missed: They are gone."
    assert trigger.errors == 1
    assert trigger.error in caplog.text


def test_a_record_that_cannot_be_told_is_missed_alone(acted: Acted, begin: Begin) -> None:
    trigger = begin(Script([rows_at(1, 1), rows_at(2, 2), Lagged("No name."), rows_at(4, 4)]))
    until(lambda: trigger.lsn == 4)
    assert acted.ts == [MINUTE, 2 * MINUTE, 4 * MINUTE]
    assert trigger.error == "Records 3 to 3 were missed: No name."
    assert trigger.errors == 1


def test_a_dataset_that_is_not_there_yet_is_waited_for(acted: Acted, begin: Begin) -> None:
    script = Script([None, None])
    script.is_there = False
    trigger = begin(script)
    until(lambda: trigger.lsn == 2)
    assert trigger.error == "There is no dataset 'candles' here."
    script.news, script.is_there = [None, None, rows_at(3, 3)], True
    until(lambda: trigger.lsn == 3)
    assert acted.ts == [3 * MINUTE]
    assert trigger.error == ""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Corrupt("The log file x is damaged."), "The log file x is damaged."),
        (OSError(5, "Input/output error"), "OSError: [Errno 5] Input/output error"),
    ],
)
def test_a_log_that_cannot_be_read_stops_it(
    error: Exception, said: str, begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    trigger = begin(Script([error]))
    until(lambda: trigger.state == "stopped")
    assert trigger.error == said
    assert "trigger:any has stopped" in caplog.text


def test_it_ends_when_the_store_does(begin: Begin, caplog: pytest.LogCaptureFixture) -> None:
    script = Script([])
    script.is_open = False
    trigger = begin(script)
    until(lambda: trigger.state == "stopped")
    assert trigger.error == ""
    assert not caplog.records


def test_a_stop_lets_the_batch_under_way_be_dealt_with(acted: Acted, begin: Begin) -> None:
    script = Script([rows_at(1, 1), rows_at(2, 2)])
    trigger = begin(script, "wait")
    until(lambda: acted.noted)
    trigger.begin_to_stop()
    acted.obstacle.unlink()
    trigger.stop(30)
    assert acted.ts == [MINUTE]
    assert script.positions == {"trigger:any": 1}
    assert acted.noted[-1]["closed"]
    assert (trigger.state, trigger.errors) == ("stopped", 0)


def test_a_stop_does_not_wait_for_one_that_hangs(acted: Acted, begin: Begin) -> None:
    script = Script([rows_at(1, 1)])
    trigger = begin(script, "loop")
    until(lambda: acted.noted)
    trigger.stop(0.1)
    assert trigger.state == "stopped"
    assert not Path(f"/proc/{acted.noted[0]['pid']}").exists()
    assert (script.positions, trigger.errors) == ({}, 0)


def test_a_stop_ends_a_process_that_was_just_begun(begin: Begin) -> None:
    trigger = begin(Script([]))
    trigger.stop(30)
    assert (trigger.state, trigger.errors) == ("stopped", 0)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
