"""A progress bar on stderr where someone can see it: at a terminal, and nowhere else."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress


class Progress:
    """How far a transfer has come: a share of the whole where that is known, and its rows."""

    def __init__(self, what: str, *, total: int | None = None) -> None:
        self.rows = 0
        self._bar: RichProgress | None = None
        if sys.stderr.isatty():
            self._bar = RichProgress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[rows]:,} rows"),
                TextColumn("{task.fields[rate]:,.0f} rows/s"),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task(what, total=total, rows=0, rate=0.0)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, rows: int, *, done: int | None = None) -> None:
        """`rows` more have passed; `done` of the total are behind us (bytes, or rows)."""
        self.rows += rows
        if self._bar is None:
            return
        elapsed = self._bar.tasks[self._task].elapsed or 0.0
        changes: dict[str, Any] = {"rows": self.rows, "rate": self.rows / max(elapsed, 1e-3)}
        if done is not None:
            changes["completed"] = done
        self._bar.update(self._task, **changes)
