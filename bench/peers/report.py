"""The results as tables."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from bench.peers.results import Result, Run
from bench.peers.standing import standings

_HEAD = ("who", "median", "quartiles", "p99", "processor", "memory", "rate", "answer")


def run_table(run: Run) -> str:
    """One workload's results, as Markdown: a table for each question, and where we stand."""
    parts = []
    for question, some in groupby(run.results, key=lambda r: r.question):
        rows = [_HEAD, *(_cells(result) for result in some)]
        parts.append(f"{run.workload}: {question}\n\n{markdown(rows)}")
    for standing in standings(run.results):
        goal, found = standing.goal, standing.found
        verdict = "reached" if standing.reached else "NOT reached"
        parts.append(
            f"{goal.question}: {found.value:.2f}x {goal.theirs} "
            f"({found.low:.2f} to {found.high:.2f}; {goal.reach:g}x {verdict})"
        )
    return "\n\n".join(parts)


def _cells(result: Result) -> tuple[str, ...]:
    if result.failed:
        return (result.who, "failed", "", "", "", "", "", result.failed)
    rate = f"{result.rows / result.median / 1e6:.2f} M rows/s" if result.rows else ""
    return (
        result.who,
        f"{result.median * 1e3:.4g} ms",
        f"{result.at(0.25) * 1e3:.4g} to {result.at(0.75) * 1e3:.4g}",
        f"{result.at(0.99) * 1e3:.4g} ms" if len(result.seconds) >= 100 else "",
        f"{sum(result.cpu) / len(result.cpu) * 1e3:.4g} ms" if result.cpu else "",
        f"{result.memory / 2**20:.0f} MiB" if result.memory else "",
        rate,
        result.verdict,
    )


def markdown(rows: list[tuple[str, ...]]) -> str:
    """A Markdown table; the first row is its head."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("| " + " | ".join(cells).rstrip() + " |")
        if number == 0:
            lines.append("| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines)


def write(runs: Mapping[str, Run]) -> None:
    """Not yet."""
