"""W1: one symbol, 1.27 M minute bars, the whole history to polars and to pandas."""

from __future__ import annotations

from collections.abc import Iterator

from bench.peers.answers import judge
from bench.peers.contest import Contest
from bench.peers.results import Result, measured
from bench.peers.standing import HISTORY_PANDAS, HISTORY_POLARS

_QUESTIONS = {"history_polars": HISTORY_POLARS, "history_pandas": HISTORY_PANDAS}


def run(contest: Contest) -> Iterator[Result]:
    expected = contest.inputs.frame("history")
    with contest.drivers("load_history") as drivers:
        for driver in drivers:
            driver.ask("load_history")
            driver.settle()
        for question, words in _QUESTIONS.items():
            costs = contest.turns(question, drivers, rounds=contest.pick(21, 5))
            for driver in drivers:
                for label, method in driver.ways(question).items():
                    verdict = judge(driver.answer(method), expected, ["ts"])
                    yield measured("W1", words, label, costs[label], verdict=str(verdict))
