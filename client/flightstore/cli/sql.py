"""`flightstore sql`: one SELECT."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated, Any

import pyarrow as pa
import typer

from flightstore.cli import options, output
from flightstore.cli.csv_text import CsvText
from flightstore.cli.values import plain_rows


class Format(StrEnum):
    """What is printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def sql(
    query: Annotated[str, typer.Argument(help="One SELECT in DuckDB's dialect; - reads stdin.")],
    form: Annotated[Format, typer.Option("--format", "-f", help="What is printed.")] = Format.TABLE,
    explain: Annotated[bool, typer.Option("--explain", help="Print the plan instead.")] = False,
    timeout: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds after which the server gives up.")
    ] = None,
    snapshot: options.Snapshot = None,
    uri: options.Uri = options.DEFAULT_URI,
    token: options.Token = None,
) -> None:
    """Ask in SQL. Tables are the datasets: candles, trades and your own.

    Beside its own columns each has exchange, symbol and timeframe.

    Examples:
      flightstore sql "select symbol, count(*) from candles where timeframe = '1h' group by symbol"
      flightstore sql --format csv - < query.sql
    """
    text = sys.stdin.read() if query == "-" else query
    with options.connect(uri, token) as db:
        answer = db.sql(text, snapshot=snapshot, timeout=timeout, explain=explain, output="arrow")
    if explain:
        print(answer)
    else:
        _print(_readable(answer), form)


def _print(table: pa.Table, form: Format) -> None:
    if form is Format.CSV:
        sys.stdout.flush()
        text = CsvText(sys.stdout.buffer, table.schema)
        for batch in table.to_batches():
            text.write(batch)
        sys.stdout.buffer.flush()
        return
    rows = plain_rows(table)
    if form is Format.JSON:
        output.print_json(rows)
    elif rows:
        output.print_table(table.column_names, [list(row.values()) for row in rows])
    else:
        output.remark("No rows.")


def _readable(table: pa.Table) -> pa.Table:
    """`table` with numbers, texts, times and truths alone; everything else as text."""
    columns = [column if _is_plain(column.type) else _texts(column) for column in table.columns]
    return pa.table(columns, names=table.column_names)


def _is_plain(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_string(kind)
        or types.is_timestamp(kind)
    )


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_duration(column.type):  # Python's have microseconds
        column = column.cast(pa.duration("us"), safe=False)
    values: list[Any] = column.to_pylist()
    return pa.chunked_array([[None if v is None else str(v) for v in values]], pa.utf8())
