"""Reads of made, filled and labelled bars, asked for at random, against a loop over the rows."""

from __future__ import annotations

import random
from collections.abc import Iterator

import polars as pl
import pyarrow as pa
import pytest
from tests.support.naive_bars import Bar
from tests.support.naive_reads import Asked, Row, read
from tests.support.seeds import generator, scaled
from tests.support.serving import Serving

import flightstore as fs
from flightstore_proto.schemas import CANDLES
from flightstore_proto.timeframe import parse
from flightstore_proto.timerange import to_ns
from flightstore_server.engine.aggregates.windows import Windows

MINUTE = 60 * 10**9
NAME = "lab:A/B"
# Around the day on which the clocks of New York and of Havana go forward, and then for months.
FIRST = to_ns("2024-03-08T21:30")
COVERED_UNTIL = to_ns("2024-03-14T04:40")
ZONES = ["UTC", "America/New_York", "Asia/Kolkata", "America/Havana"]
OFFSETS = {"": 0, "17h": 17 * 60 * MINUTE, "90m": 90 * MINUTE}
TIMEFRAMES = ["1m", "7m", "1h", "3h", "1d", "3d", "1w", "1M"]


def sparse_minutes(rng: random.Random) -> list[Bar]:
    """Some 3,000 minutes in runs with holes between them, two of which are months long."""
    rows: list[Bar] = []
    at = FIRST
    for number in range(60):
        at += (rng.choice([1, 2, 30, 300]) if number % 25 != 24 else 60 * 24 * 50) * MINUTE
        for _ in range(rng.choice([1, 3, 60, 100])):
            price = rng.randrange(100, 200) + rng.random()
            rows.append(
                (at, price, price + rng.random(), price - rng.random(), price, rng.random())
            )
            at += MINUTE
    return rows


@pytest.fixture(scope="module")
def rows() -> list[Bar]:
    return sparse_minutes(generator("minutes"))


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory, rows: list[Bar]) -> Iterator[fs.Client]:
    """A server with the rows in several files and in memory, some of them written twice."""
    serving = Serving(tmp_path_factory.mktemp("random") / "data")
    whole = pa.Table.from_arrays(
        [
            pa.array(column).cast(f.type)
            for column, f in zip(zip(*rows, strict=True), CANDLES, strict=True)
        ],
        schema=CANDLES,
    )
    for first, end in ((0, 900), (500, 1_400), (1_300, len(rows))):
        serving.db.write(NAME, whole.slice(first, end - first), timeframe="1m")
        if end != len(rows):
            serving.db.flush()
    serving.db.write(
        NAME, whole.slice(0, 1), timeframe="1m", covers=(FIRST // 10**6, COVERED_UNTIL // 10**6)
    )
    yield serving.db
    serving.close()


def drawn(rng: random.Random, rows: list[Bar]) -> Asked:
    times = [
        rng.choice(rows)[0] if rng.random() < 0.5 else rng.randrange(FIRST, rows[-1][0])
        for _ in "ab"
    ]
    times = [rng.choice([FIRST - 10**16, rows[-1][0] + 10**16, *times]) for _ in "ab"]
    start, end = sorted(time // 10**6 * 10**6 for time in times)
    count = rng.choice([1, 2, 10, 100, 5_000])
    cut = rng.choice(["", "limit", "tail"])
    return Asked(
        start,
        end,
        fill=rng.choice([None, None, "null", "ffill"]),
        label=rng.choice(["open", "close"]),
        closed=rng.random() < 0.3,
        limit=count if cut == "limit" else None,
        tail=count if cut == "tail" else None,
    )


def told(frame: pl.DataFrame) -> list[Row]:
    ts = frame["ts"].dt.timestamp("ns").to_list()
    return list(zip(ts, *(frame[name].to_list() for name in CANDLES.names[1:]), strict=True))


@pytest.mark.parametrize("zone", ZONES)
def test_whatever_is_asked_for_comes_as_a_loop_would_make_it(
    db: fs.Client, rows: list[Bar], request: pytest.FixtureRequest, zone: str
) -> None:
    rng = generator(f"reads in {zone}")
    for _ in range(scaled(request.config, ci=40, nightly=3_000)):
        timeframe, offset = rng.choice(TIMEFRAMES), rng.choice(list(OFFSETS))
        windows = Windows(parse(timeframe), zone, OFFSETS[offset])
        asked = drawn(rng, rows)
        if asked.fill is not None and timeframe == "1m" and asked.end - asked.start > 10**16:
            continue  # half a million rows
        expected = read(rows, windows, asked, COVERED_UNTIL)
        options = {"fill": asked.fill, "label": asked.label, "closed": asked.closed}
        found = db.candles(
            NAME, timeframe, asked.start // 10**6, asked.end // 10**6,
            limit=asked.limit, tail=asked.tail, timezone=zone, offset=offset, **options,
        )  # fmt: skip
        assert told(found) == expected, (timeframe, offset, asked)
