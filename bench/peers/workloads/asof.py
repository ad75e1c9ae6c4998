"""W6: a million trades, each with the newest bar at its time: the as-of join."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from bench.peers import inputs
from bench.peers.contest import Contest
from bench.peers.inputs import KEY
from bench.peers.results import Result
from bench.peers.standing import ASOF
from bench.peers.workloads.reading import Question, asked


def run(contest: Contest) -> Iterator[Result]:
    def expected() -> pl.DataFrame:
        return inputs.joined(contest.inputs.folder)

    contest.inputs.make("joining_trades", "joining_bars")
    question = Question("asof", ASOF, expected, KEY, contest.pick(11, 3), seconds_max=40)
    yield from asked(contest, "W6", ["load_joining"], [question])
