"""Rows for the times that have none, and bars named by their close."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pyarrow as pa
import pytest
from tests.support import wire
from tests.support.rows import DAY, MINUTE, NOON_2024, candles, own
from tests.support.serving import Serving
from tests.support.trade_batches import trades

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb

BTC, ETH = "binance:BTC/USDT", "binance:ETH/USDT"
HOUR = 60 * MINUTE
NEW_YORK = "America/New_York"
# Minutes 0, 1, 4 and 7 after noon.
PRESENT = [0, 1, 4, 7]


def at(minute: int) -> datetime:
    return datetime(2024, 1, 1, 12, tzinfo=UTC) + timedelta(minutes=minute)


@pytest.fixture
def db(serving: Serving) -> fs.Client:
    rows = candles([NOON_2024 + n * MINUTE for n in PRESENT], [float(n) for n in PRESENT])
    serving.db.write(BTC, rows, timeframe="1m")
    return serving.db


def closes(frame: pl.DataFrame) -> dict[int, float | None]:
    """The closes by minutes after noon."""
    minutes = [(ts - at(0)) // timedelta(minutes=1) for ts in frame["ts"]]
    return dict(zip(minutes, frame["close"].to_list(), strict=True))


def test_null_says_nothing_of_absent_bars(db: fs.Client) -> None:
    frame = db.candles(BTC, "1m", fill="null")
    assert closes(frame) == {0: 0, 1: 1, 2: None, 3: None, 4: 4, 5: None, 6: None, 7: 7}
    assert frame.drop_nulls().equals(db.candles(BTC, "1m"))


def test_ffill_stays_at_the_close_without_volume(db: fs.Client) -> None:
    frame = db.candles(BTC, "1m", fill="ffill")
    assert frame.row(3)[1:] == (1.0, 1.0, 1.0, 1.0, 0.0)
    plain = db.candles(BTC, "1m")
    upsampled = plain.upsample("ts", every="1m").with_columns(pl.col("volume").fill_null(0.0))
    close = pl.col("close").forward_fill()
    names = ["open", "high", "low", "close"]
    assert frame.equals(upsampled.with_columns(pl.col(name).fill_null(close) for name in names))


def test_ffill_begins_with_the_row_before_the_range(db: fs.Client) -> None:
    assert closes(db.candles(BTC, "1m", at(2), at(4), fill="ffill")) == {2: 1, 3: 1}
    assert closes(db.candles(BTC, "1m", at(2), at(4), fill="null")) == {2: None, 3: None}


def test_a_series_is_filled_from_its_first_row_to_its_last(db: fs.Client) -> None:
    whole = closes(db.candles(BTC, "1m", fill="ffill"))
    assert closes(db.candles(BTC, "1m", at(-99), at(99), fill="ffill")) == whole
    assert db.candles(BTC, "1m", at(-99), at(0), fill="ffill").height == 0
    assert db.candles(BTC, "1m", at(8), at(99), fill="null").height == 0


def test_a_series_is_filled_to_where_it_is_known_complete(db: fs.Client) -> None:
    db.write(BTC, candles([]), timeframe="1m", covers=(at(-5), at(10)))
    assert list(closes(db.candles(BTC, "1m", fill="null"))) == list(range(10))
    assert closes(db.candles(BTC, "1m", at(9), fill="ffill")) == {9: 7}
    assert list(closes(db.candles(BTC, "3m", fill="null"))) == [0, 3, 6, 9]
    assert list(closes(db.candles(BTC, "3m", fill="null", closed=True))) == [0, 3, 6]


def test_an_empty_series_has_nothing_to_fill(db: fs.Client) -> None:
    db.write(ETH, candles([]), timeframe="1m", covers=(at(0), at(10)))
    assert db.candles(ETH, "1m", fill="null").height == 0


def test_limit_and_tail_count_filled_rows(db: fs.Client) -> None:
    assert closes(db.candles(BTC, "1m", fill="ffill", limit=3)) == {0: 0, 1: 1, 2: 1}
    assert closes(db.candles(BTC, "1m", fill="ffill", tail=3)) == {5: 4, 6: 4, 7: 7}
    assert closes(db.candles(BTC, "1m", fill="ffill", tail=99))[3] == 1


def test_columns_are_filled_without_those_that_are_not_wanted(db: fs.Client) -> None:
    frame = db.candles(BTC, "1m", columns=["open"], fill="ffill", limit=4)
    assert frame.columns == ["ts", "open"]
    assert frame["open"].to_list() == [-0.25, 0.75, 1.0, 1.0]


def test_bars_that_are_made_are_filled_in_their_zone(db: fs.Client) -> None:
    db.write(BTC, candles([NOON_2024 + 95 * DAY]), timeframe="1m")
    days = db.candles(BTC, "1d", fill="ffill", timezone=NEW_YORK, tz=NEW_YORK)
    assert days.height == 96
    assert set(days["ts"].dt.hour()) == {0}
    assert set(days["close"].to_list()) == {7.0, 1.0}


def test_bars_that_a_rule_keeps_in_a_zone_are_filled_too(db: fs.Client) -> None:
    db.write(BTC, candles([NOON_2024 + 95 * DAY]), timeframe="1m")
    db.rules.add("candles/*/1m", "1d", timezone=NEW_YORK)
    kept = db.read("candles", BTC, "1d", fill="ffill", label="close", tz=NEW_YORK)
    assert kept.equals(
        db.candles(
            BTC, "1d", fill="ffill", label="close", timezone=NEW_YORK, resample_from="1m",
            tz=NEW_YORK,
        )
    )  # fmt: skip


def test_own_datasets_repeat_the_row_before(db: fs.Client) -> None:
    hours = [NOON_2024, NOON_2024 + 3 * HOUR]
    rows = own(hours, rate=[1.5, 2.5], source=["a", None], count=pa.array([1, 2], pa.int32()))
    db.write(BTC, rows, dataset="funding", timeframe="1h")
    filled = db.read("funding", BTC, "1h", fill="ffill")
    assert filled.drop("ts").rows() == [(1.5, "a", 1)] * 3 + [(2.5, None, 2)]
    nulls = db.read("funding", BTC, "1h", fill="null", columns=["count", "source"])
    assert nulls.drop("ts").rows() == [(1, "a"), (None, None), (None, None), (2, None)]


def test_a_hole_of_many_rows_comes_in_batches_of_bounded_size(db: fs.Client) -> None:
    db.write(BTC, candles([NOON_2024 + 150_000 * MINUTE]), timeframe="1m")
    with db.batches(BTC, "1m", fill="ffill") as batches:
        sizes = [batch.num_rows for batch in batches]
    assert sum(sizes) == 150_001
    assert max(sizes) <= 65_536


def test_nulls_are_announced_in_the_schema(db: fs.Client, serving: Serving) -> None:
    db.write(ETH, candles([NOON_2024]), timeframe="1m")
    request = pb.ReadRequest(
        dataset="candles",
        instruments=["*"],
        timeframe="1m",
        fill=pb.ReadRequest.FILL_NULL,
        identity=pb.ReadRequest.IDENTITY_COLUMNS,
    )
    table = wire.get(serving.uri, pb.Ticket(read=request).SerializeToString())
    nullable = [field.name for field in table.schema if field.nullable]
    assert nullable == ["open", "high", "low", "close", "volume"]
    assert table.column("close").null_count == 4
    assert table.column("symbol").to_pylist() == ["BTC/USDT"] * 8 + ["ETH/USDT"]


def test_a_fill_that_nobody_knows_is_refused(db: fs.Client, serving: Serving) -> None:
    request = pb.ReadRequest(dataset="candles", instruments=[BTC], timeframe="1m")
    request.fill = 77
    with pytest.raises(fs.BadRequest, match="knows no fill 77"):
        wire.get(serving.uri, pb.Ticket(read=request).SerializeToString())


def test_many_series_are_filled_each_in_its_own_life(db: fs.Client) -> None:
    db.write(ETH, candles([NOON_2024 + n * MINUTE for n in (5, 9)]), timeframe="1m")
    frame = db.candles("*", "1m", at(4), fill="null", columns="close", layout="wide")
    assert frame[BTC].to_list() == [4, None, None, 7, None, None]
    assert frame[ETH].to_list() == [None, 1, None, None, None, 1]


def test_close_is_the_end_of_the_window_and_ranges_speak_of_opens(db: fs.Client) -> None:
    frame = db.candles(BTC, "1m", at(1), at(4), label="close")
    assert frame["ts"].to_list() == [at(2)]
    months = db.candles(BTC, "1M", label="close")
    assert months["ts"].to_list() == [datetime(2024, 2, 1, tzinfo=UTC)]


def test_the_end_of_a_day_is_where_the_clock_says(db: fs.Client) -> None:
    before = NOON_2024 + 69 * DAY  # 2024-03-10, which had 23 hours in New York
    db.write(BTC, candles([before, before + DAY]), timeframe="1m")
    days = db.candles(BTC, "1d", tail=2, timezone=NEW_YORK, label="close", tz=NEW_YORK)
    assert [str(ts)[:19] for ts in days["ts"]] == ["2024-03-11 00:00:00", "2024-03-12 00:00:00"]


@pytest.mark.parametrize("option", [{"fill": "null"}, {"fill": "ffill"}, {"label": "close"}])
def test_what_has_no_grid_is_neither_filled_nor_labelled(
    db: fs.Client, option: dict[str, str]
) -> None:
    db.write(BTC, trades([(NOON_2024, 1.0, 1.0)]), dataset="trades")
    with pytest.raises(fs.BadRequest, match="has no timeframe"):
        db.read("trades", BTC, **option)
    with pytest.raises(fs.BadRequest, match="10tick has bars by count"):
        db.candles(BTC, "10tick", **option)
    db.write(ETH, candles([NOON_2024 + 1]), timeframe="1m", grid="free")
    with pytest.raises(fs.BadRequest, match="was created with a free grid"):
        db.candles(ETH, "1m", **option)
    with pytest.raises(fs.BadRequest, match="was created with a free grid"):
        db.candles("binance:*", "1m", strict=True, **option)
    with pytest.raises(fs.BadRequest, match="was created with a free grid"):
        db.candles([ETH], "1m", **option)
    with pytest.warns(fs.PartialReadWarning, match="was created with a free grid"):
        assert set(db.candles("binance:*", "1m", **option)["symbol"]) == {"BTC/USDT"}


@pytest.mark.parametrize("option", [{"fill": "null"}, {"label": "close"}])
def test_a_row_beside_the_grid_is_named(db: fs.Client, option: dict[str, str]) -> None:
    rows = own([NOON_2024, NOON_2024 + 90 * MINUTE, NOON_2024 + 4 * HOUR], rate=[1.0, 2.0, 3.0])
    db.write(BTC, rows, dataset="funding", timeframe="1h")
    with pytest.raises(fs.BadRequest, match="a row at 2024-01-01T13:30:00Z, which is not the beg"):
        db.read("funding", BTC, "1h", **option)
    assert db.read("funding", BTC, "1h").height == 3


@pytest.mark.parametrize(
    ("option", "said"),
    [({"fill": "nul"}, "Did you mean 'null'"), ({"label": "end"}, "'open', 'close'")],
)
def test_words_that_are_none_of_the_choices_are_refused(
    db: fs.Client, option: dict[str, str], said: str
) -> None:
    with pytest.raises(fs.BadRequest, match=said):
        db.candles(BTC, "1m", **option)


def test_pandas_has_the_filled_rows_in_its_index(db: fs.Client) -> None:
    frame = db.candles(BTC, "1m", fill="null", label="close", output="pandas")
    assert len(frame) == 8
    assert frame["close"].isna().sum() == 4
    assert frame.index[0] == at(1)
