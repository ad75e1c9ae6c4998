"""What the commands share: options, and the connection they describe."""

from __future__ import annotations

from typing import Annotated

import typer

import flightstore
from flightstore_proto.errors import BadRequest

DEFAULT_URI = "grpc://127.0.0.1:8815"

Uri = Annotated[
    str,
    typer.Option("--uri", envvar="FLIGHTSTORE_URI", show_envvar=True, help="The server."),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token", envvar="FLIGHTSTORE_TOKEN", show_envvar=True, help="Bearer token, if it asks."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout, times as ISO text in UTC.")]
Instrument = Annotated[
    str, typer.Argument(metavar="INSTRUMENT", help="exchange:SYMBOL, as binance:BTC/USDT.")
]
Instruments = Annotated[
    list[str],
    typer.Argument(metavar="INSTRUMENT...", help="exchange:SYMBOL; * and ? match any."),
]
Timeframe = Annotated[
    str, typer.Option("--timeframe", "-t", help="1s 1m 5m 1h 1d 1w 1M; none for trades.")
]
Dataset = Annotated[str, typer.Option("--dataset", "-d", help="candles, trades or your own.")]
Start = Annotated[
    str | None, typer.Option("--start", help="First time: 2024, 2024-02-01T12:30, -30d.")
]
End = Annotated[str | None, typer.Option("--end", help="First time that is no longer meant.")]
Snapshot = Annotated[str | None, typer.Option("--snapshot", help="Read the data pinned by it.")]
From = Annotated[
    str | None,
    typer.Option("--from", metavar="SOURCE", help="Make candles of these only: 1m, trades."),
]
Timezone = Annotated[
    str | None, typer.Option("--timezone", help="Days of candles begin there: Europe/Zurich.")
]
Fill = Annotated[
    str | None, typer.Option("--fill", help="Rows for times that have none: null, ffill.")
]
Closed = Annotated[bool, typer.Option("--closed", help="No bars that are not over yet.")]
Columns = Annotated[
    str | None, typer.Option("--columns", help="Columns to show, with commas; ts is always first.")
]


def connect(uri: str, token: str | None, tls: flightstore.Tls | None = None) -> flightstore.Client:
    """A client of the server at `uri`."""
    return flightstore.connect(uri, token=token, tls=tls)


def need_timeframe(dataset: str, timeframe: str) -> None:
    """Raise BadRequest for candles without a timeframe; other datasets may have none."""
    if dataset == "candles" and not timeframe:
        raise BadRequest("Candles need --timeframe, such as --timeframe 1m.")


def split_columns(columns: str | None) -> list[str] | None:
    """`close,volume` as a list; None for all columns."""
    return None if columns is None else [name.strip() for name in columns.split(",")]
