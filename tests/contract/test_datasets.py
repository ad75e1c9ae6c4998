"""Datasets of the user's own: any flat columns, and more of them later."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pyarrow as pa
import pytest
from tests.support.rows import MINUTE, NOON_2024, own
from tests.support.serving import Serving

import flightstore as fs

BTC = "binance:BTC/USDT"
TIMES = [NOON_2024 + minute * MINUTE for minute in range(3)]


def _rows(served: Serving, **words: object) -> list[dict[str, object]]:
    frame = served.db.read("features", BTC, **words)
    return frame.drop("ts").to_dicts()


def _everywhere(served: Serving, expected: list[dict[str, object]]) -> None:
    """The same now, in segments, and after a restart."""
    assert _rows(served) == expected
    served.tidy()
    assert _rows(served) == expected
    served.restart()
    assert _rows(served) == expected


def test_every_flat_type_comes_back_as_it_was(serving: Serving) -> None:
    kinds = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32()]
    kinds += [pa.uint64(), pa.float32(), pa.float64(), pa.bool_(), pa.utf8()]
    kinds += [pa.timestamp("ms"), pa.timestamp("ns", "Europe/Berlin")]
    columns = {
        f"c{n}": pa.array(["é", None, ""], kind)
        if kind == pa.utf8()
        else pa.array([1, None, 0]).cast(kind)
        for n, kind in enumerate(kinds)
    }
    rows = own(TIMES, **columns)
    serving.db.write(BTC, rows, dataset="features")
    for stage in (lambda: None, serving.tidy, serving.restart):
        stage()
        found = serving.db.read("features", BTC, output="arrow")
        assert found.equals(pa.Table.from_batches([rows]))


def test_a_column_added_later_is_null_in_older_rows(serving: Serving) -> None:
    serving.db.write(BTC, own(TIMES[:2], x=[1.0, 2.0]), dataset="features")
    serving.db.write(BTC, own(TIMES[1:], x=[3.0, 4.0], y=["a", "b"]), dataset="features")
    expected = [{"x": 1.0, "y": None}, {"x": 3.0, "y": "a"}, {"x": 4.0, "y": "b"}]
    _everywhere(serving, expected)


def test_older_rows_may_lie_in_segments_by_then(serving: Serving) -> None:
    serving.db.write(BTC, own(TIMES[:2], x=[1.0, 2.0]), dataset="features")
    serving.db.flush()
    serving.restart()
    serving.db.write(BTC, own(TIMES[1:], x=[3.0, 4.0], y=["a", "b"]), dataset="features")
    expected = [{"x": 1.0, "y": None}, {"x": 3.0, "y": "a"}, {"x": 4.0, "y": "b"}]
    _everywhere(serving, expected)


def test_rows_without_the_newer_column_can_still_be_written(serving: Serving) -> None:
    serving.db.write(BTC, own(TIMES[:1], x=[1.0], y=["a"]), dataset="features")
    serving.db.write(BTC, own(TIMES[1:2], x=[2.0]), dataset="features")
    serving.db.write(BTC, own(TIMES[2:], y=["c"]), dataset="features")
    expected = [{"x": 1.0, "y": "a"}, {"x": 2.0, "y": None}, {"x": None, "y": "c"}]
    _everywhere(serving, expected)


def test_columns_may_come_in_another_order(serving: Serving) -> None:
    serving.db.write(BTC, own(TIMES[:1], x=[1.0], y=["a"]), dataset="features")
    serving.db.write(BTC, own(TIMES[1:2], y=["b"], x=[2.0]), dataset="features")
    _everywhere(serving, [{"x": 1.0, "y": "a"}, {"x": 2.0, "y": "b"}])


def test_a_column_added_for_one_series_is_null_in_another(serving: Serving) -> None:
    serving.db.write("x:OLD", own(TIMES[:1], x=[1.0]), dataset="features")
    serving.db.flush()
    serving.db.write("x:NEW", own(TIMES[:1], x=[2.0], y=["a"]), dataset="features")
    for stage in (lambda: None, serving.tidy, serving.restart):
        stage()
        frame = serving.db.read("features", "x:*")
        assert frame["y"].to_list() == ["a", None]
        assert frame["symbol"].to_list() == ["NEW", "OLD"]


def test_a_column_keeps_its_type(db: fs.Client) -> None:
    db.write(BTC, own(TIMES, x=[1.0, 2.0, 3.0]), dataset="features")
    with pytest.raises(fs.SchemaMismatch, match="'x' of dataset 'features' is double; got int64"):
        db.write(BTC, own(TIMES, x=[1, 2, 3]), dataset="features")


def test_two_writers_may_add_two_columns_at_once(serving: Serving) -> None:
    serving.db.write(BTC, own(TIMES[:1], x=[1.0]), dataset="features")
    with serving.db.writer("features") as one, serving.db.writer("features") as other:
        one.write(BTC, own(TIMES[1:2], x=[2.0], y=["a"]))
        other.write(BTC, own(TIMES[2:], x=[3.0], z=[True]))
    expected = [
        {"x": 1.0, "y": None, "z": None},
        {"x": 2.0, "y": "a", "z": None},
        {"x": 3.0, "y": None, "z": True},
    ]
    found = serving.db.read("features", BTC).select("x", "y", "z").to_dicts()
    assert found == expected
    serving.tidy()
    serving.restart()
    assert serving.db.read("features", BTC).select("x", "y", "z").to_dicts() == expected


def test_a_dataset_may_have_a_timeframe_and_several(db: fs.Client) -> None:
    for timeframe in ("1m", "1h"):
        db.write(BTC, own(TIMES[:1], x=[1.0]), dataset="features", timeframe=timeframe)
    assert db.series(dataset="features")["timeframe"].to_list() == ["1h", "1m"]


def test_several_rows_of_one_time_need_a_key_with_an_id(serving: Serving) -> None:
    rows = own(TIMES[:1] * 3, id=["9", "10", "9"], x=[1.0, 2.0, 3.0])
    ack = serving.db.write(BTC, rows, dataset="features", key="ts,id")
    assert ack.duplicates == 1
    _everywhere(serving, [{"id": "9", "x": 3.0}, {"id": "10", "x": 2.0}])


def test_without_an_id_the_last_row_of_one_time_stays(serving: Serving) -> None:
    serving.db.write(BTC, own(TIMES[:1] * 2, id=["1", "2"], x=[1.0, 2.0]), dataset="features")
    _everywhere(serving, [{"id": "2", "x": 2.0}])


def test_nan_is_kept_in_a_users_dataset(serving: Serving) -> None:
    frame = pl.DataFrame({"ts": [datetime(2024, 1, 1, tzinfo=UTC)], "x": [float("nan")]})
    serving.db.write(BTC, frame, dataset="features")
    [row] = _rows(serving)
    assert row["x"] != row["x"]
