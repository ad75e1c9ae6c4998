"""What is stored: `flightstore ls`, `status`, `gaps` and `coverage`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flightstore.cli import options, output
from flightstore.cli.consumers import print_consumers
from flightstore.cli.missing import SHOWN, longest, print_gaps
from flightstore.cli.values import plain_fields, plain_rows, with_instrument


def ls(
    pattern: Annotated[
        str, typer.Argument(metavar="[PATTERN]", help="exchange:SYMBOL; * and ? match any.")
    ] = "*",
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="Only this one.")] = None,
    timeframe: Annotated[
        str | None, typer.Option("--timeframe", "-t", help="Only this one.")
    ] = None,
    snapshot: options.Snapshot = None,
    as_json: options.Json = False,
    uri: options.Uri = options.DEFAULT_URI,
    token: options.Token = None,
) -> None:
    """List the stored series.

    One line per series: its rows, the times of its first and last row, how many bars are absent
    between them, and its size on disk.

    Examples:
      flightstore ls
      flightstore ls 'binance:*/USDT' --timeframe 1m
    """
    with options.connect(uri, token) as db:
        table = db.series(
            pattern, dataset=dataset, timeframe=timeframe, snapshot=snapshot, output="arrow"
        )
    series = [with_instrument(row) for row in plain_rows(table)]
    if as_json:
        output.print_json(series)
    elif series:
        _print_series(series)
    else:
        output.remark(f"No series match {pattern}.")


def _print_series(series: list[dict[str, Any]]) -> None:
    shown = ("instrument", "dataset", "timeframe", "rows", "start", "end", "absent")
    lines = [[*(row[name] for name in shown), output.size(row["bytes"] or 0)] for row in series]
    headers = ("instrument", "dataset", "timeframe", "rows", "from", "to", "absent", "size")
    output.print_table(headers, lines)


def status(
    as_json: options.Json = False,
    uri: options.Uri = options.DEFAULT_URI,
    token: options.Token = None,
) -> None:
    """Show what the server is doing.

    Examples:
      flightstore status
      flightstore status --json
    """
    with options.connect(uri, token) as db:
        facts = plain_fields(db.status())
    if as_json:
        output.print_json(facts)
        return
    consumers = facts.pop("consumers", [])
    nested = {name: facts.pop(name) for name in ("counters", "limits") if name in facts}
    output.print_facts(facts)
    for title, numbers in nested.items():
        output.print_facts({f"{title}.{name}": numbers[name] for name in sorted(numbers)})
    print_consumers(consumers, facts["last_lsn"])


def gaps(
    instrument: options.Instrument,
    timeframe: options.Timeframe = "",
    start: options.Start = None,
    end: options.End = None,
    unconfirmed: Annotated[
        bool, typer.Option("--unconfirmed", help="Only what is not known complete.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", min=1, help=f"The N longest for each reason; {SHOWN}, or all as JSON."
        ),
    ] = None,
    dataset: options.Dataset = "candles",
    snapshot: options.Snapshot = None,
    as_json: options.Json = False,
    uri: options.Uri = options.DEFAULT_URI,
    token: options.Token = None,
) -> None:
    """List what is missing, and why.

    Also bars that the source has confirmed not to exist, unless --unconfirmed is given. What can be
    mended is "not fetched"; the source has nothing "before listing", "after delisting", in an
    "exchange outage", in what is "likely an outage" (too long for chance), and where "no trades"
    were made.

    Examples:
      flightstore gaps binance:BTC/USDT --timeframe 1m --start 2024
    """
    options.need_timeframe(dataset, timeframe)
    with options.connect(uri, token) as db:
        table = db.gaps(
            instrument,
            timeframe,
            start,
            end,
            dataset=dataset,
            confirmed=not unconfirmed,
            snapshot=snapshot,
            output="arrow",
        )
    if as_json:
        output.print_json(plain_rows(table if limit is None else longest(table, limit)))
    else:
        print_gaps(table, limit)


def coverage(
    instrument: options.Instrument,
    timeframe: options.Timeframe = "",
    start: options.Start = None,
    end: options.End = None,
    dataset: options.Dataset = "candles",
    snapshot: options.Snapshot = None,
    as_json: options.Json = False,
    uri: options.Uri = options.DEFAULT_URI,
    token: options.Token = None,
) -> None:
    """List the ranges that are known to be complete.

    The source of the data has confirmed that it has no other rows there.

    Examples:
      flightstore coverage binance:BTC/USDT --timeframe 1m
    """
    options.need_timeframe(dataset, timeframe)
    with options.connect(uri, token) as db:
        table = db.coverage(
            instrument, timeframe, start, end, dataset=dataset, snapshot=snapshot, output="arrow"
        )
    ranges = plain_rows(table)
    if as_json:
        output.print_json(ranges)
    elif ranges:
        output.print_table(table.column_names, [list(row.values()) for row in ranges])
    else:
        output.remark("No range is known to be complete.")
