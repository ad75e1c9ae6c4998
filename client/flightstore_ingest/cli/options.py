"""What the commands share: options, and the connection they describe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="EXCHANGE... SYMBOL...",
        help="binance kraken BTC/USDT ETH/USDT; exchange:SYMBOL for one exchange's own.",
        show_default=False,
    ),
]
ConfigFile = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="TOML file; see config/ingest.toml.")
]
Timeframes = Annotated[
    list[str] | None,
    typer.Option(
        "--timeframe", "-t", help="1m 5m 1h 1d ...; repeatable. [1m, or none with --trades]"
    ),
]
Trades = Annotated[bool, typer.Option("--trades", help="Trades.")]
Since = Annotated[str, typer.Option("--since", help="First time: 2020, 2024-02-01T12:30, -30d.")]
Until = Annotated[
    str | None,
    typer.Option("--until", help="First time that is no longer meant. [now]", show_default=False),
]
Symbols = Annotated[
    list[str] | None,
    typer.Option("--symbols", help="All active markets that match: '*/USDT'; repeatable."),
]
Urls = Annotated[
    list[str] | None,
    typer.Option(
        "--url", help="Another address for the exchange; EXCHANGE=URL if there are several."
    ),
]
CcxtOptions = Annotated[
    list[str] | None,
    typer.Option("--option", help="key=value of ccxt's `options`; a.b=[1] for what is nested."),
]
CcxtConfig = Annotated[
    list[str] | None,
    typer.Option("--config", help="key=value of ccxt's own configuration: timeout, proxies, ..."),
]
Concurrency = Annotated[
    int, typer.Option("--concurrency", min=1, help="Series of an exchange fetched at a time.")
]
Speed = Annotated[
    float,
    typer.Option("--speed", min=1e-9, hidden=True, help="Of a simulated exchange's clock."),
]
Share = Annotated[
    bool, typer.Option("--share", help="Even if another process asks the same exchange.")
]
LogLevel = Annotated[
    str, typer.Option("--log-level", help="debug, info, warning, error or critical.")
]
StoreUri = Annotated[
    str | None,
    typer.Option(
        "--uri",
        envvar="FLIGHTSTORE_URI",
        show_envvar=True,
        help="The server; otherwise the configuration's.",
    ),
]
