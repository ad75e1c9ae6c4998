"""Where flightstore must stand: which of its results, against whose, and how far ahead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bench.measure import Ratio, inverse, quartiles
from bench.peers.results import Result

OURS = "flightstore"
MAPPED = "flightstore (same host)"
HISTORY_PANDAS = "whole history to pandas"
HISTORY_POLARS = "whole history to polars"
WIDE_FRAME = "all symbols as one frame"
WIDE_FRAMES = "all symbols, one pandas frame each"
PUT, RESEND, LATE = "5 M trades put", "the same again", "0.5 M late and shuffled"
CANDLES = "trades to minute candles"
TAIL, DAY = "the last 100 bars", "one day out of five years"
ASOF = "trades with the bar at their time"
MINUTES_KEPT = "1 M trades put, and their minute bars brought up to date"
MINUTES_LEFT = "1,000 late trades put, and what the store does by itself"
MINUTES_CORRECTED = "1,000 late trades put, and the bars brought up to date"
MINUTES_FRESH = "a trade of now put, until its bar has it"
DELIVERED = "a trade put, until a subscriber has it"
MEMORY_WRITING, MEMORY_READING = "memory while 5 M trades are put", "memory while 4 GB are read"
START_KILLED, START_STOPPED = "start after a kill", "start after a clean stop"
ON_DISK = "5.5 M trades and 1.27 M bars on the disk"
GROWN_READ, GROWN_TAIL = "1.27 M bars of one of the series", "the last 100 bars of it"
GROWN_PUT, GROWN_ROW = "a durable put of 50,000 trades", "a durable put of one trade"
FEW, MANY = "flightstore (1x the series)", "flightstore (100x the series)"


@dataclass(frozen=True, slots=True)
class Goal:
    """`ours` is to be at least `reach` times as fast as `theirs`, at the median or at `share`.

    `at_most`: `ours` is to take at most `reach` times as long as `theirs`.
    """

    workload: str
    question: str
    theirs: str
    reach: float
    ours: str = OURS
    share: float | None = None
    at_most: bool = False


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
    Goal("W7", MINUTES_KEPT, "InfluxDB", 10),
    Goal("W7", MINUTES_CORRECTED, "InfluxDB", 10),
    *(
        Goal("W9", question, FEW, 1.2, ours=MANY, at_most=True)
        for question in (GROWN_READ, GROWN_PUT, GROWN_ROW, GROWN_TAIL)
    ),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a goal was met: `found` times as fast (`at_most`: as long), with quartiles of rounds."""

    goal: Goal
    found: Ratio

    @property
    def reached(self) -> bool:
        if self.goal.at_most:
            return self.found.value <= self.goal.reach
        return self.found.value >= self.goal.reach


def standings(results: Iterable[Result], goals: Iterable[Goal] = GOALS) -> Iterator[Standing]:
    """For each goal of which both sides were measured."""
    known = {(r.workload, r.question, r.who): r for r in results if r.seconds}
    for goal in goals:
        ours = known.get((goal.workload, goal.question, goal.ours))
        theirs = known.get((goal.workload, goal.question, goal.theirs))
        if ours is not None and theirs is not None:
            ahead = _ahead(ours, theirs, goal.share)
            yield Standing(goal, inverse(ahead) if goal.at_most else ahead)


def _ahead(ours: Result, theirs: Result, share: float | None) -> Ratio:
    if share is not None:
        value = theirs.at(share) / ours.at(share)
        return Ratio(value, value, value, value)
    # Who was slow was asked less often; rounds are compared as far as both took part.
    pairs = [a / b for a, b in zip(theirs.seconds, ours.seconds, strict=False)]
    return Ratio(theirs.median / ours.median, *quartiles(pairs))
