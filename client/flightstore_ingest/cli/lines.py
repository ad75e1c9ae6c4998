"""Progress as lines, for files and pipes: a line for each busy series now and then."""

from __future__ import annotations

from flightstore.cli import output
from flightstore_ingest.cli.measures import (
    Measure,
    Measures,
    duration,
    seconds_left,
    total,
)
from flightstore_proto.timerange import format_ns

LINES_MAX = 10


class Lines:
    """A view without a terminal."""

    every = 5.0

    def __init__(self, *, live: bool = False) -> None:
        self._live = live
        self._first = True
        self._ended: set[str] = set()

    def show(self, measures: Measures) -> None:
        if self._first:  # nothing has happened yet
            self._first = False
            return
        every = measures.look()
        for name, why in measures.unopened().items():
            output.remark(f"{name}: opening{f', {why}' if why else ''}")
        self._say_what_ended(every)
        busy = [m for m in every if not m.over]
        for measure in busy[:LINES_MAX]:
            output.remark(self._line(measure, measures))
        if len(every) > 1:
            sum_ = total(every)
            done = "" if self._live else f", {sum_.share:.0%}, {sum_.over} complete"
            rate = sum_.rows / max(measures.seconds, 1e-3)
            output.remark(f"{len(every)} series: {sum_.rows:,} rows, {rate:,.0f} rows/s{done}")

    def _say_what_ended(self, every: list[Measure]) -> None:
        ended = [m for m in every if m.over and m.name not in self._ended]
        self._ended.update(m.name for m in ended)
        for measure in ended[:LINES_MAX]:
            why = measure.keeper.progress.ended or "complete"
            output.remark(f"{measure.name}: {measure.rows:,} rows, {why}")

    def _line(self, measure: Measure, measures: Measures) -> str:
        seconds = measures.seconds
        rate = measure.rows / max(seconds, 1e-3)
        said = [f"{measure.name}: {measure.rows:,} rows", f"{rate:,.0f} rows/s"]
        if self._live:
            last = measure.keeper.progress.last_ts
            said.append(f"last {format_ns(last)}" if last is not None else "none yet")
        else:
            left = duration(seconds_left(measure.share, seconds))
            said += [f"{measure.share:.0%}", f"{left} left"]
        if reason := measure.waits_for(measures.store_trouble):
            said.append(reason)
        return ", ".join(said)

    def stop(self) -> None:
        """Nothing to put back."""
