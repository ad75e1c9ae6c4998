"""The results as a document: bench/RESULTS.md with its plots, and the table in README.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.peers import elsewhere, headlines, tables
from bench.peers.results import Result, Run
from bench.peers.standing import OURS

ROOT = Path(__file__).parents[2]
SUBJECTS = {
    "W1": "one symbol, 1.27 M minute bars, the whole history",
    "W2": "7,700 symbols of 870 bars",
    "W3": "5 M trades put durably, put again, and a tenth of them late and shuffled",
    "W4": "these trades to minute candles",
    "W5": "small reads",
    "W6": "trades with the bar at their time",
    "W7": "minute bars kept up to date while trades come, and after late ones",
    "W8": "from a put to a subscriber",
    "W9": "growth",
    "W10": "memory, disk and starts",
}
_HEAD = f"""\
# Side by side

{OURS} and what its users would pick instead: the same rows, the same question, the same machine, in
turn. `make bench` repeats all of it, and `python -m bench.peers W1 W5 --write` a part. Written from
`bench/peers/results.json`; what is measured, and how, is in `bench/README.md`.

Times are from the question until the answer is in the client's hands, as the frame that was asked
for. Processor time and memory are those of client and server together; mapped files are the page
cache's. Ratios compare rounds of one run; a figure below 1x in the column "of {OURS}'s" is of
someone faster."""
_STANDING = f"""\
## Where it stands

How many times as fast as the other {OURS} is, by medians, with the quartiles of the ratios of
single rounds. "At most" is its own cost in a fuller store: how many times as long work takes."""
_ANSWERS = """\
## Whose answers were right

Every answer is compared with what polars makes of the same inputs. A row is lost if it was put and
is not there, extra if it came twice or was never put, changed if it has other values."""
_ELSEWHERE = f"""\
## MarketStore: measured elsewhere, on another day

There is no package of it. These figures are of an earlier build from source on the same kind of
machine, beside PostgreSQL 15; nothing of them was measured in the runs above. How far {OURS} is
ahead is an estimate: how far it is ahead of PostgreSQL here, divided by how far MarketStore was
there."""


def run_table(run: Run) -> str:
    """One workload's results, as Markdown: a table for each question, and where we stand."""
    parts = [
        f"{run.workload}: {question}\n\n{tables.of_question(results)}"
        for question, results in tables.questions(run.results).items()
    ]
    return "\n\n".join([*parts, tables.of_standings({run.workload: run})])


def write(runs: Mapping[str, Run], root: Path = ROOT) -> list[str]:
    """Write RESULTS.md, its plots and README.md's table; what could not be written, and why."""
    problems = []
    plotted: Mapping[tuple[str, str], Path] = {}
    try:
        from bench.peers import plots

        plotted = plots.draw(runs, root / "bench" / "plots")
    except ImportError as error:
        problems.append(f"no plots were drawn, for matplotlib is not there ({error})")
    (root / "bench" / "RESULTS.md").write_text(document(runs, plotted))
    try:
        headlines.update(root / "README.md", runs)
    except headlines.Unmarked as error:
        problems.append(str(error))
    return problems


def document(runs: Mapping[str, Run], plotted: Mapping[tuple[str, str], Path]) -> str:
    """All results as one document; `plotted` are the plots to show, by workload and question."""
    results = [result for run in runs.values() for result in run.results]
    parts = [
        _HEAD,
        f"{_STANDING}\n\n{tables.of_standings(runs)}",
        f"## Measured on\n\n{_measured_on(runs)}",
        _took_part(runs),
        *(_section(run, plotted) for run in runs.values()),
        f"{_ANSWERS}\n\n{tables.of_answers(runs)}",
        f"{_ELSEWHERE}\n\n{elsewhere.table(results)}",
    ]
    return "\n\n".join(parts) + "\n"


def _took_part(runs: Mapping[str, Run]) -> str:
    missing = [f"* {name} is missing: {why}" for name, why in tables.missing(runs).items()]
    parts = ["## Who took part", tables.of_participants(runs), "\n".join(missing)]
    return "\n\n".join(part for part in parts if part)


def _section(run: Run, plotted: Mapping[tuple[str, str], Path]) -> str:
    parts = [f"## {run.workload}: {SUBJECTS[run.workload]}"]
    for question, results in tables.questions(run.results).items():
        parts.append(f"### {question}\n\n{tables.of_question(results)}")
        parts += _without(run, results)
        parts += _shown(plotted.get((run.workload, question)), question)
    parts += _shown(plotted.get((run.workload, "")), run.workload)
    return "\n\n".join(parts)


def _without(run: Run, results: list[Result]) -> Iterator[str]:
    """Who took part and has no answer to this."""
    present = [name for name in run.titles if name not in run.missing]
    if names := tables.not_offered(present, results):
        yield f"Not offered: {', '.join(names)}."


def _shown(plot: Path | None, words: str) -> Iterator[str]:
    if plot is not None:
        yield f"![{words}]({plot.parent.name}/{plot.name})"


def _measured_on(runs: Mapping[str, Run]) -> str:
    """Each machine once, with the commands that ran there and when; they ran what they name."""
    machines: dict[str, dict[str, list[str]]] = {}
    for name, run in runs.items():
        when, _, machine = run.machine.partition("\n")  # as machine.describe has it
        said = f"`{run.command.strip()}`, {when.removeprefix('* measured: ')}"
        machines.setdefault(machine, {}).setdefault(said, []).append(name)
    return "\n\n".join(
        "\n".join([machine, *(f"* {', '.join(names)}: {said}" for said, names in runs_of.items())])
        for machine, runs_of in machines.items()
    )
