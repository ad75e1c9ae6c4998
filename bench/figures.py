"""A figure: one number, what it should reach, and how it is shown."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.measure import Ratio, Seconds

Better = Literal["more", "less"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number; `at_least` or `at_most` is what it should reach, if anything.

    `watched`: quick runs are compared with recorded.json, and what is better is more or less of it.
    """

    what: str
    value: float
    unit: str = "x"
    at_least: float | None = None
    at_most: float | None = None
    spread: tuple[float, float, float] | None = None
    note: str = ""
    watched: Better | None = None

    @property
    def reached(self) -> bool | None:
        """Whether it is good enough; None if it has nothing to reach."""
        if self.at_least is not None:
            return self.value >= self.at_least
        return None if self.at_most is None else self.value <= self.at_most

    def cells(self) -> list[str]:
        """As a row of the table."""
        goal = ""
        if self.at_least is not None:
            goal = f">= {self.at_least:g}"
        elif self.at_most is not None:
            goal = f"<= {self.at_most:g}"
        verdict = {True: "yes", False: "**no**", None: ""}[self.reached]
        spread = "" if self.spread is None else " / ".join(f"{value:.2f}" for value in self.spread)
        return [self.what, f"{self.value:.2f} {self.unit}", spread, goal, verdict, self.note]


def compared(
    what: str,
    ratio: Ratio,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    note: str = "",
    watched: Better | None = None,
) -> Figure:
    """A figure that is a ratio."""
    spread = (ratio.low, ratio.paired, ratio.high)
    return Figure(what, ratio.value, "x", at_least, at_most, spread, note, watched)


def in_ms(**times: Seconds) -> str:
    """The medians behind a ratio, in milliseconds."""
    return ", ".join(f"{name} {statistics.median(t) * 1e3:.3g} ms" for name, t in times.items())


_HEAD = ["work", "found", "quartiles of rounds", "reach", "reached", "medians"]


def table(figures: list[Figure]) -> str:
    """The figures as a Markdown table."""
    return aligned(_HEAD, [figure.cells() for figure in figures])


def aligned(head: list[str], body: list[list[str]]) -> str:
    """A Markdown table whose columns are as wide as their widest cell."""
    rows = [head, ["---"] * len(head), *body]
    widths = [max(len(row[at]) for row in rows) for at in range(len(head))]
    lines = []
    for row in rows:
        fill = "-" if row[0] == "---" else " "
        cells = (cell.ljust(width, fill) for cell, width in zip(row, widths, strict=True))
        lines.append("| " + " | ".join(cells).rstrip() + " |")
    return "\n".join(lines)


_TITLE = """# Against the floors

Each part was written by the command above it, on the machine described there; README.md says
what is measured against what."""


def write(path: Path, machine: str, command: str, sections: dict[str, list[Figure]]) -> None:
    """The results of one run in a document, in the place of older ones of the same work."""
    parts = _parts(path.read_text() if path.exists() else "")
    for name, figures in sections.items():
        parts[name] = f"## {name}\n\n`{command}`\n\n{machine}\n\n{table(figures)}"
    path.write_text("\n\n".join([_TITLE, *parts.values()]) + "\n")


def _parts(document: str) -> dict[str, str]:
    """The parts of a document that write() made, by the work they are about."""
    texts = [text.strip() for text in document.split("\n## ")[1:]]
    return {text.partition("\n")[0]: f"## {text}" for text in texts}
