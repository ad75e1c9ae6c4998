"""Windows for training: holes, other datasets, and what cannot be served."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.support.recorded import bitfinex_bars
from tests.support.rows import MINUTE, NOON_2024, candles, minutes, own, trades
from tests.support.serving import Serving

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb

A, B, C = "x:A/USD", "x:B/USD", "x:C/USD"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Three small series."""
    serving = Serving(tmp_path_factory.mktemp("windows") / "data")
    for name, rows in {A: 300, B: 400, C: 50}.items():
        serving.db.write(name, minutes(range(rows)), timeframe="1m")
    yield serving
    serving.close()


@pytest.mark.data
def test_contiguous_windows_of_recorded_bars_have_no_hole(db: fs.Client, market_data: Path) -> None:
    bars = bitfinex_bars(market_data, "bitfinex/XRPUSD_1m_2019Q4.csv.xz")
    db.write("bitfinex:XRP/USD", bars, timeframe="1m")
    db.flush()
    ts = bars.column("ts").to_numpy().astype(np.int64)
    whole = [at for at in range(len(ts) - 29) if ts[at + 29] - ts[at] == 29 * MINUTE]
    assert 0 < len(whole) < len(ts) - 29
    windows = db.windows("bitfinex:XRP/USD", "1m", length=30, contiguous=True, shuffle=False)
    found = [int(s.astype(np.int64)) for _, _, starts in _in_batches(windows) for s in starts]
    assert found == ts[whole].tolist()
    every = db.windows("bitfinex:XRP/USD", "1m", length=30)
    assert every.total == len(ts) - 29


def _in_batches(windows: fs.Windows) -> Iterator[tuple[object, list[str], np.ndarray]]:
    for values, name, start in windows.with_names():
        yield values, [name], np.array([start])


@pytest.mark.parametrize("timeframe", ["1M", "1w"])
def test_bars_of_calendar_lengths_have_holes_too(db: fs.Client, timeframe: str) -> None:
    interval = {"1M": "1mo", "1w": "1w"}[timeframe]
    # 2018 begins with a Monday.
    times = pl.datetime_range(
        pl.datetime(2018, 1, 1), pl.datetime(2020, 1, 1), interval, time_unit="ns", eager=True
    )
    kept = times.gather([n for n in range(len(times)) if n != 13]).cast(pl.Int64)
    db.write(A, candles(kept.to_list()), timeframe=timeframe)
    windows = db.windows(A, timeframe, length=4, contiguous=True)
    assert windows.total == 10 + len(times) - 14 - 3
    for _, _, start in windows.with_names():
        first = times.to_list().index(start.astype("datetime64[us]").item())
        assert not first <= 13 < first + 4


def test_contiguous_is_refused_where_there_is_no_grid(db: fs.Client) -> None:
    db.write(A, trades([(NOON_2024 + n, str(n), 1.0) for n in range(9)]), dataset="trades")
    with pytest.raises(fs.BadRequest, match="contiguous=True is for candles on a grid"):
        db.windows(A, dataset="trades", length=3, contiguous=True)


def test_trades_are_windows_of_their_numbers(db: fs.Client) -> None:
    db.write(A, trades([(NOON_2024, str(n), 1.0 + n) for n in range(9)]), dataset="trades")
    windows = db.windows(A, dataset="trades", length=3, shuffle=False)
    assert windows.columns == ("price", "amount", "side")
    assert windows.total == 7  # though all of them share a nanosecond
    np.testing.assert_array_equal(next(iter(windows)), [[1, 2, 1], [2, 4, 1], [3, 6, 1]])
    with pytest.raises(fs.BadRequest, match="column 'id' is text"):
        db.windows(A, dataset="trades", length=3, columns=["price", "id"])


def test_times_and_nulls_are_numbers_too(db: fs.Client) -> None:
    rows = own([NOON_2024, NOON_2024 + 1_024], flag=[True, False], size=[None, 7])
    db.write(A, rows, dataset="own")
    [window] = db.windows(A, dataset="own", length=2, columns=["ts", "flag", "size"])
    np.testing.assert_array_equal(window, [[NOON_2024, 1, np.nan], [NOON_2024 + 1_024, 0, 7]])


def test_a_dataset_of_text_has_no_windows(db: fs.Client) -> None:
    db.write(A, own([NOON_2024], note=["x"]), dataset="notes")
    with pytest.raises(fs.BadRequest, match="No column of notes is a number"):
        db.windows(A, dataset="notes", length=1)


def test_an_unknown_name_among_others_is_warned_of(filled: Serving) -> None:
    with pytest.warns(fs.PartialReadWarning, match="x:Z/USD"):
        windows = filled.db.windows([C, "x:Z/USD"], "1m", length=50)
    assert windows.total == 1
    with pytest.raises(fs.UnknownInstrument, match=r"x:C/USX.*Did you mean"):
        filled.db.windows("x:C/USX", "1m", length=50)
    with pytest.raises(fs.UnknownColumn, match="clsoe"):
        filled.db.windows(C, "1m", length=50, columns=["clsoe"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 401}, "no window of 401 rows"),
        ({"length": 2**80}, "out of range"),
        ({"length": 0}, "length='0' is not a whole number of 1 or more"),
        ({"length": 1.5}, r"length='1.5' is not a whole number"),
        ({"stride": 0}, "stride='0'"),
        ({"batch": True}, "batch='True'"),
        ({"batch": 70_000}, "batch=70000 is more than 65536"),
        ({"seed": "x"}, "seed='x' is not a whole number"),
        ({"shard": (2, 2)}, r"shard=\(2, 2\) does not exist"),
        ({"shard": (-1, 2)}, "shard='-1' is not a whole number of 0 or more"),
        ({"shard": 3}, "shard='3' is not a pair"),
    ],
)
def test_what_makes_no_sense_is_refused(filled: Serving, options, message: str) -> None:
    with pytest.raises(fs.BadRequest, match=message):
        filled.db.windows("x:*", "1m", **{"length": 10, **options})


def test_more_shards_than_windows_leave_some_empty(filled: Serving) -> None:
    windows = filled.db.windows(C, "1m", length=50, shard=(1, 2))
    assert (len(windows), list(windows)) == (0, [])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"length": 0}, "length=0 is no window"),
        ({"series": [1, 0], "since": [0, 0], "first": [0, 0]}, "their numbers fall"),
        ({"series": [2]}, "of series 2, and 2 are named"),
        ({"first": []}, "must have the same length"),
        ({"first": [2**63]}, "beyond the end of candles x:A/USD 1m, which has 300"),
        ({"since": [2**62]}, "beyond the end"),
        ({"length": 2**63, "since": [-(2**63)]}, "beyond the end"),
        (
            {"series": [0] * 65_537, "since": [0] * 65_537, "first": [0] * 65_537},
            "too many at once",
        ),
        ({"instruments": [A, "x:Z/USD"]}, "x:Z/USD"),
        ({"instruments": ["x:*"]}, "named exactly"),
        ({"instruments": []}, "names no instrument"),
        ({"columns": ["nothing"]}, "no column 'nothing'"),
        ({"timeframe": "soon"}, "soon"),
        ({"snapshot": "never"}, "never"),
    ],
)
def test_a_request_that_cannot_be_served_is_one_sentence(
    filled: Serving, fields, message: str
) -> None:
    good = {
        "dataset": "candles",
        "timeframe": "1m",
        "instruments": [A, B],
        "length": 10,
        "series": [0],
        "since": [0],
        "first": [0],
    }
    request = pb.WindowsRequest(**{**good, **fields})
    with pytest.raises(fs.BadRequest, match=message):
        for _ in filled.db._connection.open_read(pb.Ticket(windows=request).SerializeToString()):
            pass
    assert filled.db.health().ready


def test_a_damaged_file_is_an_error_that_names_it(serving: Serving) -> None:
    with fs.connect(serving.uri, same_host=False) as db:
        db.write(A, minutes(range(2_000)), timeframe="1m")
        db.flush()
        windows = db.windows(A, "1m", length=50)
        [file] = serving.root.rglob("*.arrow")
        damaged = bytearray(file.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        file.write_bytes(damaged)
        with pytest.raises(fs.Corrupt, match=file.name):
            list(windows)
