"""A look at the rows: `flightstore head` and `tail`."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import pyarrow as pa
import typer

import flightstore
from flightstore.cli import following, options, output
from flightstore.cli.csv_text import CsvText
from flightstore.cli.values import plain_rows
from flightstore_proto.errors import BadRequest

Count = Annotated[int, typer.Option("-n", "--rows", min=1, help="Rows of each series.")]
Csv = Annotated[bool, typer.Option("--csv", help="CSV on stdout.")]


def head(
    instrument: options.Instrument,
    timeframe: options.Timeframe = "",
    rows: Count = 10,
    start: options.Start = None,
    end: options.End = None,
    dataset: options.Dataset = "candles",
    columns: options.Columns = None,
    resample_from: options.From = None,
    timezone: options.Timezone = None,
    fill: options.Fill = None,
    closed: options.Closed = False,
    snapshot: options.Snapshot = None,
    as_json: options.Json = False,
    as_csv: Csv = False,
    uri: options.Uri = options.DEFAULT_URI,
    token: options.Token = None,
) -> None:
    """Print the first rows of a series.

    Examples:
      flightstore head binance:BTC/USDT --timeframe 1m
      flightstore head binance:BTC/USDT --timeframe 3h --fill ffill
      flightstore head binance:BTC/USDT --dataset trades --start 2024-08-09 -n 3 --json
    """
    options.need_timeframe(dataset, timeframe)
    _check(as_json, as_csv)
    with options.connect(uri, token) as db:
        table = _read(
            db, dataset, instrument, timeframe, start, end,
            columns=options.split_columns(columns), limit=rows, snapshot=snapshot, fill=fill,
            resample_from=resample_from, timezone=timezone, closed=closed,
        )  # fmt: skip
    _print(table, as_json, as_csv)


def tail(
    instrument: options.Instrument,
    timeframe: options.Timeframe = "",
    rows: Count = 10,
    start: options.Start = None,
    end: options.End = None,
    dataset: options.Dataset = "candles",
    columns: options.Columns = None,
    resample_from: options.From = None,
    timezone: options.Timezone = None,
    fill: options.Fill = None,
    closed: options.Closed = False,
    snapshot: options.Snapshot = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Then print rows as they come.")
    ] = False,
    as_json: options.Json = False,
    as_csv: Csv = False,
    uri: options.Uri = options.DEFAULT_URI,
    token: options.Token = None,
) -> None:
    """Print the last rows of a series.

    With --follow it goes on with every row that is written, also of other instruments that a
    pattern matches, until it is interrupted; JSON is then one object a line. A bar that is still
    open is printed again whenever it changes.

    Examples:
      flightstore tail binance:BTC/USDT --timeframe 1d -n 3 --timezone America/New_York
      flightstore tail binance:BTC/USDT --timeframe 1m --columns close --csv
      flightstore tail 'binance:*' --dataset trades --follow
    """
    options.need_timeframe(dataset, timeframe)
    _check(as_json, as_csv)
    if follow and (end is not None or snapshot is not None):
        raise BadRequest("What is followed has no end: --follow goes without --end and --snapshot.")
    if follow and (resample_from or timezone or fill or closed):
        raise BadRequest(
            "What is followed is what is written: --follow goes without --from, --timezone, --fill "
            "and --closed."
        )
    shown = options.split_columns(columns)
    with options.connect(uri, token) as db:
        if follow:
            _follow(db, dataset, instrument, timeframe, start, shown, rows, as_json, as_csv)
            return
        table = _read(
            db, dataset, instrument, timeframe, start, end,
            columns=shown, tail=rows, snapshot=snapshot, fill=fill,
            resample_from=resample_from, timezone=timezone, closed=closed,
        )  # fmt: skip
    _print(table, as_json, as_csv)


def _read(
    db: flightstore.Client,
    dataset: str,
    instrument: str,
    timeframe: str,
    start: str | None,
    end: str | None,
    **asked: Any,
) -> pa.Table:
    """The rows as they were asked for; candles of any timeframe."""
    if dataset == "candles":
        return db.candles(instrument, timeframe, start, end, output="arrow", **asked)
    return db.read(dataset, instrument, timeframe, start, end, output="arrow", **asked)


def _check(as_json: bool, as_csv: bool) -> None:
    if as_json and as_csv:
        raise BadRequest("Give --json or --csv, not both.")


def _follow(
    db: flightstore.Client,
    dataset: str,
    instrument: str,
    timeframe: str,
    start: str | None,
    columns: list[str] | None,
    rows: int,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Print the last rows, and then those that are written."""
    # Before the rows are read: what is written meanwhile is told again rather than lost.
    after = db.status().last_lsn
    table = db.read(
        dataset, instrument, timeframe, start, columns=columns, tail=rows, output="arrow"
    )
    with db.live(instrument, timeframe, dataset=dataset, columns=columns, after_lsn=after) as live:
        sys.stdout.flush()
        lines, shown = following.lines(table.schema, as_json, as_csv), plain_rows(table)
        lines.print(table, shown)
        sys.stdout.flush()
        following.follow(live, lines, following.Shown(shown))


def _print(table: pa.Table, as_json: bool, as_csv: bool) -> None:
    if as_csv:
        _print_csv(table)
        return
    rows = plain_rows(table)
    if as_json:
        output.print_json(rows)
    elif rows:
        output.print_table(table.column_names, [list(row.values()) for row in rows])
    else:
        output.remark("No rows in that range.")


def _print_csv(table: pa.Table) -> None:
    sys.stdout.flush()
    text = CsvText(sys.stdout.buffer, table.schema)
    for batch in table.to_batches():
        text.write(batch)
    sys.stdout.buffer.flush()
