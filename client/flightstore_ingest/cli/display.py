"""What people see while a session works: bars at a terminal, a line now and then elsewhere."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from rich.console import Console

from flightstore_ingest.cli.bars import Bars
from flightstore_ingest.cli.lines import Lines
from flightstore_ingest.cli.measures import Measures
from flightstore_ingest.cli.session import Session


class View(Protocol):
    """Shows the same measures again and again."""

    every: float  # seconds

    def show(self, measures: Measures) -> None:
        """Show how things are now."""

    def stop(self) -> None:
        """Leave the terminal as it was."""


@asynccontextmanager
async def shown(session: Session, *, live: bool = False) -> AsyncIterator[Measures]:
    """Show how the feeds of `session` get on, on stderr. `live`: nothing is ever complete."""
    measures = Measures(session, live=live)
    view: View = Bars(Console(stderr=True), live=live) if sys.stderr.isatty() else Lines(live=live)
    task = asyncio.create_task(_show(view, measures), name="display")
    try:
        yield measures
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        view.stop()


async def _show(view: View, measures: Measures) -> None:
    while True:
        view.show(measures)
        await asyncio.sleep(view.every)
