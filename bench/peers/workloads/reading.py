"""Reading: everyone loads the same rows, untimed, and is then asked in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from bench.peers.answers import judge
from bench.peers.contest import Contest, Driver, Failed
from bench.peers.results import Result, measured


@dataclass(frozen=True)
class Question:
    """What is asked.

    method       of the contestants
    words        the same in words, for a table
    expected     makes the right answer
    key          its columns that make a row what it is
    rounds       how often each is asked; each round is `times` calls
    seconds_max  who took so long in all is not asked again
    """

    method: str
    words: str
    expected: Callable[[], pl.DataFrame]
    key: list[str]
    rounds: int
    times: int = 1
    seconds_max: float = 60.0


def asked(
    contest: Contest, workload: str, loads: Sequence[str], questions: Sequence[Question]
) -> Iterator[Result]:
    """Have all who can load the rows by `loads` and answer at least one of the questions."""
    methods = [question.method for question in questions]
    with contest.drivers(*loads, one_of=methods) as drivers:
        ready = []
        for driver in drivers:
            failed = loaded(driver, loads)
            if not failed:
                ready.append(driver)
                continue
            driver.close()
            for question in questions:
                yield Result(workload, question.words, driver.name, failed=failed)
        for question in questions:
            yield from _answered(contest, workload, ready, question)


def loaded(driver: Driver, loads: Sequence[str]) -> str:
    """Load the rows; why it could not, if it could not."""
    try:
        for method in loads:
            driver.ask(method)
        driver.settle()
    except Failed as error:
        return str(error)
    return ""


def _answered(
    contest: Contest, workload: str, drivers: list[Driver], question: Question
) -> Iterator[Result]:
    verdicts = dict(_verdicts(drivers, question))
    costs = contest.turns(
        question.method,
        drivers,
        rounds=question.rounds,
        times=question.times,
        seconds_max=question.seconds_max,
    )
    for label, cost in costs.items():
        yield measured(workload, question.words, label, cost, verdict=verdicts[label])


def _verdicts(drivers: list[Driver], question: Question) -> Iterator[tuple[str, str]]:
    """What is wrong with each one's answer. First of all, so that it warms what it touches."""
    expected = question.expected()
    for driver in drivers:
        for label, method in driver.ways(question.method).items():
            try:
                answer = driver.answer(method)
            except Failed as error:
                yield label, f"no answer: {error}"
            else:
                yield label, str(judge(answer, expected, question.key))
