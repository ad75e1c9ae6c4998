"""The options that only `flightstore import` has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="CSV, Parquet or Feather.")]
Instrument = Annotated[str, typer.Option("--instrument", "-i", help="exchange:SYMBOL to write to.")]
Format = Annotated[
    str | None, typer.Option("--format", help="csv, parquet, feather; else by its first bytes.")
]
Columns = Annotated[str | None, typer.Option("--columns", help="OURS=THEIRS,...: ts=mts,open=o.")]
Types = Annotated[
    str | None,
    typer.Option("--types", help="Your own dataset from CSV: NAME=TYPE,...: rate=float64."),
]
TimeUnit = Annotated[
    str, typer.Option("--time-unit", help="auto, s, ms, us or ns: of times that are numbers.")
]
Zone = Annotated[str, typer.Option("--tz", help="The zone of times that name none.")]
Covers = Annotated[
    tuple[str, str] | None,
    typer.Option("--covers", metavar="START END", help="The files are complete for this range."),
]
CoversFile = Annotated[
    bool, typer.Option("--covers-file", help="Each file is complete from its first to last row.")
]
NumberIds = Annotated[
    bool, typer.Option("--number-ids", help="Trades without ids: number those of one time.")
]
ChunkRows = Annotated[int, typer.Option("--chunk-rows", min=1, help="Rows in one write.")]
Grid = Annotated[
    str | None, typer.Option("--grid", help="free: candles that are not on the timeframe's grid.")
]
Key = Annotated[
    str | None, typer.Option("--key", help="Your own dataset, first write: ts or ts,id.")
]
