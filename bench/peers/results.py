"""What was measured, kept as JSON so that tables and plots can be drawn again."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.peers.contest import Cost

_NUMBERS = re.compile(r"\[\n([-\d.e,\s]+)\]")  # within a string, a line does not end


@dataclass
class Result:
    """What one contestant did with one question of one workload.

    workload    "W1"
    question    what was asked, in words: "whole history to pandas"
    who         the contestant, with the way it was asked: "PostgreSQL (ADBC)"
    seconds     of each round
    cpu         processor seconds of client and servers, of each round (of a call, in its mean)
    memory      bytes of client and servers at their peak; 0: not measured
    verdict     "right", or what was wrong with the answer; empty where there is none
    rows        rows written or read, where a rate says more than a time
    values      other numbers by name and unit, such as {"disk, MB": 61.2}
    failed      why it has no result, in its own words
    """

    workload: str
    question: str
    who: str
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory: int = 0
    verdict: str = ""
    rows: int = 0
    values: dict[str, float] = field(default_factory=dict)
    failed: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def at(self, share: float) -> float:
        """The time within which this share of the rounds was done."""
        return sorted(self.seconds)[min(len(self.seconds) - 1, int(share * len(self.seconds)))]


def measured(
    workload: str, question: str, who: str, cost: Cost, *, verdict: str = "", rows: int = 0
) -> Result:
    """A result of what `Contest.turns` found."""
    failed = cost.failed
    return Result(
        workload, question, who, cost.seconds, cost.cpu, cost.memory, verdict, rows, failed=failed
    )


@dataclass
class Run:
    """One run of one workload: on what, by which command, who took part."""

    workload: str
    command: str
    machine: str
    titles: dict[str, str]
    durable: dict[str, str]
    missing: dict[str, str]
    results: list[Result]


def load(path: Path) -> dict[str, Run]:
    """The runs that were saved, by workload."""
    if not path.exists():
        return {}
    runs = json.loads(path.read_text())
    return {
        name: Run(**{**run, "results": [Result(**result) for result in run["results"]]})
        for name, run in runs.items()
    }


def save(path: Path, runs: Iterable[Run]) -> None:
    """Keep `runs`, in the place of older ones of the same workloads."""
    kept = load(path) | {run.workload: run for run in runs}
    text = {name: asdict(kept[name]) for name in sorted(kept, key=lambda n: int(n[1:]))}
    path.write_text(_NUMBERS.sub(_on_one_line, json.dumps(text, indent=1)) + "\n")


def _on_one_line(numbers: re.Match[str]) -> str:
    return "[" + ", ".join(f"{float(one):.6g}" for one in numbers[1].split(",")) + "]"
