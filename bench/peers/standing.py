"""Where flightstore must stand: which of its results, against whose, and how far ahead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bench.measure import Ratio, quartiles
from bench.peers.results import Result

OURS = "flightstore"
MAPPED = "flightstore (same host)"
HISTORY_PANDAS = "whole history to pandas"
HISTORY_POLARS = "whole history to polars"
WIDE_FRAME = "all symbols as one frame"
PUT, RESEND, LATE = "5 M trades put", "the same again", "0.5 M late and shuffled"
CANDLES = "trades to minute candles"
TAIL = "the last 100 bars"


@dataclass(frozen=True, slots=True)
class Goal:
    """`ours` is to be at least `reach` times as fast as `theirs`, at the median or at `share`."""

    workload: str
    question: str
    theirs: str
    reach: float
    ours: str = OURS
    share: float | None = None


GOALS = (
    Goal("W1", HISTORY_PANDAS, "PostgreSQL (fetch loop)", 120),
    Goal("W1", HISTORY_PANDAS, "PostgreSQL (ADBC)", 15),
    Goal("W1", HISTORY_PANDAS, "InfluxDB", 70),
    Goal("W1", HISTORY_PANDAS, "chDB", 4),
    Goal("W1", HISTORY_PANDAS, "DuckDB", 4),
    Goal("W1", HISTORY_POLARS, "ArcticDB", 1, ours=MAPPED),
    Goal("W2", WIDE_FRAME, "PostgreSQL (ADBC)", 10),
    Goal("W2", WIDE_FRAME, "ArcticDB", 10),
    Goal("W2", WIDE_FRAME, "chDB", 4),
    Goal("W2", WIDE_FRAME, "DuckDB", 4),
    Goal("W3", PUT, "PostgreSQL", 20),
    Goal("W3", PUT, "InfluxDB", 28),
    Goal("W3", PUT, "DuckDB", 6),
    Goal("W3", PUT, "chDB", 1.7),
    Goal("W3", PUT, "ArcticDB", 1),
    Goal("W4", CANDLES, "PostgreSQL", 50),
    Goal("W4", CANDLES, "InfluxDB", 35),
    Goal("W4", CANDLES, "ArcticDB", 1.7),
    Goal("W4", CANDLES, "chDB", 2),
    Goal("W4", CANDLES, "DuckDB", 1.2),
    Goal("W5", TAIL, "PostgreSQL (prepared)", 1),
    Goal("W5", TAIL, "PostgreSQL (prepared)", 1, share=0.99),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a goal was met: `found` times as fast, with the quartiles of rounds."""

    goal: Goal
    found: Ratio

    @property
    def reached(self) -> bool:
        return self.found.value >= self.goal.reach


def standings(results: Iterable[Result], goals: Iterable[Goal] = GOALS) -> Iterator[Standing]:
    """For each goal of which both sides were measured."""
    known = {(r.workload, r.question, r.who): r for r in results if r.seconds}
    for goal in goals:
        ours = known.get((goal.workload, goal.question, goal.ours))
        theirs = known.get((goal.workload, goal.question, goal.theirs))
        if ours is not None and theirs is not None:
            yield Standing(goal, _ahead(ours, theirs, goal.share))


def _ahead(ours: Result, theirs: Result, share: float | None) -> Ratio:
    if share is not None:
        value = theirs.at(share) / ours.at(share)
        return Ratio(value, value, value, value)
    # Who was slow was asked less often; rounds are compared as far as both took part.
    pairs = [a / b for a, b in zip(theirs.seconds, ours.seconds, strict=False)]
    return Ratio(theirs.median / ours.median, *quartiles(pairs))
