"""W2: 7,700 symbols of 870 daily bars in one call, as one frame and as one frame per symbol."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from bench.peers.contest import Contest
from bench.peers.results import Result
from bench.peers.standing import WIDE_FRAME, WIDE_FRAMES
from bench.peers.workloads.reading import Question, asked

_KEY = ["symbol", "ts"]


def run(contest: Contest) -> Iterator[Result]:
    def expected() -> pl.DataFrame:
        return contest.inputs.frame("wide")

    contest.inputs.make("wide")
    # Some take a minute and more for one answer: three rounds of them are enough.
    questions = [
        Question(method, words, expected, _KEY, contest.pick(7, 3), seconds_max=30)
        for method, words in (("wide_frame", WIDE_FRAME), ("wide_frames", WIDE_FRAMES))
    ]
    yield from asked(contest, "W2", ["load_wide"], questions)
