"""W7: minute bars that are kept up to date while 1 M trades come, and after 1,000 that come late.

Each contestant begins anew for every round and is alone while it is asked. A bar is what `inputs`
makes of all trades of its minute; the verdicts say whether the bars were that, first as the store
had left them by itself, then once they were brought up to date by whatever the store offers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bench.peers import inputs
from bench.peers.answers import judge
from bench.peers.contest import Contest, Cost, Driver, Failed
from bench.peers.results import Result, measured
from bench.peers.standing import MINUTES_CORRECTED, MINUTES_FRESH, MINUTES_KEPT, MINUTES_LEFT

_QUESTIONS = (MINUTES_KEPT, MINUTES_LEFT, MINUTES_CORRECTED, MINUTES_FRESH)
_SHARE = 5  # of the trades of W3


Play = Callable[[Contest, Driver, "_Found"], None]


@dataclass
class _Found:
    """What one contestant has shown so far."""

    costs: dict[str, Cost] = field(default_factory=lambda: {q: Cost() for q in _QUESTIONS})
    verdicts: dict[str, str] = field(default_factory=dict)
    failed: str = ""


def run(contest: Contest) -> Iterator[Result]:
    contest = contest.smaller(_SHARE)
    contest.inputs.make("main", "late", "corrections")
    found: dict[str, _Found] = {}
    for play in (_left, *[_round] * contest.pick(3, 1)):
        for name in contest.names:
            if play is _left or (name in found and not found[name].failed):
                _played(contest, name, found, play)
    for words in _QUESTIONS:
        for name, of in found.items():
            if of.costs[words].seconds or of.costs[words].failed or of.failed:
                yield _result(contest, words, name, of)


def _result(contest: Contest, words: str, name: str, of: _Found) -> Result:
    cost = of.costs[words]
    if not cost.seconds:
        return Result("W7", words, name, failed=cost.failed or of.failed)
    rows = contest.inputs.rows("main") if words == MINUTES_KEPT else 0
    verdict = of.verdicts.get(words, "")
    return measured("W7", words, name, cost, verdict=verdict, rows=rows)


def _played(contest: Contest, name: str, found: dict[str, _Found], play: Play) -> None:
    """Have one contestant play; those that keep no bars are left out of `found`."""
    with contest.driver(name) as driver:
        if driver.missing is not None or not driver.ways("keep_minutes"):
            return
        of = found.setdefault(name, _Found())
        try:
            driver.ask("read_trades")
            _spent(driver, "new_trades")
            play(contest, driver, of)
        except Failed as error:
            of.failed = str(error)


def _left(contest: Contest, driver: Driver, of: _Found) -> None:
    """What becomes of late trades if nobody does anything about them."""
    _spent(driver, "keep_minutes", "write_main", "refresh_minutes")
    of.costs[MINUTES_LEFT].add(_spent(driver, "write_corrections", "wait_minutes"))
    of.verdicts[MINUTES_LEFT] = _verdict(contest, driver, "main", "corrections")


def _round(contest: Contest, driver: Driver, of: _Found) -> None:
    kept, corrected = of.costs[MINUTES_KEPT], of.costs[MINUTES_CORRECTED]
    judged = not kept.seconds  # once is enough: the rows are the same in each round
    with driver.peak() as peak:
        kept.add(_spent(driver, "keep_minutes", "write_main", "refresh_minutes"))
    kept.memory = max(kept.memory, peak.bytes)
    if judged:
        of.verdicts[MINUTES_KEPT] = _verdict(contest, driver, "main")
    # Nothing reads in between: it could be what brings the bars up to date.
    corrected.add(_spent(driver, "write_corrections", "refresh_minutes"))
    if judged:
        of.verdicts[MINUTES_CORRECTED] = _verdict(contest, driver, "main", "corrections")
        _fresh(contest, driver, of.costs[MINUTES_FRESH])


def _fresh(contest: Contest, driver: Driver, cost: Cost) -> None:
    if not driver.ways("put_now"):
        return
    try:
        driver.ask("put_now")  # lazy imports, plans, the first row of a feed
        cost.add(driver.ask("put_now", times=contest.pick(50, 5)))
    except Failed as error:
        cost.failed = str(error)


def _verdict(contest: Contest, driver: Driver, *names: str) -> str:
    expected = inputs.candles(contest.inputs.frame(*names))
    return str(judge(driver.answer("minutes"), expected, ["ts"]))


def _spent(driver: Driver, *methods: str) -> dict[str, Any]:
    """What those of the methods cost together that it offers."""
    answers = [driver.ask(method) for method in methods if driver.ways(method)]
    return {cost: [sum(sum(a[cost]) for a in answers)] for cost in ("seconds", "cpu")}
