"""Recordings of which a test knows what is in them, and files of them."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa

from flightstore_ingest.replay.reading import load
from flightstore_ingest.replay.recording import Recording
from flightstore_ingest.replay.settings import FileSettings
from flightstore_ingest.source import CANDLES, TRADES, Series
from flightstore_proto.schemas import BUILT_IN

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
START = 1_700_006_400 * SECOND  # 2023-11-15 00:00 UTC
BARS = Series(CANDLES, "v:A/B", "1m")
TICKS = Series(TRADES, "v:A/B")


def bars(minutes: int, step: int = MINUTE) -> pl.DataFrame:
    """A bar every `step` ns from START on, each a cent dearer."""
    ts = [START + i * step for i in range(minutes)]
    price = [100 + i / 100 for i in range(minutes)]
    return pl.DataFrame(
        {"ts": ts, **dict.fromkeys(("open", "high", "low", "close"), price)}
    ).select(pl.col("ts").cast(pl.Datetime("ns", "UTC")), pl.exclude("ts"), volume=pl.lit(1.5))


def ticks(times: list[int]) -> pl.DataFrame:
    """A trade at each of `times` ns, numbered from 1."""
    return pl.DataFrame({"ts": times, "id": [str(i + 1) for i in range(len(times))]}).select(
        pl.col("ts").cast(pl.Datetime("ns", "UTC")),
        "id",
        price=pl.lit(100.0),
        amount=pl.lit(0.5),
        side=pl.lit(1, pl.Int8),
    )


def recording(series: Series, frame: pl.DataFrame) -> Recording:
    """`frame` as a recording of `series`."""
    table: pa.Table = frame.to_arrow().cast(BUILT_IN[series.dataset])
    return Recording(series, table, "made up")


def loaded(path: Path, **said: object) -> Recording:
    """The recording in `path`."""
    return load("v:A/B", FileSettings.model_validate({"path": path, **said}))
