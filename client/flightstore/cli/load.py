"""Files into the store: `flightstore import`."""

from __future__ import annotations

import time
from typing import Any

import pyarrow as pa

from flightstore.cli import options, output
from flightstore.cli.loading import job, names
from flightstore.cli.loading import options as own
from flightstore_proto.errors import BadRequest
from flightstore_proto.instrument import parse
from flightstore_proto.schemas import BUILT_IN
from flightstore_proto.timerange import time_range


def load(
    files: own.Files,
    instrument: own.Instrument,
    timeframe: options.Timeframe = "",
    dataset: options.Dataset = "candles",
    kind: own.Format = None,
    columns: own.Columns = None,
    types: own.Types = None,
    time_unit: own.TimeUnit = "auto",
    tz: own.Zone = "UTC",
    covers: own.Covers = None,
    covers_file: own.CoversFile = False,
    number_ids: own.NumberIds = False,
    chunk_rows: own.ChunkRows = 512 * 1024,
    grid: own.Grid = None,
    key: own.Key = None,
    as_json: options.Json = False,
    uri: options.Uri = options.DEFAULT_URI,
    token: options.Token = None,
) -> None:
    """Load CSV, Parquet and Feather files into a series.

    CSV may be compressed (gzip, xz, zstd, bzip2, zip) and may lack a header where its layout is
    known. Names of columns and units of time are guessed, and the guess is printed; --columns and
    --time-unit settle what is not clear. Loading a file a second time changes nothing.

    Examples:
      flightstore import btc.csv.xz --instrument bitfinex:BTC/USD --timeframe 1m
      flightstore import 2024-*.csv -i binance:BTC/USDT --dataset trades --covers-file
      flightstore import x.csv -i my:X --timeframe 1h --columns 'ts=when,volume=Vol. BTC'
    """
    options.need_timeframe(dataset, timeframe)
    parse(instrument)
    plan = job.Plan(
        instrument, dataset, timeframe, kind, names.parse_columns(columns),
        _parse_types(types, dataset), time_unit, tz, number_ids, chunk_rows,
        _parse_covers(covers), covers_file, _write_options(grid, key),
    )  # fmt: skip
    started = time.perf_counter()
    with options.connect(uri, token) as db, db.writer(dataset, timeframe) as writer:
        outcome = job.run(plan, files, writer)
    seconds = time.perf_counter() - started
    facts = {
        "instrument": instrument,
        "dataset": dataset,
        "timeframe": timeframe,
        "files": [str(path) for path in files],
        **_facts(outcome, seconds),
    }
    output.print_json(facts) if as_json else _print_summary(facts)


def _parse_types(text: str | None, dataset: str) -> dict[str, pa.DataType]:
    if text is not None and dataset in BUILT_IN:
        raise BadRequest(f"--types is for datasets of your own; {dataset} have their types.")
    found = {}
    for name, kind in names.parse_pairs("--types", text).items():
        try:
            found[name] = pa.type_for_alias(kind)
        except ValueError as error:
            raise BadRequest(f"--types: {kind!r} is not a type: float64, int64, utf8.") from error
    return found


def _parse_covers(covers: tuple[str, str] | None) -> tuple[int, int] | None:
    if covers is None:
        return None
    window = time_range(*covers)
    return window.low, window.high


def _write_options(grid: str | None, key: str | None) -> dict[str, Any]:
    if grid not in (None, "free", "timeframe"):
        raise BadRequest(f"--grid {grid} is not free or timeframe.")
    said = {"grid": grid, "key": key}
    return {name: value for name, value in said.items() if value is not None}


def _facts(outcome: job.Outcome, seconds: float) -> dict[str, Any]:
    return {
        "rows": outcome.sent.rows,
        "duplicates": outcome.sent.duplicates,
        "empty_bars": outcome.empty_bars,
        "seconds": round(seconds, 3),
        "rows_per_second": round(outcome.sent.rows / max(seconds, 1e-9)),
        "lsn": outcome.sent.lsn,
    }


def _print_summary(facts: dict[str, Any]) -> None:
    left_out = f", {facts['empty_bars']:,} bars without prices left out" * bool(facts["empty_bars"])
    print(
        f"{facts['rows']:,} rows ({facts['duplicates']:,} duplicates{left_out}) in "
        f"{facts['seconds']:.1f} s, {facts['rows_per_second']:,} rows/s; LSN {facts['lsn']}"
    )
