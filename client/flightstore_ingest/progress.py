"""Progress: what one series is doing, for bars, status and logs."""

from __future__ import annotations

from dataclasses import dataclass

from flightstore_ingest.source import Series


@dataclass(slots=True)
class Progress:
    """Written by a keeper, read by whoever shows it. Times are ns of the source's clock."""

    series: Series
    rows: int = 0  # stored in this run
    pages: int = 0
    last_ts: int | None = None  # newest row stored in this run
    wanted_ns: int = 0  # length of what was missing when the current fill began
    done_ns: int = 0  # and how much of that is stored by now
    doing: str = "waiting"
    failures: int = 0  # in a row
    error: str = ""  # of the latest trouble; stays until something works again
    ended: str = ""  # why nothing more will come
    live: bool = False
    rows_live: int = 0
    repairs: int = 0

    @property
    def share(self) -> float:
        """How much of the current fill is done, 0 to 1."""
        return 1.0 if self.wanted_ns <= 0 else min(self.done_ns / self.wanted_ns, 1.0)
