"""W8: from a put to a subscriber. Both are in one process, each with a connection of its own."""

from __future__ import annotations

from collections.abc import Iterator

from bench.peers.contest import Contest
from bench.peers.results import Result, measured
from bench.peers.standing import DELIVERED
from bench.peers.workloads.reading import loaded

_BLOCK = 50


def run(contest: Contest) -> Iterator[Result]:
    with contest.drivers("new_trades", "subscribe", "deliver") as drivers:
        ready = []
        for driver in drivers:
            failed = loaded(driver, ["new_trades", "subscribe"])
            if failed:
                driver.close()
                yield Result("W8", DELIVERED, driver.name, failed=failed)
            else:
                ready.append(driver)
        costs = contest.turns("deliver", ready, rounds=contest.pick(10, 2), times=_BLOCK)
    for label, cost in costs.items():
        yield measured("W8", DELIVERED, label, cost)
