"""Reads of many series: which, in what order, with what, and how much of each."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pyarrow as pa
import pytest
from tests.support import wire
from tests.support.rows import MINUTE, NOON_2024, candles
from tests.support.serving import Serving
from tests.support.stores import SMALL

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb

TIMES = [NOON_2024 + minute * MINUTE for minute in range(10)]
NAMES = ["binance:BTC/USDT", "binance:BTC/USDT:USDT", "binance:ETH/USDT", "kraken:BTC/EUR"]


@pytest.fixture
def db(serving: Serving) -> fs.Client:
    """Series of 10 bars each, written in no order; the second is partly in a segment."""
    for value, name in reversed(list(enumerate(NAMES))):
        serving.db.write(name, candles(TIMES, value), timeframe="1m")
        if value == 1:
            serving.db.flush()
    return serving.db


def _names(frame: pl.DataFrame) -> list[str]:
    pairs = frame.select("exchange", "symbol").unique(maintain_order=True).rows()
    return [f"{exchange}:{symbol}" for exchange, symbol in pairs]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*", NAMES),
        ("binance:*", NAMES[:3]),
        ("*:BTC/*", [NAMES[0], NAMES[1], NAMES[3]]),
        ("binance:*/USDT", [NAMES[0], NAMES[2]]),
        ("binance:*:USDT", NAMES[1:2]),
        ("binance:???/USDT", [NAMES[0], NAMES[2]]),
        ("k*:*", NAMES[3:]),
        ([NAMES[2], NAMES[0]], [NAMES[0], NAMES[2]]),
        ([NAMES[2], "kraken:*", NAMES[2]], [NAMES[2], NAMES[3]]),
    ],
    ids=str,
)
def test_names_and_patterns_are_served_in_the_order_of_names(
    db: fs.Client, pattern: str | list[str], found: list[str]
) -> None:
    frame = db.candles(pattern, "1m")
    assert _names(frame) == found
    assert frame.height == 10 * len(found)
    assert frame["ts"].to_list() == db.candles(NAMES[0], "1m")["ts"].to_list() * len(found)
    assert frame["close"].to_list() == [float(NAMES.index(n)) for n in found for _ in TIMES]


def test_limit_and_tail_count_for_each_series(db: fs.Client) -> None:
    first, last = db.candles("*", "1m", limit=2), db.candles("*", "1m", tail=3)
    assert (first.height, last.height) == (8, 12)
    assert first["ts"].to_list()[:2] == db.candles(NAMES[0], "1m")["ts"].to_list()[:2]
    assert last["ts"].to_list()[:3] == db.candles(NAMES[0], "1m")["ts"].to_list()[-3:]


def test_a_projection_gives_the_columns_asked_for_after_ts(db: fs.Client) -> None:
    assert db.candles(NAMES[0], "1m", columns=["close", "open"]).columns == ["ts", "close", "open"]
    wide = db.candles("*", "1m", columns=["close"], layout="wide")
    assert wide.columns == ["ts", *NAMES]
    assert wide.row(0)[1:] == (0.0, 1.0, 2.0, 3.0)


def test_a_client_of_another_language_gets_the_identity_as_columns(
    serving: Serving, db: fs.Client
) -> None:
    for identity in (pb.ReadRequest.IDENTITY_AUTO, pb.ReadRequest.IDENTITY_COLUMNS):
        read = pb.ReadRequest(
            dataset="candles", instruments=["*"], timeframe="1m", limit=1, identity=identity
        )
        table = wire.get(serving.uri, pb.Ticket(read=read).SerializeToString())
        pairs = zip(table["exchange"].to_pylist(), table["symbol"].to_pylist(), strict=True)
        assert [f"{exchange}:{symbol}" for exchange, symbol in pairs] == NAMES


def test_metadata_is_handed_out_with_every_read(serving: Serving, db: fs.Client) -> None:
    db.describe(NAMES[0], timeframe="1m", metadata={"volume": "base", "source": "x"})
    db.describe(NAMES[0], timeframe="1m", metadata={"source": ""})
    for stage in (lambda: None, serving.tidy, serving.restart):
        stage()
        read = pb.ReadRequest(dataset="candles", instruments=[NAMES[0]], timeframe="1m")
        table = wire.get(serving.uri, pb.Ticket(read=read).SerializeToString())
        said = pb.StreamSeries.FromString(table.schema.metadata[b"flightstore.series"])
        assert (said.dataset, said.timeframe) == ("candles", "1m")
        assert [(e.instrument, dict(e.metadata)) for e in said.series] == [
            (NAMES[0], {"volume": "base"})
        ]


def test_metadata_can_come_with_a_write(db: fs.Client) -> None:
    db.write(NAMES[0], candles(TIMES), timeframe="1m", metadata={"a": "1", "b": "2"})
    db.write(NAMES[0], candles(TIMES), timeframe="1m", metadata={"b": "", "c": "3"})
    [found] = db.series(NAMES[0], output="arrow").column("metadata").to_pylist()
    assert dict(found) == {"a": "1", "c": "3"}


def test_a_thousand_small_series_share_batches(serving: Serving) -> None:
    names = [f"x:COIN{number:04}/USDT" for number in range(1_000)]
    serving.db.write_many({name: candles(TIMES[:3]) for name in names}, timeframe="1m")
    for stage in (lambda: None, serving.tidy, serving.restart):
        stage()
        with serving.db.batches("x:*", "1m") as stream:
            batches = list(stream)
        assert len(batches) == 1
        frame = serving.db.candles("x:*", "1m")
        assert _names(frame) == names
        assert frame.height == 3_000


def test_cold_segments_are_compressed_and_read_the_same(serving: Serving) -> None:
    rows = candles([NOON_2024 + n * MINUTE for n in range(5_000)], range(5_000))
    serving.db.write("x:A", rows, timeframe="1m")
    serving.db.flush()
    before = serving.db.candles("x:A", "1m", output="arrow")
    [plain] = (serving.root / "segments").rglob("*.arrow")
    size = plain.stat().st_size
    serving.restart(replace(SMALL, cold_age_days=1.0, segment_rows_max=10_000))
    serving.upkeep()
    [cold] = (serving.root / "segments").rglob("*.arrow")
    assert cold.stat().st_size < size / 2
    assert serving.db.candles("x:A", "1m", output="arrow").equals(before)
    late = serving.db.candles("x:A", "1m", tail=1, output="arrow")
    assert late.equals(before.slice(4_999))
    serving.db.write("x:A", candles([NOON_2024], 7.0), timeframe="1m")
    found = serving.db.candles("x:A", "1m", output="arrow")
    assert found.slice(1).equals(before.slice(1))
    assert found.column("close")[0].as_py() == 7.0


def test_what_a_read_returns_is_arrow_that_validates(db: fs.Client) -> None:
    for table in (
        db.candles("*", "1m", output="arrow"),
        db.candles(NAMES[1], "1m", output="arrow"),
        pa.Table.from_batches(db.batches("*", "1m")),
    ):
        table.validate(full=True)
