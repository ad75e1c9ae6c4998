"""How far something long has come, on stderr where someone can see it: at a terminal."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self


class Progress:
    """`total` steps of which more and more are done; a bar if rich is installed, else a line."""

    def __init__(self, what: str, total: int, *, show: bool = True) -> None:
        self._what, self._total, self._done = what, total, 0
        self._shown = show and sys.stderr.isatty()
        self._bar = _rich_bar() if self._shown else None

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._task = self._bar.add_task(self._what, total=self._total)
            self._bar.start()
        return self

    def advance(self) -> None:
        """One more step is done."""
        self._done += 1
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done)
        elif self._shown:
            sys.stderr.write(f"\r{self._done} of {self._total} {self._what}")
            sys.stderr.flush()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif self._shown:
            sys.stderr.write("\n")


def _rich_bar() -> Any:
    try:
        from rich.console import Console
        from rich.progress import Progress as RichProgress
    except ImportError:
        return None
    return RichProgress(*RichProgress.get_default_columns(), console=Console(stderr=True))
