"""What the demo prints: titles, sentences, and how long things took."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from rich.console import Console

T = TypeVar("T")


class Story:
    """Prints what is done and how long it took."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)

    def title(self, text: str) -> None:
        self._console.print(f"\n[bold]{text}[/bold]")

    def say(self, text: str) -> None:
        self._console.print(f"  {text}")

    def timed(self, text: str, work: Callable[[], T], rows: int = 0) -> T:
        started = time.perf_counter()
        result = work()
        seconds = time.perf_counter() - started
        rate = f", {rows / seconds / 1e6:.1f} M rows/s" if rows else ""
        self.say(f"{text:<66} {seconds * 1e3:9.1f} ms{rate}")
        return result
