"""A session: the feeds of a configuration at work, until they are done or a signal comes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import flightstore as fs
from flightstore.cli.options import DEFAULT_URI
from flightstore_ingest.config import Config, StoreSection
from flightstore_ingest.ownership import owning
from flightstore_ingest.reporting import Reporter
from flightstore_ingest.service import Feed
from flightstore_ingest.sink import Sink
from flightstore_proto.errors import BadRequest, ConfigError

# Failures in a row after which a command for people gives a series up; the waits between them add
# up to a minute. A service never gives up.
ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Session:
    """Feeds that are not open yet, and the sink they share."""

    feeds: list[Feed]
    sink: Sink
    client: fs.Client


@asynccontextmanager
async def session(
    config: Config, client: fs.Client, *, attempts: int | None = ATTEMPTS, share: bool = False
) -> AsyncIterator[Session]:
    """The feeds of `config`, alone with their exchanges. When the block ends, rows that wait are
    written, and the store is told how the series fare.

    Raises ExchangeTaken if another process owns one of the exchanges, unless `share`.
    """
    with ExitStack() as owned:
        for name, section in config.exchange.items():
            asked = name if section.source == "ccxt" else f"{section.source}:{name}"
            owned.enter_context(owning(asked, section.url, share=share))
        async with AsyncExitStack() as stack:
            sink = await stack.enter_async_context(Sink(client))
            pace = config.pace.as_pace()
            feeds = [
                Feed(name, section, client, sink, pace, attempts=attempts)
                for name, section in config.exchange.items()
            ]
            for feed in feeds:
                stack.push_async_callback(feed.close)
            await stack.enter_async_context(_reported(Reporter(client, feeds)))
            yield Session(feeds, sink, client)


@asynccontextmanager
async def _reported(reporter: Reporter) -> AsyncIterator[None]:
    reports = asyncio.create_task(reporter.run(), name="reports")
    try:
        yield
    finally:
        reports.cancel()
        with suppress(asyncio.CancelledError):
            await reports
        await reporter.report(final=True)


async def until_signal(work: Coroutine[Any, Any, None]) -> bool:
    """Do `work` until it is done, or SIGINT or SIGTERM comes. Returns whether one came.

    Work that is stopped ends what it has begun; a second signal ends the process at once.
    """
    loop, task, came = asyncio.get_running_loop(), asyncio.ensure_future(work), False

    def stop() -> None:
        nonlocal came
        came = True
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not came:
            raise
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    return came


def first_of(group: BaseExceptionGroup[Any]) -> BaseException:
    """One error for people, of those that happened at the same time."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def said_by_hand(error: ConfigError) -> BadRequest:
    """A wrong name on the command line, and not in a file."""
    return BadRequest(error.message, suggestions=error.suggestions)


def address(given: str | None, store: StoreSection) -> tuple[str, str | None]:
    """URI and token: of an option or the environment, of the configuration, or the default."""
    uri = given or store.uri or DEFAULT_URI
    return uri, store.token or None
