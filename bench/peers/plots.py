"""Results as plots: SVG files that are the same whenever the results are.

Their ground is transparent and their ink is a grey that can be read on white and on black.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.peers.headlines import HEADLINES
from bench.peers.results import Result, Run
from bench.peers.standing import FEW, MANY, OURS
from bench.peers.tables import contestant, duration, questions

_OURS, _PEER, _FLOOR, _INK = "#f0883e", "#5b8bc9", "#8b949e", "#7d848c"
_LINES = (_OURS, _PEER, "#4f9d69", "#b07cc6")
_GROWN = (FEW, f"{OURS} (10x the series)", MANY, f"{OURS} (10x the history)")
_STYLE = {
    "svg.hashsalt": "flightstore",
    "svg.fonttype": "none",  # the reader's own font, and text that can be searched
    "font.family": "sans-serif",
    "font.size": 10,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), _INK),
    **dict.fromkeys(("xtick.color", "ytick.color"), _INK),
}


def draw(runs: Mapping[str, Run], folder: Path) -> dict[tuple[str, str], Path]:
    """Draw what there are results for, in place of older plots; the files by workload and question.

    The one of W9's growth belongs to no single question and goes by an empty one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    drawn = {}
    with rc_context(_STYLE):
        for name, run in runs.items():
            for question, results in questions(run.results).items():
                timed = [result for result in results if result.seconds]
                if timed and (name, question) in HEADLINES:
                    path = folder / f"{name.lower()}_{_slug(question)}.svg"
                    _save(_bars(f"{name}: {question}", timed), path)
                    drawn[name, question] = path
        if "W9" in runs and (grown := _growth(runs["W9"])):
            _save(grown, folder / "w9_growth.svg")
            drawn["W9", ""] = folder / "w9_growth.svg"
    return drawn


def _slug(words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")


def _save(figure: Figure, path: Path) -> None:
    nothing_of_the_day = {"Date": None, "Creator": None}
    figure.savefig(path, format="svg", transparent=True, metadata=nothing_of_the_day)


def _bars(title: str, results: Sequence[Result]) -> Figure:
    """The median of each on a logarithmic scale, the fastest on top, with the quartiles."""
    figure = Figure(figsize=(8, 0.9 + 0.32 * len(results)), layout="constrained")
    axes = figure.subplots()
    low = min(result.at(0.25) for result in results) / 2
    high = max(result.at(0.75) for result in results)
    for place, result in enumerate(results):
        median = result.median
        axes.barh(place, median - low, left=low, height=0.7, color=_colour(result.who))
        axes.hlines(place, result.at(0.25), result.at(0.75), color=_INK, linewidth=1.2)
        end = max(median, result.at(0.75))
        wrong = "" if result.verdict in ("", "right") else " (not right)"
        axes.text(end * 1.06, place, f"{duration(median)}{wrong}", va="center")
    axes.set_xscale("log")
    axes.set_xlim(low, high * (high / low) ** 0.22)  # room for the last label
    axes.set_yticks(range(len(results)), [result.who for result in results])
    axes.invert_yaxis()
    axes.set_title(title, loc="left")
    axes.xaxis.set_major_formatter(lambda value, _: duration(value))
    axes.xaxis.set_minor_formatter("")
    _bare(axes)
    return figure


def _colour(who: str) -> str:
    name = contestant(who)
    return _OURS if name == OURS else _FLOOR if name in ("floor", "bare Flight") else _PEER


def _growth(run: Run) -> Figure | None:
    """How much longer the same work takes with more in the store."""
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    axes = figure.subplots()
    highest = 1.2
    for colour, (question, results) in zip(_LINES, questions(run.results).items(), strict=False):
        medians = {result.who: result.median for result in results if result.seconds}
        ratios = [medians.get(who, math.nan) / medians.get(FEW, math.nan) for who in _GROWN]
        axes.plot(range(3), ratios[:3], color=colour, marker="o", label=question)
        axes.plot([3], ratios[3:], color=colour, marker="D", fillstyle="none")
        highest = max([highest, *(ratio for ratio in ratios if not math.isnan(ratio))])
    if not axes.get_legend_handles_labels()[1]:
        return None
    axes.axhline(1.2, color=_INK, linewidth=0.8, linestyle="--")
    axes.set_ylim(0, highest * 1.1)
    axes.set_xticks(range(4), [who.partition("(")[2].rstrip(")") for who in _GROWN])
    axes.set_ylabel("of the time at 1x")
    axes.set_title("W9: the cost of the same work in a fuller store", loc="left")
    axes.legend(frameon=False, loc="lower left")
    _bare(axes)
    return figure


def _bare(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(which="both", length=0)
