"""Reads of several series: identity, layouts, and instruments that cannot be served."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import pytest

import flightstore as fs
from flightstore import _layouts
from flightstore_proto import flightstore_pb2 as pb


@pytest.fixture
def tables(server, fake) -> dict[str, pa.Table]:
    tables = {
        "a:X/USDT": fake.candles(10),
        "a:Y/USDT": fake.candles(0),
        "b:X/USDT:USDT": fake.candles(5, first=8),
    }
    server.script.read = lambda _: fake.stream.of_many(tables)
    return tables


def test_a_list_or_pattern_has_exchange_and_symbol_in_front(server, db, tables) -> None:
    frame = db.candles("*", "1m")
    assert frame.columns[:3] == ["exchange", "symbol", "ts"]
    assert frame.schema["symbol"] == pl.Categorical
    assert frame["exchange"].to_list() == ["a"] * 10 + ["b"] * 5
    assert frame["symbol"].to_list() == ["X/USDT"] * 10 + ["X/USDT:USDT"] * 5
    assert frame["close"].to_list() == [*map(float, range(10)), *map(float, range(8, 13))]
    assert server.tickets[0].read.identity == pb.ReadRequest.IDENTITY_RUNS


def test_a_list_of_one_name_keeps_the_shape_of_a_list(server, db, fake) -> None:
    server.script.read = lambda _: fake.stream.of_many({"a:X": fake.candles(3)})
    assert db.candles(["a:X"], "1m").columns[:2] == ["exchange", "symbol"]


def test_arrow_and_pandas_have_them_as_categories(db, tables) -> None:
    table = db.candles("*", "1m", output="arrow")
    assert pa.types.is_dictionary(table.schema.field("symbol").type)
    assert table["symbol"].to_pylist() == ["X/USDT"] * 10 + ["X/USDT:USDT"] * 5
    frame = db.candles("*", "1m", output="pandas")
    assert list(frame.columns[:2]) == ["exchange", "symbol"]
    assert str(frame["exchange"].dtype) == "category"
    assert frame.index.name == "ts"


def test_no_rows_at_all_still_have_all_columns(server, db, fake) -> None:
    server.script.read = lambda _: fake.stream.of_many({"a:X": fake.candles(0)})
    for output in ("polars", "arrow", "pandas"):
        frame = db.candles("*", "1m", output=output)
        names = list(frame.columns) if output != "arrow" else frame.column_names
        assert names[:2] == ["exchange", "symbol"]
        assert len(frame) == 0


@pytest.mark.parametrize("output", ["polars", "pandas", "arrow"])
def test_a_mapping_has_a_frame_for_each_instrument(db, tables, output) -> None:
    frames = db.candles("*", "1m", layout="dict", output=output)
    assert list(frames) == list(tables)
    assert len(frames) == 3
    for name, table in tables.items():
        assert name in frames
        assert len(frames[name]) == table.num_rows
        assert list(frames[name]["close"]) == list(
            table["close"].to_pylist() if output != "arrow" else table["close"]
        )
    assert frames["a:X/USDT"] is frames["a:X/USDT"]
    assert repr(frames) == "<Frames of 3 instruments, 15 rows>"
    with pytest.raises(KeyError):
        frames["c:Z"]


def test_one_name_can_be_a_mapping_too(server, db, tables) -> None:
    db.candles("a:X/USDT", "1m", layout="dict")
    assert server.tickets[0].read.identity == pb.ReadRequest.IDENTITY_RUNS


def test_an_unknown_name_among_several_is_a_warning_and_its_own_error(server, db, fake) -> None:
    server.script.read = lambda _: fake.stream.of_many(
        {"a:X": fake.candles(3)}, unknown={"a:Q": "No a:Q. Did you mean a:X?"}
    )
    with pytest.warns(fs.PartialReadWarning, match="a:Q: No a:Q. Did you mean") as caught:
        frames = db.candles(["a:X", "a:Q"], "1m", layout="dict")
    assert caught[0].filename == __file__
    assert list(frames) == ["a:X"]
    assert "a:Q" not in frames
    assert isinstance(frames.problems["a:Q"], fs.UnknownInstrument)
    assert "1 failed" in repr(frames)
    with pytest.raises(fs.UnknownInstrument, match="Did you mean"):
        frames["a:Q"]


def test_damage_met_on_the_way_is_a_warning_and_its_own_error(server, db, fake) -> None:
    server.script.read = lambda _: fake.stream.of_many(
        {"a:X": fake.candles(9), "a:Y": fake.candles(2)}, damaged={"a:Y": "damaged at byte 7"}
    )
    with pytest.warns(fs.PartialReadWarning, match="damaged at byte 7"):
        frames = db.candles("*", "1m", layout="dict")
    assert list(frames) == ["a:X"]
    with pytest.raises(fs.Corrupt):
        frames["a:Y"]
    with pytest.warns(fs.PartialReadWarning):
        assert db.candles("*", "1m", layout="wide").columns[1:] == [
            f"a:X|{name}" for name in ("open", "high", "low", "close", "volume")
        ]


def test_a_warning_of_many_names_five(server, db, fake) -> None:
    server.script.read = lambda _: fake.stream.of_many(
        {"a:X": fake.candles(1)}, unknown={f"a:{n}": "no" for n in range(8)}
    )
    with pytest.warns(fs.PartialReadWarning, match="8 of the instruments.*and 3 more"):
        db.candles(["a:*", "a:1"], "1m")


def test_wide_has_one_column_per_instrument(server, db, tables, fake) -> None:
    server.script.read = lambda _: fake.stream.of_many(
        {name: table.select(["ts", "close"]) for name, table in tables.items()}
    )
    frame = db.candles("*", "1m", columns=["close"], layout="wide")
    assert frame.columns == ["ts", *tables]
    assert frame.height == 13
    assert frame["ts"].is_sorted()
    assert frame["a:X/USDT"].to_list() == [*map(float, range(10)), None, None, None]
    assert frame["a:Y/USDT"].null_count() == 13
    assert frame["b:X/USDT:USDT"].to_list() == [None] * 8 + [8.0, 9.0, 10.0, 11.0, 12.0]
    pandas = db.candles("*", "1m", columns=["close"], layout="wide", output="pandas")
    assert pandas.index.name == "ts"
    assert list(pandas.columns) == list(tables)
    assert db.candles("*", "1m", layout="wide", output="arrow").column_names == frame.columns


def test_wide_with_several_columns_joins_the_names(db, tables) -> None:
    frame = db.candles("*", "1m", layout="wide")
    assert frame.columns[1:3] == ["a:X/USDT|open", "a:X/USDT|high"]
    assert frame.width == 1 + 3 * 5


def test_wide_refuses_two_rows_of_one_time(server, db, fake) -> None:
    twice = pa.concat_tables([fake.candles(1), fake.candles(1)])
    server.script.read = lambda _: fake.stream.of_many({"a:X": twice, "a:Y": fake.candles(2)})
    with pytest.raises(fs.BadRequest, match="one row per instrument and ts"):
        db.candles("*", "1m", layout="wide")


def test_wide_refuses_to_fill_the_memory_with_nulls(db, tables, monkeypatch) -> None:
    monkeypatch.setattr(_layouts, "WIDE_CELLS_MAX", 100)
    with pytest.raises(fs.BadRequest, match="195 cells"):
        db.candles("*", "1m", layout="wide")


def test_rows_of_an_instrument_that_was_not_named_are_refused(server, db, fake) -> None:
    answer = fake.stream.of_many({"a:X": fake.candles(3)})
    wrong = pb.BatchRuns(series=[1], rows=[3]).SerializeToString()
    answer.batches = [(answer.batches[0][0], wrong)]
    server.script.read = lambda _: answer
    with pytest.raises(fs.InternalError, match="did not name"):
        db.candles("*", "1m")


def test_rows_of_one_instrument_in_two_places_are_refused(server, db, fake) -> None:
    tables = {"a:X": fake.candles(2), "a:Y": fake.candles(2)}
    answer = fake.stream.of_many(tables)
    torn = pb.BatchRuns(series=[0, 1, 0], rows=[1, 2, 1]).SerializeToString()
    answer.batches = [(answer.batches[0][0], torn)]
    server.script.read = lambda _: answer
    with pytest.raises(fs.InternalError, match="two places"):
        db.candles("*", "1m", layout="dict")
