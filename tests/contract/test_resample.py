"""Bars of timeframes that are not stored: what they are made of, and what if nothing fits."""

from __future__ import annotations

import threading
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.support import naive_bars, wire
from tests.support.naive_bars import window
from tests.support.rows import DAY, MINUTE, NOON_2024, candles, own
from tests.support.seeds import generator
from tests.support.serving import Serving
from tests.support.trade_batches import Trade, trades

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.schemas import SERIES_KEY

BTC, ETH, XRP = "binance:BTC/USDT", "binance:ETH/USDT", "kraken:XRP/EUR"
NEW_YORK = "America/New_York"
HOUR = 60 * MINUTE
MIDNIGHT = NOON_2024 - 12 * HOUR


def times(count: int, step: int = MINUTE, first: int = MIDNIGHT) -> list[int]:
    return [first + number * step for number in range(count)]


def ms(ns: int) -> int:
    return ns // 10**6


@pytest.fixture
def db(serving: Serving) -> fs.Client:
    """A client of a server with a day of minutes, whose closes are their numbers."""
    serving.db.write(BTC, candles(times(1_440), [float(n) for n in range(1_440)]), timeframe="1m")
    return serving.db


def described(serving: Serving, **asked: object) -> dict[str, dict[str, str]]:
    """The metadata of the series of an answer."""
    request = pb.ReadRequest(dataset="candles", resample=pb.Resample(), **asked)
    table = wire.get(serving.uri, pb.Ticket(read=request).SerializeToString())
    said = pb.StreamSeries.FromString(table.schema.metadata[SERIES_KEY])
    assert said.timeframe == asked["timeframe"]
    return {entry.instrument: dict(entry.metadata) for entry in said.series}


def source_of(serving: Serving, timeframe: str, **calendar: str) -> str:
    resample = pb.Resample(**calendar)
    request = pb.ReadRequest(
        dataset="candles", instruments=[BTC], timeframe=timeframe, resample=resample
    )
    table = wire.get(serving.uri, pb.Ticket(read=request).SerializeToString())
    [entry] = pb.StreamSeries.FromString(table.schema.metadata[SERIES_KEY]).series
    return entry.metadata.get("resampled_from", "")


def test_bars_are_made_of_stored_minutes(db: fs.Client) -> None:
    made = db.candles(BTC, "7m")
    first = MIDNIGHT // (7 * MINUTE) * 7 * MINUTE
    inside = (first + 7 * MINUTE - MIDNIGHT) // MINUTE
    assert made["ts"].dt.timestamp("ns").to_list() == times(made.height, 7 * MINUTE, first)
    assert made["close"].to_list() == [*range(inside - 1, 1_440, 7), 1_439]


def test_a_stored_series_of_the_timeframe_is_read_as_it_is(db: fs.Client, serving: Serving) -> None:
    db.write(BTC, candles(times(3, HOUR), 7.0), timeframe="1h")
    assert db.candles(BTC, "1h")["close"].to_list() == [7.0, 7.0, 7.0]
    assert source_of(serving, "1h") == ""


def test_a_source_that_is_named_goes_before_what_is_stored(db: fs.Client) -> None:
    db.write(BTC, candles(times(3, HOUR), 7.0), timeframe="1h")
    assert db.candles(BTC, "1h", resample_from="1m")["close"].to_list()[:2] == [59.0, 119.0]


def test_read_makes_bars_only_if_it_is_told_of_what(db: fs.Client) -> None:
    with pytest.raises(fs.UnknownInstrument, match="kept as 1m candles"):
        db.read("candles", BTC, "1h")
    assert db.read("candles", BTC, "1h", resample_from="1m").height == 24
    assert db.read("candles", BTC, "1d", timezone=NEW_YORK).height == 2


@pytest.mark.parametrize(
    ("timeframe", "zone", "source"),
    [
        *(("1h", "", "candles 15m"), ("1d", "", "candles 15m"), ("1M", "", "candles 15m")),
        *(("20m", "", "candles 1m"), ("7m", "", "candles 1m"), ("30s", "", "trades")),
        *(("1d", "Asia/Kathmandu", "candles 15m"), ("1d", "Africa/Monrovia", "candles 15m")),
        ("10tick", "", "trades"),
    ],
)
def test_the_longest_candles_that_fit_are_taken_and_trades_otherwise(
    db: fs.Client, serving: Serving, timeframe: str, zone: str, source: str
) -> None:
    db.write(BTC, candles(times(4, 15 * MINUTE)), timeframe="15m")
    db.write(BTC, trades([(MIDNIGHT, 1.0, 1.0)]), dataset="trades")
    assert source_of(serving, timeframe, timezone=zone) == source


def test_candles_that_lie_across_the_days_end_are_not_taken(
    db: fs.Client, serving: Serving
) -> None:
    db.write(BTC, candles(times(4, HOUR)), timeframe="1h")
    assert source_of(serving, "1d", timezone=NEW_YORK) == "candles 1h"
    assert source_of(serving, "1d", timezone="Asia/Kolkata") == "candles 1m"
    assert source_of(serving, "1d", timezone=NEW_YORK, offset="90m") == "candles 1m"
    with pytest.raises(fs.BadRequest, match="Bars of 1h may lie across the day's end in Asia/Kol"):
        db.candles(BTC, "1d", resample_from="1h", timezone="Asia/Kolkata")


def test_series_without_rows_or_with_a_free_grid_are_no_source(
    db: fs.Client, serving: Serving
) -> None:
    db.write(BTC, candles(times(4, 30 * MINUTE, MIDNIGHT + 1)), timeframe="30m", grid="free")
    db.write(BTC, candles([]), timeframe="15m", covers=(ms(MIDNIGHT), ms(NOON_2024)))
    assert source_of(serving, "1h") == "candles 1m"


def test_a_series_that_has_lost_its_rows_makes_no_bars_and_is_no_error(db: fs.Client) -> None:
    """It was said that there are no candles to make them of, and in the same breath that there
    are."""
    db.write(ETH, candles(times(4)), timeframe="1m")
    db.delete(ETH, timeframe="1m", start=0, end=ms(2 * NOON_2024))
    assert db.candles(ETH, "1h").is_empty()
    assert db.candles(ETH, "1h", resample_from="1m").is_empty()
    assert db.candles("*", "1h").height == 24


def test_what_is_said_of_the_base_is_said_of_the_bars(db: fs.Client, serving: Serving) -> None:
    db.describe(BTC, timeframe="1m", metadata={"volume_unit": "base", "error": "none of theirs"})
    [said] = described(serving, instruments=[BTC], timeframe="1h").values()
    assert said == {"resampled_from": "candles 1m", "volume_unit": "base"}


def test_a_pattern_gives_each_instrument_from_its_own_source(
    db: fs.Client, serving: Serving
) -> None:
    db.write(ETH, candles(times(2, HOUR), 7.0), timeframe="1h")
    db.write(
        XRP, trades([(MIDNIGHT + n * MINUTE, float(n), 1.0) for n in range(90)]), dataset="trades"
    )
    db.write("kraken:OTHER/EUR", candles(times(2, DAY)), timeframe="1d")
    said = described(serving, instruments=["*"], timeframe="1h")
    sources = {name: metadata.get("resampled_from") for name, metadata in said.items()}
    assert sources == {BTC: "candles 1m", ETH: None, XRP: "trades"}
    wide = db.candles("*", "1h", limit=2, columns="close", layout="wide")
    assert wide.drop("ts").to_dict(as_series=False) == {BTC: [59, 119], ETH: [7, 7], XRP: [59, 89]}
    frames = db.candles(["kraken:*", BTC], "1h", layout="dict", output="arrow")
    assert {name: frame.num_rows for name, frame in frames.items()} == {BTC: 24, XRP: 2}


def test_an_instrument_without_a_source_does_not_hide_the_others(db: fs.Client) -> None:
    db.write(ETH, candles(times(2, DAY)), timeframe="1d")
    with pytest.warns(fs.PartialReadWarning, match="It is kept as 1d candles"):
        frame = db.candles([BTC, ETH], "1h")
    assert frame.height == 24


def test_no_source_and_what_is_stored_are_named(db: fs.Client) -> None:
    with pytest.raises(fs.UnknownInstrument, match=r"no 30s candles .* It is kept as 1m candles"):
        db.candles(BTC, "30s")
    with pytest.raises(fs.UnknownInstrument, match="Did you mean binance:BTC/USDT") as caught:
        db.candles("binance:BTC/USDC", "1h")
    assert caught.value.suggestions == (BTC,)
    with pytest.raises(fs.UnknownInstrument, match="no trades to make them of"):
        db.candles(BTC, "1h", resample_from="trades")
    with pytest.raises(fs.UnknownInstrument, match="'kraken:"):
        db.candles("kraken:*", "1h")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"resample_from": "7m"}, "cannot be made of bars of 7m"),
        ({"resample_from": "1h"}, "cannot be made of bars of 1h"),
        ({"resample_from": "5min"}, "'5min' is not a timeframe"),
        ({"timezone": "America/NewYork"}, "Did you mean America/New_York"),
        ({"offset": "25h"}, "not an offset within a day"),
    ],
)
def test_bars_that_cannot_be_are_refused(db: fs.Client, options: dict[str, str], said: str) -> None:
    with pytest.raises(fs.BadRequest, match=said):
        db.candles(BTC, "1h", **options)


def test_bars_by_count_are_made_of_trades_alone(db: fs.Client) -> None:
    with pytest.raises(fs.BadRequest, match="are made of trades, and nothing of them"):
        db.candles(BTC, "10tick", resample_from="1m")


def test_other_datasets_are_read_as_they_are(db: fs.Client) -> None:
    db.write(BTC, own(times(2), rate=[1.0, 2.0]), dataset="funding")
    with pytest.raises(fs.BadRequest, match="the dataset 'funding' is read as it is stored"):
        db.read("funding", BTC, timezone=NEW_YORK)
    with db.batches(BTC, dataset="funding") as batches:
        assert sum(batch.num_rows for batch in batches) == 2


def test_batches_are_made_as_well(db: fs.Client) -> None:
    with db.batches([BTC], "1h", columns=["close"], tail=2) as batches:
        [batch] = list(batches)
    assert batch.schema.names == ["exchange", "symbol", "ts", "close"]
    assert batch.column("close").to_pylist() == [1_379.0, 1_439.0]


@pytest.mark.parametrize("offset", ["", "17h"])
def test_days_begin_where_the_zone_says(db: fs.Client, offset: str) -> None:
    late = timedelta(hours=int(offset[:-1] or 0)) if offset else timedelta()
    rows = [
        (ts, n - 0.25, n + 1.0, n - 1.0, float(n), n * 2.0) for n, ts in enumerate(times(1_440))
    ]
    expected = naive_bars.bars(rows, lambda ts: window(ts, "1d", NEW_YORK, late)[0])
    made = db.candles(BTC, "1d", timezone=NEW_YORK, offset=offset, tz=NEW_YORK)
    assert made["ts"].dt.timestamp("ns").to_list() == [bar[0] for bar in expected]
    assert set(made["ts"].dt.hour()) == {17 if offset else 0}
    assert made["volume"].to_list() == [bar[5] for bar in expected]


def test_a_kept_series_is_read_if_its_calendar_is_the_one_asked_for(
    db: fs.Client, serving: Serving
) -> None:
    db.rules.add("candles/*/1m", "1d", timezone=NEW_YORK)
    in_new_york = db.candles(BTC, "1d")
    assert in_new_york.equals(db.candles(BTC, "1d", timezone=NEW_YORK))
    assert source_of(serving, "1d", timezone=NEW_YORK) == ""
    assert source_of(serving, "1d", timezone="UTC") == "candles 1m"
    assert db.candles(BTC, "1d", timezone="UTC")["close"].to_list() == [1_439.0]
    assert source_of(serving, "1d", timezone=NEW_YORK, offset="17h") == "candles 1m"


def test_what_is_late_is_in_bars_made_of_kept_ones(db: fs.Client, serving: Serving) -> None:
    db.rules.add("candles/*/1m", "15m")
    assert source_of(serving, "1h") == "candles 15m"
    db.write(BTC, candles([MIDNIGHT + 61 * MINUTE], 5_000.0), timeframe="1m")
    made = db.candles(BTC, "1h", ms(MIDNIGHT + HOUR), ms(MIDNIGHT + 2 * HOUR))
    assert made.select("open", "high", "close").row(0) == (59.75, 5_001.0, 119.0)


def test_a_snapshot_keeps_the_bars_as_they_were(db: fs.Client) -> None:
    before = db.candles(BTC, "1h")
    db.snapshot("before")
    db.write(BTC, candles(times(1_440), 3.0), timeframe="1m")
    assert db.candles(BTC, "1h", snapshot="before").equals(before)
    assert db.candles(BTC, "1h")["close"].to_list() == [3.0] * 24


def test_windows_that_are_not_over_are_left_out(db: fs.Client) -> None:
    db.write(BTC, candles([MIDNIGHT + DAY]), timeframe="1m")
    assert db.candles(BTC, "7h").height == 5
    assert db.candles(BTC, "7h", closed=True).height == 4
    assert db.candles(BTC, "1d", closed=True).height == 1
    db.write(BTC, candles([]), timeframe="1m", covers=(ms(MIDNIGHT), ms(MIDNIGHT + 2 * DAY)))
    assert db.candles(BTC, "7h", closed=True).height == 5
    assert db.candles(BTC, "1d", closed=True).height == 2


def test_strict_wants_the_whole_windows_complete(db: fs.Client) -> None:
    half_past = ms(MIDNIGHT + 90 * MINUTE)
    db.write(BTC, candles([]), timeframe="1m", covers=(ms(MIDNIGHT - HOUR), half_past))
    whole = db.candles(BTC, "1h", ms(MIDNIGHT - HOUR), ms(MIDNIGHT + HOUR), strict=True)
    assert whole.height == 1
    db.delete(BTC, timeframe="1m", start=ms(MIDNIGHT + 100 * MINUTE), end=ms(MIDNIGHT + DAY))
    with pytest.raises(fs.MissingCoverage, match=r"T01:40:00Z to .*T02:00:00Z"):
        db.candles(BTC, "1h", ms(MIDNIGHT), half_past, strict=True)
    with pytest.raises(fs.MissingCoverage):
        db.candles([BTC], "1h", ms(MIDNIGHT), half_past, strict=True, closed=True)


def some_trades(count: int) -> list[Trade]:
    rng = generator("trades")
    at, found = MIDNIGHT, []
    for _ in range(count):
        at += rng.choice([0, 1, 10**9, 90 * MINUTE])
        found.append((at, 100 + rng.random(), rng.choice([0.25, 1.0, 3.0])))
    return found


@pytest.mark.parametrize("timeframe", ["1tick", "7tick", "5volume", "0.5volume", "1000dollar"])
def test_bars_by_count_are_those_of_a_loop(serving: Serving, timeframe: str) -> None:
    rows = some_trades(400)
    serving.db.write(BTC, trades(rows), dataset="trades")
    expected = naive_bars.counted(rows, timeframe, lambda ts: window(ts, "1d")[0])
    made = serving.db.candles(BTC, timeframe)
    assert _bars(made) == expected
    assert _bars(serving.db.candles(BTC, timeframe, limit=5)) == expected[:5]
    assert _bars(serving.db.candles(BTC, timeframe, tail=25)) == expected[-25:]
    first, end = len(expected) // 4, len(expected) // 2
    low, high = (np.datetime64(expected[at][0], "ns") for at in (first, end))
    assert _bars(serving.db.candles(BTC, timeframe, low, high)) == expected[first:end]


def _bars(frame: pl.DataFrame) -> list[tuple[object, ...]]:
    return frame.with_columns(pl.col("ts").dt.timestamp("ns")).rows()


def test_the_last_bar_by_count_is_over_once_it_is_full_or_its_day_is(serving: Serving) -> None:
    db, rows = serving.db, [(MIDNIGHT + n, 1.0, 1.0) for n in range(6)]
    db.write(BTC, trades(rows[:5]), dataset="trades")
    assert db.candles(BTC, "3tick").height == 2
    assert db.candles(BTC, "3tick", closed=True).height == 1
    assert db.candles(BTC, "3tick", closed=True, tail=5).height == 1
    db.write(BTC, trades(rows), dataset="trades")
    assert db.candles(BTC, "3tick", closed=True).height == 2
    db.write(BTC, trades([*rows, (MIDNIGHT + 7, 1.0, 1.0)]), dataset="trades")
    assert db.candles(BTC, "3tick", closed=True).height == 2
    later = trades([*rows, (MIDNIGHT + 7, 1.0, 1.0), (MIDNIGHT + DAY, 1.0, 1.0)])
    db.write(BTC, later, dataset="trades")
    assert db.candles(BTC, "3tick", closed=True).height == 3


def test_bars_hold_whole_writes_while_somebody_writes(db: fs.Client) -> None:
    """Every hour that is read is a beginning of what the writer has written by then."""
    stop = threading.Event()

    def write() -> None:
        number = 1_440
        with db.writer("candles", "1m") as writer:
            while not stop.is_set():
                at = [MIDNIGHT + (number + n) * MINUTE for n in range(20)]
                writer.write(BTC, candles(at, [float(number + n) for n in range(20)])).result()
                number += 20

    thread = threading.Thread(target=write)
    thread.start()
    try:
        counts = [_check_hours(db.candles(BTC, "1h")) for _ in range(60)]
    finally:
        stop.set()
        thread.join()
    assert all(earlier <= later for earlier, later in pairwise(counts))


def _check_hours(made: pl.DataFrame) -> int:
    """How many minutes the bars are made of; each must hold all of them, or be the last."""
    last = int(made["close"][-1])
    closes = [min(hour * 60 + 59, last) for hour in range(made.height)]
    assert made["close"].to_list() == closes
    assert made["open"].to_list() == [hour * 60 - 0.25 for hour in range(made.height)]
    volumes = np.diff([0, *(close * (close + 1) for close in closes)])
    assert made["volume"].to_list() == volumes.tolist()
    assert last % 20 == 19
    return last


def test_a_damaged_base_is_an_error_and_does_not_hide_the_others(
    db: fs.Client, serving: Serving
) -> None:
    db.flush()
    [file] = Path(serving.root, "segments").rglob("*.arrow")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    serving.db.write(ETH, candles(times(60)), timeframe="1m")
    serving.restart()
    file.write_bytes(data)
    with pytest.raises(fs.Corrupt, match=r"\.arrow is damaged between offset"):
        serving.db.candles(BTC, "1h", fill="null")
    with pytest.warns(fs.PartialReadWarning, match=r"\.arrow is damaged"):
        frame = serving.db.candles("*", "1h")
    assert frame["symbol"].to_list() == ["ETH/USDT"]
