"""Triggers of a real server: all that is committed, in order, at least once, at nobody's cost."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.rows import MINUTE, NOON_2024, candles, trades
from tests.support.server_process import ServerProcess, running
from tests.support.triggers import Acted, is_gone, until

import flightstore as fs

BTC = "any:BTC/USD"
CONSUMER = "trigger:any"
RULE = '[[rules]]\non = "candles/*/1m"\nto = ["5m"]\n'


@pytest.fixture
def acted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Acted:
    """A folder with a package of the user's own, where the server finds it."""
    folder = tmp_path / "package"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return Acted(folder)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def _put(db: fs.Client, *minutes: int, instrument: str = BTC) -> None:
    db.write(instrument, candles([NOON_2024 + m * MINUTE for m in minutes]), timeframe="1m")


def _minutes(acted: Acted) -> list[int]:
    return [(ts - NOON_2024) // MINUTE for ts in acted.ts]


def _consumer(db: fs.Client, name: str = CONSUMER) -> fs.Consumer:
    [found] = [each for each in db.status().consumers if each.name == name]
    return found


def test_what_is_committed_comes_in_order(data: Path, acted: Acted) -> None:
    with running(data, acted.section()) as server, fs.connect(server.uri) as db:
        for minute in range(20):
            _put(db, minute)
        _put(db, 3, instrument="any:ETH/USD")
        db.write(BTC, trades([(NOON_2024, "1", 5.0)]), dataset="trades")
        db.delete(BTC, timeframe="1m", start="2024-01-01 12:00", end="2024-01-01 12:02")
        db.sync(timeout=60)
        consumer = _consumer(db)
    assert _minutes(acted) == [*range(20), 3]
    assert {tuple(each["series"]) for each in acted.batches} == {
        ("candles", BTC, "1m"),
        ("candles", "any:ETH/USD", "1m"),
    }
    # What came within a moment is handed out series by series, each in its order.
    last = [each for each in acted.batches if each["series"] == ["candles", BTC, "1m"]][-1]
    assert last["deleted"] == [NOON_2024, NOON_2024 + 2 * MINUTE]
    assert (consumer.kind, consumer.error, consumer.errors) == ("trigger", "", 0)


def test_a_put_of_many_rows_comes_whole(data: Path, acted: Acted) -> None:
    with running(data, acted.section()) as server, fs.connect(server.uri) as db:
        _put(db, *range(100_000))
        until(lambda: len(acted.ts) >= 100_000, server.log)
    assert _minutes(acted) == list(range(100_000))


def test_nothing_is_lost_when_the_server_is_killed(data: Path, acted: Acted) -> None:
    with running(data, acted.section()) as server:
        for first in range(0, 100, 20):
            with fs.connect(server.uri) as db:
                for minute in range(first, first + 20):
                    _put(db, minute)
            server.restart()
        with fs.connect(server.uri) as db:
            db.sync(timeout=60)
    assert list(dict.fromkeys(_minutes(acted))) == list(range(100)), "in order of first appearance"


def test_a_new_trigger_begins_now_or_with_the_log(data: Path, acted: Acted) -> None:
    other = Acted(acted.folder, "other")
    with running(data) as server:
        with fs.connect(server.uri) as db:
            _put(db, 1, 2)
        server.terminate()
        server.configure(acted.section() + other.section(name="other", start="log"))
        server.start()
        with fs.connect(server.uri) as db:
            _put(db, 3)
            db.sync(timeout=60)
    assert (_minutes(acted), _minutes(other)) == ([3], [1, 2, 3])


def test_a_trigger_that_is_taken_out_begins_anew(data: Path, acted: Acted) -> None:
    with running(data, acted.section()) as server:
        for minute, config in enumerate([acted.section(), "", acted.section()]):
            server.terminate()
            server.configure(config)
            server.start()
            with fs.connect(server.uri) as db:
                _put(db, minute)
                db.sync(timeout=60)
    assert _minutes(acted) == [0, 2]


def test_one_that_fails_is_tried_again_and_shown_and_holds_up_nobody(
    data: Path, acted: Acted
) -> None:
    other = Acted(acted.folder, "other")
    config = acted.section("fail") + other.section(name="other")
    with running(data, config) as server, fs.connect(server.uri) as db:
        for minute in range(5):
            _put(db, minute)
        until(lambda: _consumer(db).errors > 1, server.log)
        consumer = _consumer(db)
        assert (consumer.state, consumer.error) == (
            "retrying",
            "ValueError: there is an obstacle",
        )
        with pytest.raises(fs.DeadlineExceeded, match=rf"{CONSUMER} \(at 0, retrying\)\.$"):
            db.sync(consumers=CONSUMER, timeout=0.1)
        db.sync(consumers="trigger:other", timeout=60)
        assert _minutes(other) == list(range(5))
        assert "Traceback" in server.log()
        acted.obstacle.unlink()
        db.sync(timeout=60)
        assert _consumer(db).error == ""
    assert _minutes(acted) == list(range(5))


@pytest.mark.parametrize("act", ["loop", "sleep"])
def test_one_that_hangs_delays_no_put_and_no_stop(act: str, data: Path, acted: Acted) -> None:
    with running(data, acted.section(act)) as server, fs.connect(server.uri) as db:
        _put(db, 0)
        until(lambda: acted.noted, server.log)
        for minute in range(1, 50):
            _put(db, minute)
        assert db.candles(BTC, "1m").height == 50
        assert _consumer(db).state == "running"
        assert server.terminate() == 0
    assert all(map(is_gone, acted.pids))


def test_one_that_ends_its_process_gets_a_new_one(data: Path, acted: Acted) -> None:
    with running(data, acted.section("leave")) as server, fs.connect(server.uri) as db:
        _put(db, 0)
        _put(db, 1)
        db.sync(timeout=60)
        assert _consumer(db).errors == 1
        assert "Its process ended with exit code 3." in server.log()
    assert _minutes(acted) == [0, 1]


def test_the_process_of_a_killed_server_ends_by_itself(data: Path, acted: Acted) -> None:
    with running(data, acted.section("loop")) as server:
        with fs.connect(server.uri) as db:
            _put(db, 0)
        until(lambda: acted.noted, server.log)
        server.kill()
        until(lambda: all(map(is_gone, acted.pids)))


def test_a_class_that_cannot_be_imported_keeps_nobody_from_the_server(
    data: Path, acted: Acted
) -> None:
    config = acted.section(run="nowhere.alerts:Alert")
    with running(data, config) as server, fs.connect(server.uri) as db:
        _put(db, 0)
        until(lambda: _consumer(db).errors, server.log)
        assert "nowhere.alerts:Alert cannot be imported" in _consumer(db).error
        until(lambda: "PYTHONPATH" in server.log(), server.log)
        assert db.candles(BTC, "1m").height == 1


def test_bars_of_a_derived_series_come_once_they_are_over(data: Path, acted: Acted) -> None:
    config = RULE + acted.section(on="candles/*/5m", closed=True)
    with running(data, config) as server, fs.connect(server.uri) as db:
        for minute in range(12):
            _put(db, minute)
            db.sync(timeout=60)
    assert _minutes(acted) == [0, 5]
    assert acted.batches[0]["series"] == ["candles", BTC, "5m"]


def test_no_bar_is_left_out_when_the_server_is_killed(data: Path, acted: Acted) -> None:
    config = RULE + acted.section(on="candles/*/5m", closed=True)
    with running(data, config) as server:
        for first in range(0, 48, 8):
            with fs.connect(server.uri) as db:
                for minute in range(first, first + 8):
                    _put(db, minute)
            server.restart()
        with fs.connect(server.uri) as db:
            db.sync(timeout=60)
    assert list(dict.fromkeys(_minutes(acted))) == list(range(0, 45, 5))


def _refused(data: Path, config: str) -> str:
    server = ServerProcess(data, config)
    with pytest.raises(AssertionError, match="did not start"):
        server.start()
    return server.log()


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"on": "candles/*"}, "The trigger 'any': 'candles/*' names no timeframe of candles"),
        ({"run": "alerts"}, "The trigger 'any': run = 'alerts' does not name a class; write"),
        ({"name": "a b"}, "triggers.0.name"),
        ({"timeout": 5}, "Did you mean timeout_seconds?"),
    ],
)
def test_a_wrong_configuration_is_refused(
    keys: dict[str, str], said: str, data: Path, acted: Acted
) -> None:
    assert said in _refused(data, acted.section(**keys))


def test_two_triggers_of_one_name_are_refused(data: Path, acted: Acted) -> None:
    log = _refused(data, acted.section() * 2)
    assert "Two triggers are called 'any'; give each a name of its own." in log
