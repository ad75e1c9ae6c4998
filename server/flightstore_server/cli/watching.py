"""A bar on stderr for what goes through many files, where someone can see it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

T = TypeVar("T")


def watched(steps: Iterator[T], seen: Callable[[T], tuple[str, int, int]]) -> T:
    """The last of `steps`; `seen` says of each what is done, how much of it, and of how much."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    bar = Progress(
        *columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    )
    last: T | None = None
    with bar:
        task = bar.add_task("", total=None)
        for last in steps:
            what, done, total = seen(last)
            bar.update(task, description=what, completed=done, total=total)
    if last is None:
        raise RuntimeError("something ended without a verdict")
    return last
