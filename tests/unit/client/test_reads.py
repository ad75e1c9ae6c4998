"""Reads of one series: what is asked for, and the frames that come back."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.schemas import CANDLES, CATALOG, GAPS, TS


@pytest.fixture
def rows(server, fake) -> pa.Table:
    table = fake.candles(2500)
    server.script.read = lambda _: fake.stream.plain(table)
    return table


def test_a_read_gives_polars_with_ts_first_in_utc(db, rows) -> None:
    frame = db.candles("x:Y", "1m")
    assert isinstance(frame, pl.DataFrame)
    assert frame.columns == CANDLES.names
    assert frame.schema["ts"] == pl.Datetime("ns", "UTC")
    assert frame.equals(pl.DataFrame(pl.from_arrow(rows)))


def test_pandas_has_ts_as_its_index(db, rows) -> None:
    frame = db.candles("x:Y", "1m", output="pandas")
    assert isinstance(frame.index, pd.DatetimeIndex)
    assert frame.index.name == "ts"
    assert str(frame.index.dtype) == "datetime64[ns, UTC]"
    assert list(frame.columns) == ["open", "high", "low", "close", "volume"]
    assert frame["close"].tolist() == rows["close"].to_pylist()


def test_arrow_has_no_metadata_of_the_wire(db, rows) -> None:
    table = db.candles("x:Y", "1m", output="arrow")
    assert table.schema.equals(CANDLES, check_metadata=True)
    assert table.equals(rows)


def test_an_empty_read_keeps_its_columns(server, db, fake) -> None:
    server.script.read = lambda _: fake.stream.plain(fake.candles(0))
    assert db.candles("x:Y", "1m").schema["close"] == pl.Float64
    assert db.candles("x:Y", "1m", output="pandas").index.name == "ts"
    assert db.candles("*", "1m", layout="dict").problems == {}


def test_tz_shows_the_same_instants_elsewhere(db, rows) -> None:
    frame = db.candles("x:Y", "1m", tz="Asia/Tokyo")
    assert frame.schema["ts"] == pl.Datetime("ns", "Asia/Tokyo")
    assert (
        frame["ts"]
        .dt.convert_time_zone("UTC")
        .to_arrow()
        .equals(pl.from_arrow(rows)["ts"].to_arrow())
    )
    with pytest.raises(fs.BadRequest, match="Europe/Berlin"):
        db.candles("x:Y", "1m", tz="Asia/Tokio")


def test_the_ticket_says_all_that_was_asked(server, db, rows) -> None:
    db.candles(
        "x:Y",
        "1m",
        "2024-01-01",
        datetime(2024, 1, 2, tzinfo=UTC),
        columns=["close"],
        tail=10,
        strict=True,
        snapshot="paper",
    )
    [ticket] = server.tickets
    assert ticket.read == pb.ReadRequest(
        dataset="candles",
        instruments=["x:Y"],
        timeframe="1m",
        range=pb.TimeRange(start=1_704_067_200_000_000_000, end=1_704_153_600_000_000_000),
        columns=["close"],
        tail=10,
        snapshot="paper",
        strict=True,
        resample=pb.Resample(),
    )


def test_trades_and_own_datasets_are_read_the_same_way(server, db, rows) -> None:
    db.trades("x:Y", "2024", limit=5)
    db.read("funding", "x:Y", columns="rate")
    trades, funding = (ticket.read for ticket in server.tickets)
    assert (trades.dataset, trades.timeframe, trades.limit) == ("trades", "", 5)
    assert (funding.dataset, list(funding.columns)) == ("funding", ["rate"])


def test_bars_that_are_not_over_are_left_out_of_every_kind_of_read(server, db, rows) -> None:
    db.candles("x:Y", "1m", closed=True)
    db.read("candles", "x:Y", "1m", closed=True)
    db.batches("x:Y", "1m", closed=True).close()
    db.candles("x:Y", "1m")
    assert [ticket.read.closed for ticket in server.tickets] == [True, True, True, False]


def test_no_columns_are_only_the_times(server, db, rows) -> None:
    db.candles("x:Y", "1m", columns=[])
    assert list(server.tickets[0].read.columns) == ["ts"]


def test_a_range_to_the_end_of_time_has_no_end(server, db, rows) -> None:
    db.candles("x:Y", "1m", end="2262-04-11T23:47:16.854775808Z")
    assert not server.tickets[0].read.range.HasField("end")
    with pytest.raises(fs.BadRange, match="after the last"):
        db.candles("x:Y", "1m", start="2262-04-11T23:47:16.854775808Z")


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"output": "panda"}, fs.BadRequest, "Did you mean 'pandas'"),
        ({"layout": "tall"}, fs.BadRequest, "'long', 'wide', 'dict'"),
        ({"limit": 0}, fs.BadRequest, "limit=.*1 or more"),
        ({"tail": True}, fs.BadRequest, "tail="),
        ({"limit": 1, "tail": 1}, fs.BadRequest, "give one of them"),
        ({"start": "yesterday"}, fs.BadRange, "yesterday"),
        ({"start": "2024", "end": "2023"}, fs.BadRange, "swap"),
        ({"columns": [1]}, fs.BadRequest, "cannot be written down"),
    ],
)
def test_a_request_that_makes_no_sense_is_not_sent(server, db, wrong, error, says) -> None:
    with pytest.raises(error, match=says):
        db.candles("x:Y", "1m", **wrong)
    assert server.tickets == []


def test_instruments_are_names(db) -> None:
    with pytest.raises(fs.BadInstrument, match="at least one"):
        db.candles([], "1m")
    with pytest.raises(fs.BadInstrument, match="is not an instrument but a int"):
        db.candles([5], "1m")


def test_pandas_keeps_whole_numbers_with_gaps_exact(server, db, fake) -> None:
    large = 2**60 + 1
    table = pa.table(
        [pa.array([1, 2], TS.type), pa.array([large, None]), pa.array([1, None], pa.uint8())],
        schema=pa.schema([TS, ("id", pa.int64()), ("kind", pa.uint8())]),
    )
    server.script.read = lambda _: fake.stream.plain(table)
    frame = db.read("own", "x:Y", output="pandas")
    assert str(frame["id"].dtype) == "Int64" and str(frame["kind"].dtype) == "UInt8"
    assert frame["id"].iloc[0] == large


def test_without_pandas_the_command_that_installs_it_is_named(db, rows, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(fs.MissingExtra, match=r"pip install 'flightstore\[pandas\]'"):
        db.candles("x:Y", "1m", output="pandas")


def test_series_lists_what_is_stored_with_metadata_as_json(server, db, fake) -> None:
    described = {name: [None, None] for name in CATALOG.names}
    described |= {"dataset": ["candles"] * 2, "metadata": [[("source", "ccxt")], []]}
    table = pa.table(described, schema=CATALOG)
    server.script.read = lambda _: fake.stream.plain(table)
    frame = db.series("binance:*", dataset="candles", timeframe="1m", snapshot="s")
    assert frame["metadata"].to_list() == ['{"source": "ccxt"}', "{}"]
    assert frame["metadata"].str.json_path_match("$.source").to_list() == ["ccxt", None]
    assert db.series(output="arrow").schema == CATALOG
    first, second = (ticket.catalog for ticket in server.tickets)
    assert first == pb.CatalogRequest(
        dataset="candles", instruments=["binance:*"], timeframe="1m", snapshot="s"
    )
    assert second == pb.CatalogRequest()


def test_gaps_are_a_frame_of_ranges_with_reasons(server, db, fake) -> None:
    row = {"start": 0, "end": 120_000_000_000, "missing": 2, "reason": "not fetched"}
    server.script.read = lambda _: fake.stream.plain(pa.Table.from_pylist([row], schema=GAPS))
    gaps = db.gaps("x:Y", "1m", "2024", snapshot="s")
    assert gaps.columns == ["start", "end", "missing", "reason"]
    assert gaps.row(0) == (
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(1970, 1, 1, 0, 2, tzinfo=UTC),
        2,
        "not fetched",
    )
    db.gaps("x:Y", "1m", confirmed=True)
    first, second = (ticket.gaps for ticket in server.tickets)
    assert first.series == pb.Series(dataset="candles", instrument="x:Y", timeframe="1m")
    assert (first.range.start, first.snapshot) == (1_704_067_200_000_000_000, "s")
    assert (first.confirmed, second.confirmed) == (False, True)


def test_coverage_is_a_frame_of_ranges(server, db) -> None:
    server.script.actions["coverage"] = lambda _: [pb.Ranges(ranges=[pb.TimeRange(start=0)])]
    covered = db.coverage("x:Y", "1m", "2024", snapshot="s", output="arrow")
    assert covered["end"].to_pylist() == [None]
    asked = pb.RangeRequest.FromString(server.asked[1][1])
    assert asked.series == pb.Series(dataset="candles", instrument="x:Y", timeframe="1m")
    assert (asked.range.start, asked.snapshot) == (1_704_067_200_000_000_000, "s")
