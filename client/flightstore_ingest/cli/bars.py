"""Progress as bars at a terminal: one for each series, or the busy ones if there are too many."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, TaskID, TextColumn
from rich.progress import Progress as RichProgress
from rich.table import Column

from flightstore_ingest.cli.measures import (
    Measure,
    Measures,
    duration,
    seconds_left,
    total,
)
from flightstore_proto.timerange import format_ns

_ROWS = TextColumn("{task.fields[rows]:,} rows", justify="right")
_RATE = TextColumn("{task.fields[rate]:,.0f} rows/s", justify="right")
# One line a series: what it waits for is cut where the terminal ends.
_NOTE = TextColumn(
    "{task.fields[note]}",
    markup=False,
    style="yellow",
    table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
)


class Bars:
    """A view at a terminal."""

    every = 0.2

    def __init__(self, console: Console, *, live: bool = False) -> None:
        self._live = live
        self._bars = RichProgress(
            *_columns(live=live), console=console, expand=True, refresh_per_second=5
        )
        self._bars.start()
        self._tasks: dict[str, TaskID] = {}
        self._total: TaskID | None = None

    def show(self, measures: Measures) -> None:
        every = measures.look()
        chosen = self._chosen(every)
        for measure in every:
            self._update(measure, measures, visible=measure.name in chosen)
        self._update_total(every, measures)

    def _chosen(self, every: Sequence[Measure]) -> set[str]:
        """As many as fit: all of them, or those at work."""
        room = max(self._bars.console.height - 3, 1)
        if len(every) > room:
            every = sorted(every, key=lambda m: (m.over, not m.busy))[:room]
        return {measure.name for measure in every}

    def _update(self, measure: Measure, measures: Measures, *, visible: bool) -> None:
        if measure.name not in self._tasks:
            if not visible:
                return
            self._tasks[measure.name] = self._add(measure.name)
        seconds, progress = measures.seconds, measure.keeper.progress
        left = 0.0 if measure.over else seconds_left(measure.share, seconds)
        last = progress.last_ts
        self._bars.update(
            self._tasks[measure.name],
            visible=visible,
            completed=1.0 if progress.doing == "complete" else measure.share,
            rows=measure.rows,
            rate=measure.rows / max(seconds, 1e-3),
            left=duration(left),
            last=format_ns(last)[:19].replace("T", " ") if last is not None else "none yet",
            note=measure.waits_for(measures.store_trouble),
        )

    def _update_total(self, every: Sequence[Measure], measures: Measures) -> None:
        waiting = [f"{name}: {why}" for name, why in measures.unopened().items() if why]
        if len(every) == 1 and not waiting and self._total is None:
            return
        if self._total is None:
            self._total = self._add("opening")
        sum_ = total(every)
        self._bars.update(
            self._total,
            description=f"{len(every)} series" if every else "opening",
            completed=sum_.share,
            rows=sum_.rows,
            rate=sum_.rows / max(measures.seconds, 1e-3),
            left=duration(seconds_left(sum_.share, measures.seconds)),
            note="; ".join(waiting) or ("" if self._live else f"{sum_.over} complete"),
        )

    def _add(self, name: str) -> TaskID:
        return self._bars.add_task(name, total=1.0, rows=0, rate=0.0, left="-:--", last="", note="")

    def stop(self) -> None:
        """Leave the last state on the screen."""
        self._bars.stop()


def _columns(*, live: bool) -> list[ProgressColumn]:
    name = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True))
    if live:
        last = TextColumn("{task.fields[last]}")
        return [name, _ROWS, _RATE, last, _NOTE]
    left = TextColumn("{task.fields[left]} left", justify="right")
    done = TextColumn("{task.percentage:>3.0f}%")
    return [name, BarColumn(bar_width=20), done, _ROWS, _RATE, left, _NOTE]
