"""Quick runs against the recorded ones: what got worse, each figure with a second chance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from bench.figures import Figure, aligned
from bench.recorded import Record, Recorded, load, recorded, save

RECORDED = Path(__file__).parent / "recorded.json"
RUNS_MIN = 3
_HOW_TO_RECORD = "python -m bench --record 7"
Measure = Callable[[str], list[Figure]]
_HEAD = ["measurement", "work", "found", "recorded", "best ... worst", "times as bad", "margin", ""]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A figure beside its record. `value`: None if this run has none; `was`: None if none has."""

    name: str
    what: str
    value: float | None
    was: Recorded | None
    first: float | None = None  # what the first try found, if this is the second

    @property
    def comparable(self) -> bool:
        """Whether there is something to compare."""
        return self.value is not None and self.was is not None

    @property
    def passed(self) -> bool:
        """Whether it is as good as it was, or cannot be told because it never was steady."""
        if self.value is None or self.was is None:
            return False
        return not self.was.steady or self.was.times_as_bad(self.value) <= self.was.margin

    def cells(self) -> list[str]:
        """As a row of the table."""
        found = "" if self.value is None else f"{self.value:.2f}"
        if self.first is not None:
            found += f" (at first {self.first:.2f})"
        was = ["", "", "", ""] if self.was is None else self._of_record(self.was)
        return [self.name, self.what, found, *was, self._word()]

    def _of_record(self, was: Recorded) -> list[str]:
        bad = "" if self.value is None else f"{was.times_as_bad(self.value):.2f}"
        span = f"{was.best:.2f} ... {was.worst:.2f}"
        return [f"{was.median:.2f}", span, bad, f"{was.margin:.2f}"]

    def _word(self) -> str:
        if self.value is None:
            return "**not measured**"
        if self.was is None:
            return "**not recorded**"
        if not self.was.steady:
            return "too unsteady to judge"
        return "well" if self.passed else "**worse**"

    def why(self) -> str:
        """What is wrong, as a sentence; for one that has not passed."""
        if self.was is None:
            what = f"is not recorded; on an idle machine: {_HOW_TO_RECORD}"
        elif self.value is None:
            what = "is recorded and was not measured; if it is gone for good, record anew"
        else:
            bad, margin = self.was.times_as_bad(self.value), self.was.margin
            what = f"{bad:.2f} times as bad as the recorded median, and {margin:.2f} is its margin"
        return f"{self.name}: {self.what}: {what}"


def check(names: Iterable[str], measure: Measure, machine: str, path: Path = RECORDED) -> int:
    """Measure, compare, say what was found; 1 if a figure is worse than its margin allows."""
    names, record = list(names), load(path)
    if not record.figures:
        print(f"There is no {path}; on an idle machine: {_HOW_TO_RECORD}")
        return 1
    verdicts = judged(names, measure, record)
    print(f"\n{_table(verdicts)}\n", flush=True)
    elsewhere = {name for name in names if not record.is_of(name, machine)}
    if elsewhere:
        print(f"Recorded on another machine, so margins say little: {', '.join(sorted(elsewhere))}")
    failed = [verdict for verdict in verdicts if not verdict.passed]
    for verdict in failed:
        print(verdict.why())
    if not failed:
        print("No figure is worse than its margin allows.")
    return 1 if failed else 0


def judged(names: list[str], measure: Measure, record: Record) -> list[Verdict]:
    """A verdict on each watched figure.

    What fails is measured once more when all others are done: whatever else the machine had to do
    may be over by then.
    """
    tried = {name: _compared(name, measure(name), record) for name in names}
    for name, first in tried.items():
        if any(verdict.comparable and not verdict.passed for verdict in first):
            second = {verdict.what: verdict for verdict in _compared(name, measure(name), record)}
            tried[name] = [
                _of_both(verdict, second.get(verdict.what, verdict)) for verdict in first
            ]
    return [verdict for verdicts in tried.values() for verdict in verdicts]


def _of_both(first: Verdict, second: Verdict) -> Verdict:
    """The second try counts for what failed at first, and for nothing else."""
    if first.passed or not first.comparable:
        return first
    return replace(second, first=first.value)


def _compared(name: str, figures: list[Figure], record: Record) -> list[Verdict]:
    """What was measured, and what was recorded and not measured."""
    found = {figure.what: figure.value for figure in figures if figure.watched}
    was = record.figures.get(name, {})
    every = [*found, *(what for what in was if what not in found)]
    return [Verdict(name, what, found.get(what), was.get(what)) for what in every]


def _table(verdicts: list[Verdict]) -> str:
    return aligned(_HEAD, [verdict.cells() for verdict in verdicts])


def take_record(
    names: Iterable[str], measure: Measure, runs: int, machine: str, path: Path = RECORDED
) -> int:
    """Measure `runs` times, all of it and then all of it again, and write what was found."""
    names = list(names)
    found: dict[str, dict[str, list[Figure]]] = {name: {} for name in names}
    for name in names * runs:
        for figure in measure(name):
            if figure.watched:
                found[name].setdefault(figure.what, []).append(figure)
    fresh = {name: {w: _of_runs(f) for w, f in each.items()} for name, each in found.items()}
    save(path, load(path).with_measurements(machine, fresh))
    median = [
        Verdict(n, what, r.median, r) for n, each in fresh.items() for what, r in each.items()
    ]
    print(f"\n{_table(median)}")
    return 0


def _of_runs(figures: list[Figure]) -> Recorded:
    better = figures[0].watched
    assert better is not None
    return recorded(better, [figure.value for figure in figures])
