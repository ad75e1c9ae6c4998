"""Recorded files of any layout that can be imported, and what is said about the others."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from tests.unit.replay.recordings import BARS, MINUTE, START, TICKS, bars, loaded, ticks

from flightstore_ingest.errors import Refused
from flightstore_ingest.replay.recording import Recording


def rows(played: Recording) -> pl.DataFrame:
    frame = pl.from_arrow(played.rows)
    assert isinstance(frame, pl.DataFrame)
    return frame


def milliseconds(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("ts").dt.epoch("ms"))


def csv_of(frame: pl.DataFrame) -> bytes:
    return milliseconds(frame).write_csv().encode()


WRITERS: dict[str, Callable[[pl.DataFrame, Path], object]] = {
    "csv": lambda frame, path: path.write_bytes(csv_of(frame)),
    "csv.gz": lambda frame, path: path.write_bytes(gzip.compress(csv_of(frame))),
    "csv.xz": lambda frame, path: path.write_bytes(lzma.compress(csv_of(frame))),
    "parquet": lambda frame, path: frame.write_parquet(path),
    "feather": lambda frame, path: frame.write_ipc(path),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_bars_are_read_from(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"bars.{kind}"
    WRITERS[kind](bars(100), path)
    played = loaded(path)
    assert (played.series, played.origin) == (BARS, path.name)
    assert rows(played).equals(bars(100))


@pytest.mark.parametrize("kind", WRITERS)
def test_trades_are_read_from(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"trades.{kind}"
    frame = ticks([START + i * 250_000_000 for i in range(100)])
    WRITERS[kind](frame, path)
    played = loaded(path)
    assert played.series == TICKS
    assert rows(played).equals(frame)


def test_a_file_that_has_the_newest_row_first_is_turned_round(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes(csv_of(bars(100).reverse()))
    assert rows(loaded(path)).equals(bars(100))


@pytest.mark.parametrize(
    ("step", "timeframe"), [(MINUTE, "1m"), (5 * MINUTE, "5m"), (90 * MINUTE, "90m")]
)
def test_the_shortest_distance_of_bars_is_their_timeframe(
    step: int, timeframe: str, tmp_path: Path
) -> None:
    path = tmp_path / "bars.parquet"
    bars(20, step).gather([0, 3, 4, 9, 19]).write_parquet(path)
    assert loaded(path).series.timeframe == timeframe


def test_columns_and_units_can_be_said(tmp_path: Path) -> None:
    path = tmp_path / "trades.csv"
    frame = ticks([START + i * MINUTE for i in range(10)])
    path.write_text(milliseconds(frame).rename({"ts": "when"}).write_csv())
    played = loaded(path, columns={"ts": "when"}, time_unit="ms")
    assert rows(played).equals(frame)


def test_a_missing_file_is_named_with_its_whole_path(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=f"v:A/B: there is no file {tmp_path}/gone.csv"):
        loaded(tmp_path / "gone.csv")


def test_a_file_of_other_columns_is_named_with_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "weather.csv"
    path.write_text("ts,rain\n1700006400000,3\n")
    with pytest.raises(Refused, match=r"weather.csv: As candles: .* the file has 'ts', 'rain'"):
        loaded(path)


def test_what_can_be_said_is_explained_in_terms_of_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "weather.csv"
    path.write_text("ts,rain\n1700006400000,3\n")
    with pytest.raises(Refused, match=r"keys of the file: \{path = .* columns ="):
        loaded(path, dataset="trades")


def test_a_file_with_an_impossible_row_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes(csv_of(bars(100).with_columns(high=pl.lit(1.0))))
    with pytest.raises(Refused, match=r"bars.csv: .* 2023-11-15T00:00:00Z .* high below"):
        loaded(path)


def test_a_timeframe_that_the_rows_contradict_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes(csv_of(bars(100)))
    with pytest.raises(Refused, match="a time between bars"):
        loaded(path, timeframe="5m")


def test_a_single_bar_has_no_timeframe_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes(csv_of(bars(1)))
    with pytest.raises(Refused, match='say timeframe = "1m"'):
        loaded(path)
    assert loaded(path, timeframe="1m").series == BARS


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bars.parquet"
    bars(0).write_parquet(path)
    with pytest.raises(Refused, match=r"bars.parquet"):
        loaded(path)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv.xz"
    path.write_bytes(lzma.compress(csv_of(bars(1000)))[:-200])
    with pytest.raises(Refused, match="cannot be read"):
        loaded(path)


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bars.tar.xz"
    path.write_bytes(lzma.compress(b'"' + b"x" * 200_000))
    with pytest.raises(Refused, match=r"bars.tar.xz cannot be read"):
        loaded(path)
