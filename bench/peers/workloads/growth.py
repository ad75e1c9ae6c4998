"""W9: the same small questions of flightstore with more and more in it.

Servers with 1, 10 and 100 times as many series, and one whose series has ten times the history,
take turns. What is asked is the same of each: the 1.27 M bars of W1, which are the newest ones of
the long history; its last hundred; a put of a single trade and one of 50,000.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from bench.peers.answers import judge
from bench.peers.contest import Contest, Driver
from bench.peers.results import Result, measured
from bench.peers.standing import (
    FEW,
    GROWN_PUT,
    GROWN_READ,
    GROWN_ROW,
    GROWN_TAIL,
    MANY,
    OURS,
)

_SERIES = {FEW: 500, f"{OURS} (10x the series)": 5_000, MANY: 50_000}
_LONG, _OLDER = f"{OURS} (10x the history)", 9
# By which method, how many rounds of how many calls. Large puts come last: there is work behind
# their acknowledgements that is not to be a cost of the rest.
_QUESTIONS = {
    GROWN_READ: ("newest_history", 21, 1),
    GROWN_TAIL: ("newest_bars", 20, 50),
    GROWN_ROW: ("put_row", 20, 50),
    GROWN_PUT: ("put_batch", 21, 5),
}


def run(contest: Contest) -> Iterator[Result]:
    contest.inputs.make("history", "main")
    if OURS not in contest.names:
        return
    with ExitStack() as stack:
        drivers = []
        for label in (*_SERIES, _LONG):
            driver = stack.enter_context(contest.driver(OURS, called=label))
            _load(contest, driver, label)
            drivers.append(driver)
        for words, (method, rounds, times) in _QUESTIONS.items():
            yield from _asked(contest, drivers, words, method, contest.pick(rounds, 3), times)


def _load(contest: Contest, driver: Driver, label: str) -> None:
    if label == _LONG:
        driver.ask("load_older", _OLDER)
    driver.ask("load_history")
    driver.ask("load_series", _series(contest, label))
    driver.settle()


def _series(contest: Contest, label: str) -> int:
    return _SERIES.get(label, _SERIES[FEW]) // contest.pick(1, 10)


def _asked(
    contest: Contest, drivers: list[Driver], words: str, method: str, rounds: int, times: int
) -> Iterator[Result]:
    costs = contest.turns(method, drivers, rounds=rounds, times=times)
    for driver in drivers:
        result = measured("W9", words, driver.name, costs[driver.name])
        if words == GROWN_READ:
            found = driver.answer(method)
            result.verdict = str(judge(found, contest.inputs.frame("history"), ["ts"]))
        result.values["series"] = _series(contest, driver.name) + 1
        yield result
