"""W3: 5 M trades put durably in batches of 50,000; the same again; then a tenth, late and shuffled.

Each contestant begins anew for every round and is alone on the machine while it writes: what one
does behind its acknowledgements must not be another's cost.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.peers.answers import judge
from bench.peers.contest import Contest, Cost, Driver, Failed
from bench.peers.inputs import KEY
from bench.peers.results import Result, measured
from bench.peers.standing import LATE, PUT, RESEND

_STEPS = {PUT: "write_main", RESEND: "write_main", LATE: "write_late"}


def run(contest: Contest) -> Iterator[Result]:
    contest.inputs.make("main", "late")
    for name in contest.names:
        with contest.driver(name) as driver:
            labels = list(driver.ways("write_main"))
        for label in labels:
            yield from _alone(contest, name, label)


def _alone(contest: Contest, name: str, label: str) -> Iterator[Result]:
    costs = {words: Cost() for words in _STEPS}
    verdict = ""
    for turn in range(contest.pick(3, 1)):
        with contest.driver(name) as driver:
            try:
                _write(driver, label, costs)
                if turn == 0:
                    verdict = _judge(contest, driver, label)
            except Failed as error:
                yield from (Result("W3", words, label, failed=str(error)) for words in _STEPS)
                return
    for words, cost in costs.items():
        rows = contest.inputs.rows("late" if words == LATE else "main")
        yield measured("W3", words, label, cost, verdict=verdict, rows=rows)


def _write(driver: Driver, label: str, costs: dict[str, Cost]) -> None:
    driver.ask("read_trades")
    driver.ask(driver.method("new_trades", label))
    for words, question in _STEPS.items():
        _step(driver, driver.method(question, label), costs[words])


def _step(driver: Driver, method: str, cost: Cost) -> None:
    with driver.peak() as peak:
        cost.add(driver.ask(method))
    cost.memory = max(cost.memory, peak.bytes)


def _judge(contest: Contest, driver: Driver, label: str) -> str:
    expected = contest.inputs.frame("main", "late")
    return str(judge(driver.answer(driver.method("trades", label)), expected, KEY))
