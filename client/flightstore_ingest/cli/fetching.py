"""Fetching what is missing, once: progress meanwhile, and at the end what came of it."""

from __future__ import annotations

import asyncio

import flightstore as fs
from flightstore.cli import INTERRUPTED, output
from flightstore_ingest import holdings
from flightstore_ingest.cli.display import shown
from flightstore_ingest.cli.measures import Measure, Measures, duration, total
from flightstore_ingest.cli.session import Session, first_of, said_by_hand, session, until_signal
from flightstore_ingest.config import Config
from flightstore_ingest.errors import SourceError
from flightstore_ingest.service import Feed
from flightstore_proto import intervals
from flightstore_proto.errors import ConfigError
from flightstore_proto.intervals import IntervalSet
from flightstore_proto.timeframe import SECOND_NS
from flightstore_proto.timerange import format_ns, to_ns

FAILED = 1


def fetch(
    config: Config,
    client: fs.Client,
    until: str | None = None,
    *,
    share: bool = False,
    show_missing: bool = False,
) -> int:
    """Fetch what `config` wants and the store lacks, up to `until`. Returns the exit code.

    `show_missing` prints what that is before, and for each series what was fetched after.
    """
    return asyncio.run(_fetch(config, client, until, share=share, show_missing=show_missing))


async def _fetch(
    config: Config, client: fs.Client, until: str | None, *, share: bool, show_missing: bool
) -> int:
    try:
        async with session(config, client, share=share) as opened:
            work = _look_and_fill if show_missing else _each
            async with shown(opened) as measures:
                stopped = await until_signal(work(opened, until))
        return _summary(opened, measures, stopped=stopped, by_series=show_missing)
    except ExceptionGroup as group:
        error = first_of(group)
        if isinstance(error, ConfigError):
            raise said_by_hand(error) from None
        raise error from group


async def _each(opened: Session, until: str | None) -> None:
    async with asyncio.TaskGroup() as tasks:
        for feed in opened.feeds:
            tasks.create_task(_open_and_fill(feed, until))


async def _open_and_fill(feed: Feed, until: str | None) -> None:
    if await _opened(feed):
        await feed.backfill(_end(feed, until))


async def _opened(feed: Feed) -> bool:
    """Whether the exchange could be reached; why not is in `feed.refused`."""
    try:
        await feed.open()
    except SourceError:
        return False
    return True


def _end(feed: Feed, until: str | None) -> int | None:
    return None if until is None else to_ns(until, now_ns=feed.source.now())


async def _look_and_fill(opened: Session, until: str | None) -> None:
    async with asyncio.TaskGroup() as tasks:
        for feed in opened.feeds:
            tasks.create_task(_opened(feed))
    _print_missing({str(s): holes for s, holes in (await _missing(opened, until)).items()})
    async with asyncio.TaskGroup() as tasks:
        for feed in opened.feeds:
            tasks.create_task(feed.backfill(_end(feed, until)))


async def _missing(opened: Session, until: str | None) -> dict[str, IntervalSet]:
    """What is wanted and not covered, of each series that lacks something."""
    found: dict[str, IntervalSet] = {}
    for feed in opened.feeds:
        limit = _end(feed, until)
        for keeper in feed.keepers:
            end = keeper.edge() if limit is None else min(limit, keeper.edge())
            covered = await holdings.coverage(opened.client, keeper.series)
            if holes := intervals.missing(covered, keeper.since, end):
                found[str(keeper.series)] = holes
    return found


def _print_missing(missing: dict[str, IntervalSet]) -> None:
    rows = [
        [name, len(holes), _length(holes), _second(holes[0][0]), _second(holes[-1][1])]
        for name, holes in missing.items()
    ]
    if rows:
        output.print_table(("series", "missing ranges", "length", "from", "to"), rows)


def _length(holes: IntervalSet) -> str:
    return duration(sum(end - start for start, end in holes) / SECOND_NS)


def _second(ns: int) -> str:
    return format_ns(ns - ns % SECOND_NS)


def _summary(opened: Session, measures: Measures, *, stopped: bool, by_series: bool) -> int:
    """Print what came of it; returns the exit code."""
    every, failed = measures.look(), _failures(opened)
    sum_, asked = total(every), sum(m.feed.source.requests(m.keeper.series) for m in every)
    cost = f"in {measures.seconds:.1f} s, {asked:,} request{'s' * (asked != 1)}"
    if by_series and any(m.rows for m in every):
        output.print_table(("series", "rows fetched", "now"), [_outcome(m) for m in every])
    for sentence in failed:
        output.remark(f"error: {sentence}")
    if stopped:
        output.remark(
            f"Stopped: {sum_.rows:,} rows are stored, {cost}. The same command goes on from there."
        )
        return INTERRUPTED
    if sum_.rows or failed:
        print(f"{sum_.rows:,} rows of {len(every)} series {cost}")
    else:
        print(f"Nothing is missing in {len(every)} series; {cost}")
    return FAILED if failed else 0


def _outcome(measure: Measure) -> list[object]:
    done = measure.keeper.progress.doing == "complete"
    return [measure.name, measure.rows, "complete" if done else "incomplete"]


def _failures(opened: Session) -> list[str]:
    """A sentence for each series or exchange that could not be had."""
    return [
        message if message.startswith(what.partition(" ")[0]) else f"{what}: {message}"
        for feed in opened.feeds
        for what, message in feed.refused.items()
    ]
