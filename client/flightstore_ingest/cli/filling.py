"""History into the store, once: `flightstore ingest backfill` and `repair`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from flightstore.cli import options as shared
from flightstore_ingest import config
from flightstore_ingest.cli import logs, options
from flightstore_ingest.cli.asked import Asked, config_file
from flightstore_ingest.cli.fetching import fetch
from flightstore_ingest.cli.session import address
from flightstore_ingest.config import Config
from flightstore_proto.errors import BadRequest
from flightstore_proto.timerange import to_ns

_SINCE = "-30d"
_QUIET = "critical"  # what goes wrong is shown as progress, and at the end


def backfill(
    words: options.Words = None,
    timeframe: options.Timeframes = None,
    trades: options.Trades = False,
    since: options.Since = _SINCE,
    until: options.Until = None,
    symbols: options.Symbols = None,
    url: options.Urls = None,
    option: options.CcxtOptions = None,
    ccxt_config: options.CcxtConfig = None,
    concurrency: options.Concurrency = 4,
    speed: options.Speed = 1.0,
    share: options.Share = False,
    log_level: options.LogLevel = _QUIET,
    uri: shared.Uri = shared.DEFAULT_URI,
    token: shared.Token = None,
) -> None:
    """Fetch the history of symbols from exchanges.

    Only what the store does not have yet: stop it at any moment, and the same command goes on where
    it was. Words without a slash are exchanges, words with one symbols.

    Examples:
      flightstore ingest backfill binance BTC/USDT ETH/USDT --timeframe 1m --since 2020-01-01
      flightstore ingest backfill binance kraken BTC/USDT --trades --since -7d
      flightstore ingest backfill binance --symbols '*/USDT' -t 1h -t 1d --since 2017
    """
    logs.to_stderr(log_level)
    _check_order(since, until)
    asked = Asked(
        words or [], timeframe or [], trades, since, symbols or [], url or [], option or [],
        ccxt_config or [], concurrency, speed,
    )  # fmt: skip
    wanted = asked.configuration()
    with shared.connect(uri, token) as db:
        code = fetch(wanted, db, until, share=share)
    raise typer.Exit(code)


def repair(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CONFIG | EXCHANGE... SYMBOL...",
            help="config/ingest.toml, or exchanges and symbols as for backfill.",
            show_default=False,
        ),
    ] = None,
    timeframe: options.Timeframes = None,
    trades: options.Trades = False,
    since: options.Since = _SINCE,
    until: options.Until = None,
    symbols: options.Symbols = None,
    url: options.Urls = None,
    option: options.CcxtOptions = None,
    ccxt_config: options.CcxtConfig = None,
    concurrency: options.Concurrency = 4,
    speed: options.Speed = 1.0,
    share: options.Share = False,
    log_level: options.LogLevel = _QUIET,
    uri: options.StoreUri = None,
    token: shared.Token = None,
) -> None:
    """Find what is missing in the store, say so, and fetch just that.

    Missing is what is wanted and not known to be complete.

    Examples:
      flightstore ingest repair config/ingest.toml
      flightstore ingest repair binance BTC/USDT --timeframe 1m --since 2020-01-01
    """
    logs.to_stderr(log_level)
    _check_order(since, until)
    asked = Asked(
        words or [], timeframe or [], trades, since, symbols or [], url or [], option or [],
        ccxt_config or [], concurrency, speed,
    )  # fmt: skip
    wanted = _configured(words or [], asked)
    uri, stored_token = address(uri, wanted.store)
    with shared.connect(uri, token or stored_token, wanted.store.tls()) as db:
        code = fetch(wanted, db, until, share=share, show_missing=True)
    raise typer.Exit(code)


def _configured(words: Sequence[str], asked: Asked) -> Config:
    path = config_file(words)
    if path is None:
        return asked.configuration()
    given = (asked.timeframes, asked.trades, asked.symbols, asked.urls, asked.options, asked.config)
    if any(given) or asked.since != _SINCE:
        raise BadRequest(f"{path} says what is wanted: give either the file, or options.")
    return config.load(path)


def _check_order(since: str, until: str | None) -> None:
    if until is None:
        return
    low, high = to_ns(since), to_ns(until)
    # Relative to now is relative to the exchange's clock, which is not known yet.
    relative = any(text.startswith(("-", "+", "now")) for text in (since, until))
    if high <= low and not relative:
        raise BadRequest(f"--until {until} does not lie after --since {since}.")
