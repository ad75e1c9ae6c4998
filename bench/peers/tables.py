"""Results as Markdown tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.peers.results import Result, Run
from bench.peers.standing import GOALS, OURS, Goal, Standing, standings

_CALLS_FOR_P99 = 100
Row = tuple[str, ...]


def markdown(rows: Sequence[Row]) -> str:
    """A Markdown table; the first row is its head."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("| " + " | ".join(cells).rstrip() + " |")
        if number == 0:
            lines.append("| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """Three digits, and a unit that suits them."""
    for factor, unit in ((1, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return f"{number(seconds * factor)} {unit}"
    return f"{number(seconds * 1e6)} µs"


def number(value: float) -> str:
    """Three digits of what is small, all digits before the point of what is not."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def contestant(who: str) -> str:
    """The contestant of a label, without the way it was asked."""
    return who.partition(" (")[0]


def questions(results: Iterable[Result]) -> dict[str, list[Result]]:
    """The results of each question, the fastest first, those without a time last.

    Where only one contestant was asked, they stay in the order that they were asked in.
    """
    found: dict[str, list[Result]] = {}
    for result in results:
        found.setdefault(result.question, []).append(result)
    for some in found.values():
        if len({contestant(result.who) for result in some}) > 1:
            some.sort(key=lambda r: (bool(r.failed), r.median if r.seconds else float("inf")))
    return found


@dataclass(frozen=True, slots=True)
class _Column:
    head: str
    cell: Callable[[Result], str]


def of_question(results: Sequence[Result]) -> str:
    """Everyone's result for one question; columns that nobody fills are left out."""
    ours = next((r for r in results if r.who == OURS and r.seconds), None)
    columns = [*_measured(ours), *_values(results), _Column("answer", _answer)]
    cells = [[column.cell(result) for column in columns] for result in results]
    kept = [at for at in range(len(columns)) if any(row[at] for row in cells)]
    head = tuple(columns[at].head for at in kept)
    return markdown([head, *(tuple(row[at] for at in kept) for row in cells)])


def _measured(ours: Result | None) -> list[_Column]:
    def of_ours(result: Result) -> str:
        return f"{number(result.median / ours.median)}x" if ours and result.seconds else ""

    return [
        _Column("who", lambda r: r.who),
        _Column("median", lambda r: duration(r.median) if r.seconds else ""),
        _Column(f"of {OURS}'s", of_ours),
        _Column("quartiles", _quartiles),
        _Column("p99", lambda r: duration(r.at(0.99)) if _has_p99(r) else ""),
        _Column("processor", lambda r: duration(sum(r.cpu) / len(r.cpu)) if r.cpu else ""),
        _Column("memory", lambda r: f"{r.memory / 2**20:,.0f} MiB" if r.memory else ""),
        _Column("rate", rate),
    ]


def _quartiles(result: Result) -> str:
    if len(result.seconds) < 2:
        return ""
    return f"{duration(result.at(0.25))} to {duration(result.at(0.75))}"


def _has_p99(result: Result) -> bool:
    return len(result.seconds) >= _CALLS_FOR_P99


def rate(result: Result) -> str:
    """Rows a second, where rows were counted."""
    if not (result.rows and result.seconds):
        return ""
    return f"{number(result.rows / result.median / 1e6)} M rows/s"


def _values(results: Sequence[Result]) -> Iterator[_Column]:
    for name in dict.fromkeys(name for result in results for name in result.values):

        def cell(result: Result, name: str = name) -> str:
            return number(result.values[name]) if name in result.values else ""

        yield _Column(name, cell)


def _answer(result: Result) -> str:
    return f"failed: {_cell(result.failed)}" if result.failed else _cell(result.verdict)


def _cell(text: str) -> str:
    """Text that others wrote, fit for a cell."""
    return " ".join(text.split()).replace("|", "\\|")[:200]


def not_offered(titles: Iterable[str], results: Sequence[Result]) -> list[str]:
    """Who took part and has no answer to a question that more than one was asked."""
    asked = {contestant(result.who) for result in results}
    if len(asked - {"floor"}) < 2:
        return []
    return [name for name in titles if name not in asked and name != "floor"]


def of_standings(runs: Mapping[str, Run]) -> str:
    """Every goal of the workloads that were run, also of those that lack a side."""
    results = [result for run in runs.values() for result in run.results]
    found = {standing.goal: standing for standing in standings(results)}
    rows = [_goal_row(goal, found.get(goal)) for goal in GOALS if goal.workload in runs]
    return markdown([("", "work", "against", "goal", "found", "quartiles", "reached"), *rows])


def _goal_row(goal: Goal, standing: Standing | None) -> Row:
    work = goal.question if goal.ours == OURS else f"{goal.question}, {goal.ours}"
    if goal.share is not None:
        work = f"{work}, {goal.share:.0%} of calls"
    bound = "at most " if goal.at_most else ""
    head = (goal.workload, work, goal.theirs, f"{bound}{goal.reach:g}x")
    if standing is None:
        return (*head, "not measured", "", "")
    ratio = standing.found
    spread = "" if ratio.low == ratio.high else f"{number(ratio.low)} to {number(ratio.high)}"
    return (*head, f"{number(ratio.value)}x", spread, "yes" if standing.reached else "**no**")


def of_participants(runs: Mapping[str, Run]) -> str:
    """Who took part, in which version, and what an acknowledged row has survived."""
    absent = missing(runs)
    rows = {
        (title, run.durable.get(name, "")): None
        for run in runs.values()
        for name, title in run.titles.items()
        if name not in absent and name != "floor"
    }
    return markdown([("who", "an acknowledged row has survived"), *rows])


def missing(runs: Mapping[str, Run]) -> dict[str, str]:
    """Who could not take part in any workload, and why."""
    there = {contestant(r.who) for run in runs.values() for r in run.results if not r.failed}
    found = {name: why for run in runs.values() for name, why in run.missing.items()}
    return {name: _cell(why) for name, why in found.items() if name not in there}


def of_answers(runs: Mapping[str, Run]) -> str:
    """Whose answers were right, and what was wrong with those that were not, by workload."""
    judged = {name: verdicts for name, run in runs.items() if (verdicts := _verdicts(run.results))}
    everyone = dict.fromkeys(who for verdicts in judged.values() for who in verdicts)
    rows = [
        (who, *("; ".join(verdicts.get(who, ["-"])) for verdicts in judged.values()))
        for who in everyone
    ]
    return markdown([("who", *judged), *rows])


def _verdicts(results: Iterable[Result]) -> dict[str, list[str]]:
    """What was found of each one's answers; "right" only where all were."""
    found: dict[str, list[str]] = {}
    for result in results:
        if result.verdict:
            known = found.setdefault(result.who, [])
            known.extend({_cell(result.verdict)} - set(known))
    return {who: [v for v in some if v != "right"] or ["right"] for who, some in found.items()}
