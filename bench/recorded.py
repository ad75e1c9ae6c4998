"""What quick runs found when all was well, and how much worse a figure may get: recorded.json.

How bad a value is, is said in times of the recorded median: at 1.2 something takes a fifth longer,
or is slower by as much, whichever way is better. A figure's margin is what its own recorded runs
make of it: the worst of them plus half of the range between the best and the worst, and at least
1.15. A figure whose margin would be above 2 is too unsteady to be judged by single runs; it is
recorded and shown, and never fails.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.figures import Better

MARGIN_LEAST, MARGIN_MOST = 1.15, 2.0


@dataclass(frozen=True, slots=True)
class Recorded:
    """One figure of the recorded runs.

    best, worst  of so many runs
    margin       how many times as bad as the median a value may be
    """

    better: Better
    median: float
    best: float
    worst: float
    runs: int
    margin: float

    @property
    def steady(self) -> bool:
        """Whether one run can tell that it got worse."""
        return self.margin <= MARGIN_MOST

    def times_as_bad(self, value: float) -> float:
        """`value` against the median: above 1 it is worse, whichever way is better."""
        return _times_as_bad(self.better, value, self.median)


def recorded(better: Better, values: Sequence[float]) -> Recorded:
    """What the values of several runs say; all are positive."""
    median = statistics.median(values)
    least, most = min(values), max(values)
    best, worst = (least, most) if better == "less" else (most, least)
    furthest = _times_as_bad(better, worst, median)
    spread = furthest - _times_as_bad(better, best, median)
    margin = max(MARGIN_LEAST, furthest + spread / 2)
    return Recorded(better, median, best, worst, len(values), margin)


def _times_as_bad(better: Better, value: float, median: float) -> float:
    return value / median if better == "less" else median / value


@dataclass(frozen=True, slots=True)
class Record:
    """All recorded figures by measurement and by what they are about.

    machines  what each measurement was recorded on, line by line, as machine.py describes it
    """

    machines: dict[str, list[str]]
    figures: dict[str, dict[str, Recorded]]

    def with_measurements(self, machine: str, figures: Mapping[str, dict[str, Recorded]]) -> Record:
        """The same with some measurements recorded anew, on that machine."""
        machines = {**self.machines, **dict.fromkeys(figures, machine.splitlines())}
        return Record(machines, {**self.figures, **figures})

    def is_of(self, name: str, machine: str) -> bool:
        """Whether a measurement was recorded on a processor like this machine's, if at all."""
        return name not in self.machines or _processor(machine.splitlines()) == _processor(
            self.machines[name]
        )


def _processor(machine: list[str]) -> list[str]:
    return [line for line in machine if line.startswith("* processor")]


def load(path: Path) -> Record:
    """What was recorded; nothing, if nothing ever was."""
    said = json.loads(path.read_text()) if path.exists() else {}
    return Record(
        {name: part["machine"] for name, part in said.items()},
        {
            name: {what: Recorded(**numbers) for what, numbers in part["figures"].items()}
            for name, part in said.items()
        },
    )


def save(path: Path, record: Record) -> None:
    """Write it in an order of its own, so that a change of it can be read."""
    said = {
        name: {
            "machine": record.machines[name],
            "figures": {what: _rounded(found) for what, found in record.figures[name].items()},
        }
        for name in sorted(record.figures)
    }
    path.write_text(json.dumps(said, indent=2) + "\n")


def _rounded(found: Recorded) -> dict[str, object]:
    numbers = asdict(found).items()
    return {name: round(x, 4) if isinstance(x, float) else x for name, x in numbers}
