"""The questions that stand for the whole: a table for README.md; plots.py draws the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.peers.contestants import CONTESTANTS
from bench.peers.results import Result, Run
from bench.peers.standing import (
    ASOF,
    CANDLES,
    DELIVERED,
    HISTORY_PANDAS,
    HISTORY_POLARS,
    MAPPED,
    MINUTES_CORRECTED,
    MINUTES_KEPT,
    OURS,
    PUT,
    TAIL,
    WIDE_FRAME,
)
from bench.peers.tables import contestant, duration, markdown, number, rate

# By workload and question: how README.md says it.
HEADLINES = {
    ("W1", HISTORY_POLARS): "1.27 M minute bars of one symbol to polars",
    ("W1", HISTORY_PANDAS): "the same to pandas",
    ("W2", WIDE_FRAME): "7,700 symbols of 870 bars, one frame",
    ("W3", PUT): "5 M trades, durable, in batches of 50,000",
    ("W4", CANDLES): "these trades to minute candles",
    ("W5", TAIL): "the last 100 bars",
    ("W6", ASOF): "1 M trades, each with the bar at its time",
    ("W7", MINUTES_KEPT): "1 M trades put, minute bars kept of them",
    ("W7", MINUTES_CORRECTED): "1,000 late trades put, the bars corrected",
    ("W8", DELIVERED): "from a put to a subscriber",
}
_SHOWN = [name for name in CONTESTANTS if name not in (OURS, "bare Flight", "floor")]
_BEGIN, _END = "<!-- bench:begin -->", "<!-- bench:end -->"
_WRONG = "\\*"
_NOTE = (
    "Medians, over the wire; `make bench` repeats them. A peer's figure is how many times as long "
    f"it takes, the best way of each; - is not offered, {_WRONG} is an answer that lacks rows, has "
    "too many, or has changed ones. [`bench/RESULTS.md`](bench/RESULTS.md) has who took part, the "
    "machine, all ways, quartiles, processor time and memory."
)


class Unmarked(Exception):
    """A document has no place for the table."""


def update(document: Path, runs: Mapping[str, Run]) -> None:
    """Put the table between its markers in `document`. Raises Unmarked where they are not."""
    before, begin, rest = document.read_text().partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise Unmarked(f"{document} has no {_BEGIN} and {_END} to put the table between.")
    document.write_text(f"{before}{_BEGIN}\n{table(runs)}\n\n{_NOTE}\n{_END}{after}")


def table(runs: Mapping[str, Run]) -> str:
    """A row for each headline that was measured, a column for each peer that has a result."""
    found = {}
    for (workload, question), words in HEADLINES.items():
        best = _best(runs[workload], question) if workload in runs else {}
        if OURS in best:
            found[words] = best
    peers = [name for name in _SHOWN if any(name in best for best in found.values())]
    rows = [
        (words, _our_cell(best), *(_cell(best.get(name), best[OURS]) for name in peers))
        for words, best in found.items()
    ]
    return markdown([("work", OURS, *peers), *rows])


def _best(run: Run, question: str) -> dict[str, Result]:
    """The fastest way of each contestant; of ours the one over the wire, and the mapped one."""
    found: dict[str, Result] = {}
    for result in run.results:
        if result.question != question or not result.seconds:
            continue
        ours = contestant(result.who) == OURS
        name = result.who if ours else contestant(result.who)
        if name not in found or result.median < found[name].median:
            found[name] = result
    return found


def _our_cell(best: Mapping[str, Result]) -> str:
    ours, mapped = best[OURS], best.get(MAPPED)
    shown = rate(ours) or duration(ours.median)
    return f"{shown}; mapped {duration(mapped.median)}" if mapped else shown


def _cell(theirs: Result | None, ours: Result) -> str:
    if theirs is None:
        return "-"
    wrong = "" if theirs.verdict in ("", "right") else _WRONG
    return f"{number(theirs.median / ours.median)}x{wrong}"
