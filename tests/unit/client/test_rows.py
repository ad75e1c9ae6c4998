"""What users hand over to be written, as the rows the store keeps."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import flightstore as fs
from flightstore._rows import rows_of
from flightstore_proto.instrument import Instrument
from flightstore_proto.schemas import CANDLES, TRADES, TS

BTC = Instrument("lab", "BTC/USDT")
MS = 1_704_067_200_000
NS = MS * 1_000_000
OHLCV = {name: [1.0] for name in ("open", "high", "low", "close", "volume")}
TRADE = {"ts": [MS], "id": ["1"], "price": [1.0], "amount": [2.0]}


def kept(frame, dataset: str = "candles") -> pa.Table:
    """What would be sent of `frame`."""
    rows = rows_of(frame, dataset, BTC)
    return pa.concat_tables([rows.schema.empty_table(), *rows.tables])


def ns(table: pa.Table) -> list[int]:
    return table["ts"].cast(pa.int64()).to_pylist()


@pytest.mark.parametrize(
    "ts",
    [
        pa.array([MS]),
        pa.array([MS], pa.uint64()),
        pa.array([NS], pa.timestamp("ns", "UTC")),
        pa.array([NS], pa.timestamp("ns")),
        pa.array([NS], pa.timestamp("ns", "Asia/Tokyo")),
        pa.array([MS], pa.timestamp("ms")),
        pa.array([MS * 1000], pa.timestamp("us", "Europe/Berlin")),
        pa.array([MS // 1000], pa.timestamp("s")),
        pa.array([date(2024, 1, 1)]),
        pa.array([date(2024, 1, 1)], pa.date64()),
    ],
    ids=lambda array: str(array.type),
)
def test_times_of_any_kind_become_nanoseconds_in_utc(ts: pa.Array) -> None:
    table = kept(pa.table({"ts": ts, **OHLCV}))
    assert table.schema.equals(CANDLES, check_metadata=True)
    assert ns(table) == [NS]


def test_times_that_nanoseconds_cannot_say_are_invalid_rows() -> None:
    for far in (pa.array([10**13], pa.timestamp("s")), pa.array([10**15])):
        with pytest.raises(fs.InvalidRows, match=r"'ts'.*does not fit"):
            kept(pa.table({"ts": far, **OHLCV}))


def test_times_that_are_not_times_are_a_mismatch() -> None:
    with pytest.raises(fs.SchemaMismatch, match="'ts' has type string"):
        kept({"ts": ["2024"], **OHLCV})
    with pytest.raises(fs.SchemaMismatch, match="'ts' has type double"):
        kept({"ts": [1.5], **OHLCV})


@pytest.mark.parametrize("name", ["timestamp", "Date", "time", "datetime"])
def test_the_time_may_have_another_usual_name(name: str) -> None:
    assert ns(kept({name: [MS], **OHLCV})) == [NS]


def test_two_columns_that_could_be_the_time_are_a_mismatch() -> None:
    with pytest.raises(fs.SchemaMismatch, match="'timestamp', 'date' could each be the time"):
        kept({"timestamp": [MS], "date": [MS], **OHLCV})


def test_column_names_may_be_capitalised_and_in_any_order() -> None:
    given = {name.title(): [float(i)] for i, name in enumerate(OHLCV)}
    table = kept({**given, "ts": [MS]})
    assert table.column_names == CANDLES.names
    assert table["volume"].to_pylist() == [4.0]
    with pytest.raises(fs.SchemaMismatch, match="Several columns are called 'open'"):
        kept({"ts": [MS], "Open": [1.0], **OHLCV})


@pytest.mark.parametrize(
    "close",
    [pa.array([1]), pa.array([1], pa.float32()), pa.array([Decimal("1")]), pa.array([1], "uint8")],
    ids=lambda array: str(array.type),
)
def test_numbers_of_any_kind_become_float64(close: pa.Array) -> None:
    table = kept(pa.table({"ts": [MS], **OHLCV, "close": close}))
    assert table["close"].to_pylist() == [1.0]
    assert table.schema == CANDLES


def test_text_is_not_taken_for_numbers() -> None:
    with pytest.raises(fs.SchemaMismatch, match="'close' has type string: give numbers"):
        kept({"ts": [MS], **OHLCV, "close": ["1.0"]})


def test_whole_numbers_that_floats_cannot_say_are_invalid_rows() -> None:
    with pytest.raises(fs.InvalidRows, match="'volume' holds a value that does not fit"):
        kept({"ts": [MS], **OHLCV, "volume": [2**53 + 1]})


def test_missing_and_extra_columns_are_named_with_a_remedy() -> None:
    with pytest.raises(fs.SchemaMismatch, match="no column 'close', 'volume'"):
        kept({"ts": [MS], "open": [1.0], "high": [1.0], "low": [1.0]})
    with pytest.raises(fs.SchemaMismatch, match=r"'vwap' is not part of candles.*select\('ts', "):
        kept({"ts": [MS], **OHLCV, "vwap": [None]})


def test_a_null_is_named_with_its_row_and_nothing_is_written() -> None:
    two = {name: [1.0, 1.0, 1.0] for name in OHLCV}
    with pytest.raises(fs.InvalidRows, match=r"'close' holds a null .* in row 2; nothing"):
        kept({"ts": [MS] * 3, **two, "close": [1.0, 1.0, None]})
    with pytest.raises(fs.InvalidRows, match="'ts' holds a null"):
        kept({"ts": [MS, None, MS], **two})
    with pytest.raises(fs.InvalidRows, match="'close' holds a null"):
        kept({"ts": [MS], **OHLCV, "close": pa.nulls(1)})
    with pytest.raises(fs.InvalidRows, match=r"'close' holds a null \(or NaN\) in row 0"):
        kept(pd.DataFrame({"ts": [MS], **OHLCV, "close": [float("nan")]}))


def test_the_row_of_a_null_is_counted_over_all_batches_of_a_reader() -> None:
    schema = pa.schema([TS, *(pa.field(name, pa.float64()) for name in OHLCV)])
    good = pa.record_batch([[MS], *OHLCV.values()], names=schema.names).cast(schema)
    bad = good.set_column(1, schema.field("open"), pa.nulls(1, pa.float64()))
    reader = pa.RecordBatchReader.from_batches(schema, [good, good, bad])
    with pytest.raises(fs.InvalidRows, match=r"'open' holds a null .* in row 2"):
        kept(reader)


@pytest.mark.parametrize(
    ("given", "kept_as"),
    [
        (["buy", "Sell", "", None], [1, -1, 0, 0]),
        ([True, False, None, True], [1, -1, 0, 1]),
        ([1, -1, 0, None], [1, -1, 0, 0]),
        ([1.0, -1.0, 0.0, None], [1, -1, 0, 0]),
        (pa.nulls(4), [0, 0, 0, 0]),
        (pa.array(["buy", "sell", None, "buy"]).dictionary_encode(), [1, -1, 0, 1]),
        (None, [0, 0, 0, 0]),
    ],
    ids=["words", "bools", "ints", "floats", "nulls", "categories", "absent"],
)
def test_sides_become_plus_and_minus_one(given, kept_as: list[int]) -> None:
    columns = {name: value * 4 for name, value in TRADE.items()}
    if given is not None:
        columns["side"] = given
    table = kept(columns, "trades")
    assert table.schema == TRADES
    assert table["side"].to_pylist() == kept_as


def test_a_side_that_is_neither_is_named_with_its_row() -> None:
    two = {name: value * 2 for name, value in TRADE.items()}
    with pytest.raises(fs.InvalidRows, match="'long' in row 1"):
        kept({**two, "side": ["buy", "long"]}, "trades")
    with pytest.raises(fs.InvalidRows, match="'side' holds 2 in row 0"):
        kept({**two, "side": [2, 1]}, "trades")
    with pytest.raises(fs.InvalidRows, match="does not fit int8"):
        kept({**two, "side": [0.5, 1.0]}, "trades")
    with pytest.raises(fs.SchemaMismatch, match="'side' has type"):
        kept({**two, "side": pa.array([MS, MS], pa.timestamp("ms"))}, "trades")


def test_ids_may_be_numbers_or_large_text() -> None:
    assert kept({**TRADE, "id": [17]}, "trades")["id"].to_pylist() == ["17"]
    large = kept({**TRADE, "id": pa.array(["a"], pa.large_utf8())}, "trades")
    assert large.schema == TRADES
    with pytest.raises(fs.SchemaMismatch, match="'id' has type double"):
        kept({**TRADE, "id": [1.0]}, "trades")


def test_columns_that_repeat_the_instrument_are_dropped_others_refused() -> None:
    named = {"exchange": ["lab"], "symbol": pa.array(["BTC/USDT"]).dictionary_encode()}
    assert kept({"ts": [MS], **named, **OHLCV}).column_names == CANDLES.names
    with pytest.raises(fs.SchemaMismatch, match=r"'symbol' holds 'ETH', .*lab:BTC/USDT"):
        kept({"ts": [MS], **OHLCV, "symbol": ["ETH"]})


@pytest.mark.parametrize("kind", ["polars", "pandas", "indexed", "table", "batch", "c-stream"])
def test_every_kind_of_frame_says_the_same(kind: str) -> None:
    columns = {"ts": [datetime(2024, 1, 1, tzinfo=UTC)], **OHLCV}
    frame = {
        "polars": lambda: pl.DataFrame(columns),
        "pandas": lambda: pd.DataFrame(columns),
        "indexed": lambda: pd.DataFrame(columns).set_index("ts"),
        "table": lambda: pa.table(columns),
        "batch": lambda: pa.record_batch(columns),
        "c-stream": lambda: OnlyAStream(pa.table(columns)),
    }[kind]()
    table = kept(frame)
    assert table.schema.equals(CANDLES, check_metadata=True)
    assert ns(table) == [NS]


class OnlyAStream:
    """Something that speaks Arrow's C stream interface and nothing else, as DuckDB's results."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


def test_an_index_without_a_name_is_the_time_and_a_counting_one_is_not() -> None:
    index = pd.DatetimeIndex(["2024-01-01"])
    assert ns(kept(pd.DataFrame(OHLCV, index=index))) == [NS]
    with pytest.raises(fs.SchemaMismatch, match="no column 'ts'"):
        kept(pd.DataFrame(OHLCV))


def test_candles_of_ccxt_are_taken_as_they_are() -> None:
    table = kept([[MS, 1, 2.0, 0.5, 1.5, 10], [MS + 60_000, 1, 2.0, 0.5, 1.5, 10]])
    assert ns(table) == [NS, NS + 60_000_000_000]
    assert table["volume"].to_pylist() == [10.0, 10.0]
    assert kept([{"ts": MS, **dict.fromkeys(OHLCV, 1.0)}]).num_rows == 1


def test_no_rows_may_be_said_as_none_or_an_empty_list() -> None:
    assert kept(None).schema == CANDLES
    assert kept([], "trades").schema == TRADES
    with pytest.raises(fs.BadRequest, match="give a frame"):
        kept(None, "funding")


def test_things_that_are_no_frames_are_refused_with_what_to_give() -> None:
    with pytest.raises(fs.BadRequest, match=r"collect\(\)"):
        kept(pl.LazyFrame(OHLCV))
    with pytest.raises(fs.BadRequest, match="Cannot write a int"):
        kept(5)
    with pytest.raises(fs.SchemaMismatch, match="one type each"):
        kept({"ts": [MS, "x"], **OHLCV})
    with pytest.raises(fs.SchemaMismatch, match="one type each"):
        kept([[MS, 1]], "trades")


def test_own_datasets_keep_their_types_with_ts_first() -> None:
    frame = pl.DataFrame(
        {
            "rate": pl.Series([1.5], dtype=pl.Float32),
            "kind": pl.Series(["a"], dtype=pl.Categorical),
            "note": ["b"],
            "timestamp": [MS],
            "n": pl.Series([None], dtype=pl.Int16),
        }
    )
    table = kept(frame, "funding")
    assert table.schema.equals(
        pa.schema(
            [
                TS,
                ("rate", pa.float32()),
                ("kind", pa.utf8()),
                ("note", pa.utf8()),
                ("n", pa.int16()),
            ]
        ),
        check_metadata=True,
    )


def test_own_datasets_refuse_what_the_store_cannot_keep() -> None:
    with pytest.raises(fs.SchemaMismatch, match="no column 'ts'"):
        kept({"x": [1]}, "funding")
    with pytest.raises(fs.SchemaMismatch, match="'x' has type list"):
        kept({"ts": [MS], "x": [[1]]}, "funding")
    nested = pa.DictionaryArray.from_arrays(pa.array([0]), pa.array([[1]]))
    with pytest.raises(fs.SchemaMismatch, match=r"'x' has type dictionary.*cannot become"):
        kept({"ts": [MS], "x": nested}, "funding")
    with pytest.raises(fs.SchemaMismatch, match="not null' first"):
        kept({"ts": [MS]}, "funding")
    with pytest.raises(fs.SchemaMismatch, match="'timeframe' is the name of a part"):
        kept({"ts": [MS], "timeframe": ["1m"]}, "funding")
