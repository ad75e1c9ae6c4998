"""Following exchanges: `flightstore ingest run`, the service, and `live` for a quick look."""

from __future__ import annotations

import asyncio
import logging
from time import monotonic
from typing import Annotated

import typer

import flightstore as fs
from flightstore.cli import options as shared
from flightstore.cli import output
from flightstore_ingest import config
from flightstore_ingest.cli import logs, options
from flightstore_ingest.cli.asked import Asked
from flightstore_ingest.cli.display import shown
from flightstore_ingest.cli.measures import total
from flightstore_ingest.cli.session import (
    address,
    first_of,
    said_by_hand,
    session,
    until_signal,
)
from flightstore_ingest.config import Config
from flightstore_ingest.errors import SourceError
from flightstore_ingest.pace import Backoff
from flightstore_ingest.service import Feed
from flightstore_proto.errors import BadRequest, ConfigError, Unavailable

log = logging.getLogger(__name__)

REOPEN_SECONDS = 300.0  # until an exchange that refused to be opened is asked again
SUMMARY_SECONDS = 60.0


def run(
    path: options.ConfigFile,
    log_format: Annotated[str, typer.Option("--log-format", help="text or json.")] = "text",
    log_level: options.LogLevel = "info",
    share: options.Share = False,
    uri: options.StoreUri = None,
    token: shared.Token = None,
) -> None:
    """Keep the series of a configuration complete and current, until stopped.

    Logs go to stderr. SIGTERM and Ctrl-C end it cleanly: what was fetched is stored. It keeps no
    state of its own, so that it may be killed and started again at any time.

    Examples:
      flightstore ingest run config/ingest.toml
      flightstore ingest run ingest.toml --log-format json
    """
    logs.to_stderr(log_level, log_format)
    wanted = config.load(path)
    if not wanted.exchange:
        raise ConfigError(f"{path} names no exchange: it needs a section like [exchange.binance].")
    uri, stored_token = address(uri, wanted.store)
    try:
        asyncio.run(_until_stopped(wanted, uri, token or stored_token, share=share))
    except ExceptionGroup as group:
        raise first_of(group) from None
    log.info("stopped; everything acknowledged is stored")


async def _until_stopped(wanted: Config, uri: str, token: str | None, *, share: bool) -> None:
    async def work() -> None:
        client = await _connected(uri, token, wanted.store.tls())
        try:
            await _serve(wanted, client, share=share)
        finally:
            await asyncio.to_thread(client.close)

    await until_signal(work())


async def _connected(uri: str, token: str | None, tls: fs.Tls | None) -> fs.Client:
    """A client; waits for the server, which may be starting at the same time."""
    backoff = Backoff()
    while True:
        try:
            return await asyncio.to_thread(fs.connect, uri, token=token, tls=tls)
        except Unavailable as error:
            wait = backoff.after(error)
            log.warning("waiting %.0f s for the store: %s", wait, error.message)
            await asyncio.sleep(wait)


async def _serve(wanted: Config, client: fs.Client, *, share: bool) -> None:
    async with (
        session(wanted, client, attempts=None, share=share) as opened,
        asyncio.TaskGroup() as tasks,
    ):
        log.info("filling %s from %s", client.uri, ", ".join(wanted.exchange))
        for feed in opened.feeds:
            tasks.create_task(_keep(feed))
            tasks.create_task(_summarise(feed))


async def _keep(feed: Feed) -> None:
    """Open the feed, later if need be, and run it."""
    while True:
        try:
            await feed.open()
            break
        except SourceError as error:
            log.error("%s: opened again in %.0f s: %s", feed.name, REOPEN_SECONDS, error.message)
            await asyncio.sleep(REOPEN_SECONDS)
    log.info("%s: keeping %d series", feed.name, len(feed.keepers))
    await feed.run()


async def _summarise(feed: Feed) -> None:
    """A line a minute, for whoever reads logs."""
    while True:
        await asyncio.sleep(SUMMARY_SECONDS)
        every = [keeper.progress for keeper in feed.keepers]
        log.info(
            "%s: %d series, %d live, %d stopped, %d in trouble, %d rows so far",
            feed.name,
            len(every),
            sum(p.live for p in every),
            sum(bool(p.ended) for p in every),
            sum(bool(p.error) and not p.ended for p in every),
            sum(p.rows for p in every),
        )


def live(
    words: options.Words = None,
    timeframe: options.Timeframes = None,
    trades: options.Trades = False,
    symbols: options.Symbols = None,
    url: options.Urls = None,
    option: options.CcxtOptions = None,
    ccxt_config: options.CcxtConfig = None,
    concurrency: options.Concurrency = 4,
    speed: options.Speed = 1.0,
    share: options.Share = False,
    log_level: options.LogLevel = "critical",
    uri: shared.Uri = shared.DEFAULT_URI,
    token: shared.Token = None,
) -> None:
    """Follow symbols from now on, until Ctrl-C; nothing older is fetched.

    Examples:
      flightstore ingest live binance BTC/USDT --trades
      flightstore ingest live binance kraken BTC/USDT --timeframe 1m
    """
    logs.to_stderr(log_level)
    asked = Asked(
        words or [], timeframe or [], trades, "now", symbols or [], url or [], option or [],
        ccxt_config or [], concurrency, speed,
    )  # fmt: skip
    wanted = asked.configuration(live="auto")
    with shared.connect(uri, token) as db:
        try:
            asyncio.run(_follow(wanted, db, share=share))
        except ExceptionGroup as group:
            error = first_of(group)
            raise (said_by_hand(error) if isinstance(error, ConfigError) else error) from None


async def _follow(wanted: Config, client: fs.Client, *, share: bool) -> None:
    began = monotonic()
    async with (
        session(wanted, client, share=share) as opened,
        shown(opened, live=True) as measures,
    ):
        await until_signal(_all(opened.feeds))
    every = measures.look()
    print(f"{total(every).rows:,} rows of {len(every)} series in {monotonic() - began:.1f} s")


async def _all(feeds: list[Feed]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for feed in feeds:
            tasks.create_task(_open_and_run(feed))


async def _open_and_run(feed: Feed) -> None:
    await feed.open()
    for sentence in feed.refused.values():
        output.remark(f"error: {sentence}")
    if not feed.keepers:
        raise BadRequest(f"There is nothing to follow of {feed.name}.")
    await feed.run()
