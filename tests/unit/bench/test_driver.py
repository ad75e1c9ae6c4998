"""A contestant in its process: its answers come back, and what goes wrong is a typed failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
from bench.peers.answers import judge
from bench.peers.contest import Contest, Driver, Failed
from bench.peers.contestant import Contestant
from tests.unit.bench import fake_contestants as fakes

HISTORY = "history_polars"
Start = Callable[[type[Contestant]], Driver]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Of each kind one driver for all tests: a process and its imports take a second."""
    folder = tmp_path_factory.mktemp("drivers")
    with ExitStack() as started:

        @cache
        def driver(kind: type[Contestant]) -> Driver:
            made = Driver(fakes.named(kind), folder / kind.__name__, folder / "inputs")
            started.callback(made.close)
            return made

        yield driver


def test_an_answer_comes_back_as_it_was_given(start: Start) -> None:
    assert start(fakes.Right).answer(HISTORY).equals(fakes.ROWS)


def test_a_driver_says_who_it_is(start: Start) -> None:
    driver = start(fakes.Right)
    assert (driver.title, driver.durable, driver.missing) == ("a fake 1.0", "nothing", None)


def test_each_way_of_a_question_has_its_label(start: Start) -> None:
    driver = start(fakes.Right)
    assert driver.ways(HISTORY) == {
        driver.name: HISTORY,
        f"{driver.name} (fetch loop)": "history_slowly",
    }


def test_each_of_many_calls_is_timed(start: Start) -> None:
    assert len(start(fakes.Right).ask(HISTORY, times=7)["seconds"]) == 7


def test_a_wrong_answer_is_judged_as_such(start: Start) -> None:
    verdict = judge(start(fakes.Wrong).answer(HISTORY), fakes.ROWS, ["ts"])
    assert (verdict.lost, verdict.extra, verdict.changed) == (1, 1, 1)


def test_an_error_of_a_contestant_is_a_failure_with_its_words(start: Start) -> None:
    with pytest.raises(Failed, match="ValueError: there are no rows today"):
        start(fakes.Refusing).ask(HISTORY)


def test_who_has_failed_once_can_be_asked_again(start: Start) -> None:
    driver = start(fakes.Refusing)
    with pytest.raises(Failed):
        driver.ask(HISTORY)
    assert driver.answer("history_slowly").equals(fakes.ROWS)


def test_a_process_that_has_ended_stays_a_failure(start: Start) -> None:
    for _ in range(2):
        with pytest.raises(Failed):
            start(fakes.Vanishing).ask(HISTORY)


@pytest.mark.parametrize(
    ("kind", "why"),
    [(fakes.Absent, "its server is not installed"), (fakes.Broken, "/nowhere/at/all")],
)
def test_who_cannot_take_part_is_missing_with_the_reason(
    kind: type[Contestant], why: str, start: Start
) -> None:
    assert why in (start(kind).missing or "")


def test_a_contestant_is_closed_in_an_orderly_way(tmp_path: Path) -> None:
    driver = Driver(fakes.named(fakes.Right), tmp_path / "folder", tmp_path)
    driver.close()
    assert (tmp_path / "folder" / "closed").exists()


def test_turns_go_on_without_the_one_that_fails(tmp_path: Path) -> None:
    right, refusing = fakes.named(fakes.Right), fakes.named(fakes.Refusing)
    contest = Contest(tmp_path, [right, refusing])
    with contest.drivers(HISTORY, only=contest.names) as drivers:
        costs = contest.turns(HISTORY, drivers, rounds=3)
    assert len(costs[right].seconds) == 3
    assert "no rows today" in costs[refusing].failed


def test_nothing_of_a_contestant_is_left_behind(tmp_path: Path) -> None:
    contest = Contest(tmp_path, [fakes.named(fakes.Right)])
    with contest.driver(contest.names[0]) as driver:
        assert driver.folder.is_dir()
    assert not driver.folder.exists()
