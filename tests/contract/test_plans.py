"""Reads cut into parts: together they are the read, wherever each of them is read."""

from __future__ import annotations

import pickle
import random
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
from tests.support.recorded import binance_trades
from tests.support.rows import DAY, MINUTE, NOON_2024, candles, trades
from tests.support.seeds import generator
from tests.support.serving import Serving

import flightstore as fs

NAMES = [f"binance:S{number}/USDT" for number in range(8)]


@pytest.fixture
def db(serving: Serving) -> fs.Client:
    """Series of very different lengths and beginnings, with holes."""
    draw = random.Random(5)
    for number, name in enumerate(NAMES):
        first = NOON_2024 + draw.randrange(200) * MINUTE
        times = sorted(draw.sample(range(40 * (number + 1) ** 2), 20 * (number + 1) ** 2))
        rows = candles([first + time * MINUTE for time in times], float(number + 1))
        serving.db.write(name, rows, timeframe="1m")
    return serving.db


def _together(parts: Sequence[fs.Part]) -> pl.DataFrame:
    return pl.concat([part.read() for part in parts])


def _sorted(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("exchange", "symbol").cast(pl.String)).sort(
        "exchange", "symbol", "ts", maintain_order=True
    )


@pytest.mark.parametrize("parts", [1, 3, 8, 64])
def test_parts_by_instrument_follow_each_other_as_the_read(db: fs.Client, parts: int) -> None:
    planned = db.plan("*", "1m", parts=parts)
    assert _together(planned).equals(db.candles("*", "1m"))
    assert len(planned) == min(parts, len(planned)) <= len(NAMES)


@pytest.mark.parametrize("parts", [1, 3, 64])
def test_parts_of_one_name_by_time_follow_each_other_as_the_read(db: fs.Client, parts: int) -> None:
    planned = db.plan(NAMES[-1], "1m", parts=parts)
    assert _together(planned).equals(db.candles(NAMES[-1], "1m"))
    assert len(planned) == parts


def test_parts_by_time_of_several_names_have_every_row_once(db: fs.Client) -> None:
    planned = db.plan("*", "1m", parts=10, by="time")
    assert _sorted(_together(planned)).equals(_sorted(db.candles("*", "1m")))
    frames = [part.read() for part in planned]
    assert [f["ts"].max() for f in frames[:-1]] < [f["ts"].min() for f in frames[1:]]


def test_parts_are_the_read_for_random_ranges_and_options(db: fs.Client) -> None:
    draw = generator("plans")
    for _ in range(30):
        low, high = sorted(NOON_2024 // 10**6 + draw.randrange(3_000) * 60_000 for _ in range(2))
        options: dict[str, Any] = {"columns": draw.choice([None, ["close"], ["volume", "ts"]])}
        names = draw.choice(["*", NAMES[3], NAMES[2:5], "binance:S?/USDT"])
        by, parts = draw.choice(["auto", "instrument", "time"]), draw.randrange(1, 20)
        whole = db.candles(names, "1m", low, high, **options)
        found = _together(db.plan(names, "1m", low, high, parts=parts, by=by, **options))
        if by == "time" and names != NAMES[3]:
            whole, found = _sorted(whole), _sorted(found)
        assert found.equals(whole), (low, high, options, names, by, parts)


def test_parts_have_about_as_many_rows_each(db: fs.Client) -> None:
    for name, most in (("*", 2_000), (NAMES[-1], 350)):
        planned = db.plan(name, "1m", parts=4)
        rows = [part.read().height for part in planned]
        assert max(rows) < most
        assert sum(part.rows for part in planned) == pytest.approx(sum(rows), rel=0.02)


def test_cuts_are_multiples_of_the_timeframe(db: fs.Client) -> None:
    db.write("x:H", candles([NOON_2024 + n * 60 * MINUTE for n in range(100)]), timeframe="1h")
    starts = [part.start for part in db.plan("x:H", "1h", parts=7)[1:]]
    assert len(starts) == 6
    assert all(start is not None and start.endswith(":00:00Z") for start in starts)


def test_months_are_cut_at_whole_days(db: fs.Client) -> None:
    first = NOON_2024 - DAY // 2
    rows = candles([first, first + 31 * DAY, first + 60 * DAY, first + 91 * DAY])
    db.write("x:M", rows, timeframe="1M")
    planned = db.plan("x:M", "1M", parts=3)
    assert _together(planned).equals(db.candles("x:M", "1M"))
    assert all(part.start is None or part.start.endswith("T00:00:00Z") for part in planned)


def test_trades_of_one_time_stay_together(db: fs.Client, market_data: Any) -> None:
    db.write("binance:BTC/USDT", binance_trades(market_data), dataset="trades")
    planned = db.plan("binance:BTC/USDT", dataset="trades", parts=16)
    assert len(planned) == 16
    assert _together(planned).equals(db.trades("binance:BTC/USDT"))


@pytest.mark.parametrize(
    ("names", "timeframe", "options"),
    [
        ("*", "7m", {}),
        (NAMES[-1], "3h", {"timezone": "America/New_York", "offset": "17h"}),
        (NAMES[-1], "1m", {"fill": "ffill"}),
        (NAMES[-1], "5m", {"fill": "null", "label": "close"}),
        (NAMES[-1], "1h", {"closed": True, "tz": "Asia/Tokyo"}),
    ],
    ids=str,
)
def test_bars_that_the_server_makes_are_planned_as_if_they_were_stored(
    db: fs.Client, names: str, timeframe: str, options: dict[str, Any]
) -> None:
    planned = db.plan(names, timeframe, parts=5, **options)
    whole = db.candles(names, timeframe, **options)
    assert len(planned) > 3
    assert _together(planned).equals(whole)
    assert sum(part.rows for part in planned) >= whole.height / 4


def test_bars_by_count_are_cut_at_whole_days(db: fs.Client) -> None:
    draw = random.Random(1)
    times = sorted(NOON_2024 + draw.randrange(10 * DAY) for _ in range(3_000))
    rows = trades((ts, str(number), 1.0 + number % 7) for number, ts in enumerate(times))
    db.write("x:T", rows, dataset="trades")
    planned = db.plan("x:T", "100tick", parts=4)
    assert len(planned) == 4
    assert _together(planned).equals(db.candles("x:T", "100tick"))


def test_batches_of_parts_are_their_rows(db: fs.Client) -> None:
    for part in db.plan("*", "1m", parts=3):
        with part.batches() as batches:
            found = pl.concat([pl.DataFrame(batch) for batch in batches])
        assert _sorted(found).equals(_sorted(part.read()))


def test_a_snapshot_pins_what_all_workers_read(db: fs.Client) -> None:
    db.snapshot("paper")
    before, planned = db.candles("*", "1m"), db.plan("*", "1m", parts=3, snapshot="paper")
    db.write(NAMES[0], candles([NOON_2024 - MINUTE]), timeframe="1m")
    db.write("new:A", candles([NOON_2024]), timeframe="1m")
    assert _together(planned).equals(before)


def test_a_plan_settles_names_and_relative_times(db: fs.Client) -> None:
    planned = db.plan("*", "1m", "-30000d", "now", parts=3)
    db.write("new:A", candles([NOON_2024]), timeframe="1m")
    assert all(part.end == planned[0].end and part.end is not None for part in planned)
    assert _together(planned).equals(db.candles(NAMES, "1m"))


def test_limit_and_tail_count_for_each_series_of_a_part(db: fs.Client) -> None:
    for options in ({"limit": 5}, {"tail": 5}):
        planned = db.plan("*", "1m", parts=3, **options)  # type: ignore[arg-type]
        assert _together(planned).equals(db.candles("*", "1m", **options))  # type: ignore[arg-type]
        assert sum(part.rows for part in planned) == 5 * len(NAMES)
        assert len(db.plan(NAMES[0], "1m", **options)) == 1  # type: ignore[arg-type]


def test_limit_cannot_be_cut_by_time(db: fs.Client) -> None:
    with pytest.raises(fs.BadRequest, match="limit counts the rows of a whole series"):
        db.plan("*", "1m", by="time", limit=5)


def test_a_range_without_rows_is_a_plan_all_the_same(db: fs.Client) -> None:
    for by in ("instrument", "time"):
        planned = db.plan("*", "1m", "1999", "2000", by=by, parts=2)
        assert _together(planned).height == sum(part.rows for part in planned) == 0


def test_series_that_are_damaged_are_left_out_and_named(serving: Serving, db: fs.Client) -> None:
    serving.tidy()
    [file] = (serving.root / "segments").glob("**/symbol=S0%2FUSDT/**/*.arrow")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.unlink()  # the running server keeps what it has mapped
    file.write_bytes(content)
    db = serving.restart()
    with pytest.warns(fs.PartialReadWarning, match="binance:S0/USDT"):
        planned = db.plan("*", "1m", parts=3)
    assert [name for part in planned for name in part.instruments] == NAMES[1:]
    with pytest.raises(fs.Corrupt):
        db.plan(NAMES[0], "1m")


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        (("binance:S9/USDT", "1m"), {}, fs.UnknownInstrument),
        (("*", "1mm"), {}, fs.BadTimeframe),
        (("*", "1m", "2025", "2024"), {}, fs.BadRange),
        (("*", "1m"), {"columns": ["price"]}, fs.UnknownColumn),
        (("*", "1m"), {"snapshot": "none"}, fs.UnknownSnapshot),
        (("*", "1m"), {"parts": 0}, fs.BadRequest),
        (("*", "1m"), {"by": "row"}, fs.BadRequest),
        (("*", "1m"), {"strict": True}, fs.MissingCoverage),
    ],
)
def test_what_is_wrong_is_said_before_any_worker_starts(
    db: fs.Client, arguments: tuple[Any, ...], options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        db.plan(*arguments, **options)


def test_a_part_is_a_value_that_survives_pickling(db: fs.Client) -> None:
    part = db.plan("*", "1m", parts=3, columns=["close"])[1]
    copy = pickle.loads(pickle.dumps(part))
    assert copy == part
    assert copy.read().equals(part.read())


def test_a_part_says_what_it_is_and_not_the_token(serving: Serving, db: fs.Client) -> None:
    with fs.connect(serving.uri, token="s3cret") as known:
        part = known.plan(NAMES[3:5], "1m", "2024", "2025", parts=1)[0]
    assert "s3cret" not in repr(part) + repr(part.endpoint)
    assert part.endpoint.token == "s3cret"
    assert repr(part) == (
        "<flightstore.Part candles 1m of binance:S3/USDT to binance:S4/USDT (2 instruments), from "
        f"2024-01-01T00:00:00Z to 2025-01-01T00:00:00Z, about 820 rows, at {serving.uri}>"
    )


def test_a_part_outlives_the_client_that_made_it(serving: Serving, db: fs.Client) -> None:
    with fs.connect(serving.uri) as short_lived:
        part = short_lived.plan(NAMES[0], "1m", parts=1)[0]
    assert part.read().equals(db.candles(NAMES[0], "1m"))


FORKING = """
import os, sys, warnings
import flightstore as fs
warnings.simplefilter("ignore")
def in_child(work):
    child = os.fork()
    if not child:
        try:
            print(work(), flush=True)
        except fs.BadRequest as error:
            print(type(error).__name__, error, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
in_child(lambda: fs.connect(sys.argv[1]).candles("*", "1m", limit=1, output="arrow").num_rows)
part = fs.connect(sys.argv[1]).plan("*", "1m", parts=1)[0]
in_child(part.read)
"""


def test_a_forked_process_reads_if_nobody_did_before_and_is_told_otherwise(db: fs.Client) -> None:
    command = [sys.executable, "-c", FORKING, db.uri]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    first, second = done.stdout.splitlines()
    assert first == str(len(NAMES)), done.stderr
    assert second.startswith(
        "BadRequest This process was forked from one that had used flightstore"
    )
