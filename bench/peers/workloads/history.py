"""W1: one symbol, 1.27 M minute bars, the whole history to polars and to pandas."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from bench.peers.contest import Contest
from bench.peers.results import Result
from bench.peers.standing import HISTORY_PANDAS, HISTORY_POLARS
from bench.peers.workloads.reading import Question, asked

_QUESTIONS = {"history_polars": HISTORY_POLARS, "history_pandas": HISTORY_PANDAS}


def run(contest: Contest) -> Iterator[Result]:
    def expected() -> pl.DataFrame:
        return contest.inputs.frame("history")

    contest.inputs.make("history")
    rounds = contest.pick(21, 5)
    questions = [
        Question(method, words, expected, ["ts"], rounds) for method, words in _QUESTIONS.items()
    ]
    yield from asked(contest, "W1", ["load_history"], questions)
