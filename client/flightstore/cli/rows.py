"""A look at the rows: `flightstore head` and `tail`."""

from __future__ import annotations

import sys
from typing import Annotated

import pyarrow as pa
import typer

from flightstore.cli import options, output
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
    snapshot: options.Snapshot = None,
    as_json: options.Json = False,
    as_csv: Csv = False,
    uri: options.Uri = options.DEFAULT_URI,
    token: options.Token = None,
) -> None:
    """Print the first rows of a series.

    Examples:
      flightstore head binance:BTC/USDT --timeframe 1m
      flightstore head binance:BTC/USDT --dataset trades --start 2024-08-09 -n 3 --json
    """
    options.need_timeframe(dataset, timeframe)
    with options.connect(uri, token) as db:
        table = db.read(
            dataset, instrument, timeframe, start, end,
            columns=options.split_columns(columns), limit=rows, snapshot=snapshot, output="arrow",
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
    snapshot: options.Snapshot = None,
    as_json: options.Json = False,
    as_csv: Csv = False,
    uri: options.Uri = options.DEFAULT_URI,
    token: options.Token = None,
) -> None:
    """Print the last rows of a series.

    Examples:
      flightstore tail binance:BTC/USDT --timeframe 1d -n 3
      flightstore tail binance:BTC/USDT --timeframe 1m --columns close --csv
    """
    options.need_timeframe(dataset, timeframe)
    with options.connect(uri, token) as db:
        table = db.read(
            dataset, instrument, timeframe, start, end,
            columns=options.split_columns(columns), tail=rows, snapshot=snapshot, output="arrow",
        )  # fmt: skip
    _print(table, as_json, as_csv)


def _print(table: pa.Table, as_json: bool, as_csv: bool) -> None:
    if as_json and as_csv:
        raise BadRequest("Give --json or --csv, not both.")
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
