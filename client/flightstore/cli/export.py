"""Rows into a file: `flightstore export`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from flightstore import Batches
from flightstore.cli import options, output, sinks
from flightstore.cli.progress import Progress
from flightstore_proto.errors import BadRequest


def export(
    instruments: options.Instruments,
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FILE", help="The file; - is CSV on stdout.")
    ],
    timeframe: options.Timeframe = "",
    start: options.Start = None,
    end: options.End = None,
    dataset: options.Dataset = "candles",
    columns: options.Columns = None,
    resample_from: options.From = None,
    timezone: options.Timezone = None,
    fill: options.Fill = None,
    closed: options.Closed = False,
    snapshot: options.Snapshot = None,
    kind: Annotated[
        str | None,
        typer.Option("--format", help="csv csv.gz csv.xz csv.zst parquet feather arrow."),
    ] = None,
    as_json: options.Json = False,
    uri: options.Uri = options.DEFAULT_URI,
    token: options.Token = None,
) -> None:
    """Write rows to a CSV, Parquet, Feather or Arrow file.

    The suffix of the file says which. Rows are streamed, so the data may be larger than memory, and
    the file appears under its name only when it is complete.

    Examples:
      flightstore export binance:BTC/USDT --timeframe 1m --start 2024 --out btc.csv.zst
      flightstore export 'binance:*/USDT' --timeframe 1d --out binance.parquet
      flightstore export binance:BTC/USDT --timeframe 7m --from trades --closed --out btc.feather
      flightstore export binance:BTC/USDT --dataset trades --out - | head
    """
    options.need_timeframe(dataset, timeframe)
    kind = sinks.format_of(out, kind)
    if out == "-" and as_json:
        raise BadRequest("With --out - the rows are on stdout, so --json has no place there.")
    # One exact name is not a list of one: rows of a list say whose they are.
    asked = instruments[0] if len(instruments) == 1 else instruments
    with (
        options.connect(uri, token) as db,
        db.batches(
            asked, timeframe, start, end,
            dataset=dataset, columns=options.split_columns(columns), snapshot=snapshot, fill=fill,
            resample_from=resample_from, timezone=timezone, closed=closed,
        ) as batches,
        _target(out) as target,
        Progress("exporting") as progress,
    ):  # fmt: skip
        _copy(batches, target, kind, progress)
        size = None if out == "-" else target.tell()
    _print_summary({"out": out, "format": kind, "rows": progress.rows, "bytes": size}, as_json)


def _copy(batches: Batches, target: BinaryIO, kind: str, progress: Progress) -> None:
    with sinks.opened(target, kind, batches.schema.remove_metadata()) as sink:
        for batch in batches:
            sink.write(batch)
            progress.advance(batch.num_rows)


@contextmanager
def _target(out: str) -> Iterator[BinaryIO]:
    if out == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    else:
        with sinks.whole_file(Path(out)) as stream:
            yield stream


def _print_summary(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        output.print_json(facts)
    elif facts["out"] != "-":
        size = output.size(facts["bytes"])
        output.remark(f"Wrote {facts['rows']:,} rows, {size}, to {facts['out']}.")
