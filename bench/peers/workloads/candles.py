"""W4: the trades of W3 as minute candles, made when they are asked for.

The trades are what W3 put: 5 M in batches, then 0.5 M late and shuffled. All candles are compared
with those of all trades, so a store that lost or doubled some shows it here again.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from bench.peers import inputs
from bench.peers.contest import Contest
from bench.peers.results import Result
from bench.peers.standing import CANDLES
from bench.peers.workloads.reading import Question, asked

_LOADS = ["new_trades", "write_main", "write_late"]


def run(contest: Contest) -> Iterator[Result]:
    def expected() -> pl.DataFrame:
        return inputs.candles(contest.inputs.frame("main", "late"))

    contest.inputs.make("main", "late")
    rounds = contest.pick(11, 3)
    question = Question("candles", CANDLES, expected, ["ts"], rounds, seconds_max=40)
    yield from asked(contest, "W4", _LOADS, [question])
