"""W5: the last 100 bars of one symbol, and one day out of five years of minute bars.

Such calls take a millisecond or less, so there are a thousand of each, in blocks that take turns;
a 99th percentile of fewer would be their slowest call and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from bench.peers import inputs
from bench.peers.contest import Contest
from bench.peers.results import Result
from bench.peers.standing import DAY, TAIL
from bench.peers.workloads.reading import Question, asked

_BLOCK = 25


def run(contest: Contest) -> Iterator[Result]:
    def tail() -> pl.DataFrame:
        return contest.inputs.frame("years").tail(100)

    def day() -> pl.DataFrame:
        return inputs.day(contest.inputs.frame("years"))

    contest.inputs.make("years")
    rounds = contest.pick(40, 4)
    questions = [
        Question(method, words, expected, ["ts"], rounds, times=_BLOCK, seconds_max=120)
        for method, words, expected in (("tail", TAIL, tail), ("day", DAY, day))
    ]
    yield from asked(contest, "W5", ["load_years"], questions)
