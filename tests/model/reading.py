"""Reads a series of a store in several ways and compares each with the model."""

from __future__ import annotations

import random
from itertools import combinations

import pyarrow as pa
import pytest
from tests.model.expected import MINUTES, START, Row, SeriesModel, runs
from tests.model.wire import Wire
from tests.support import naive_bars, stores
from tests.support.naive_bars import Bar
from tests.support.rows import MINUTE, bars_of, trades_of
from tests.support.stores import NOW

from flightstore_proto.errors import UnknownDataset, UnknownInstrument
from flightstore_server.engine.gaps import gaps
from flightstore_server.engine.reads import count_rows
from flightstore_server.engine.runs import SegmentRun
from flightstore_server.engine.series import Series
from flightstore_server.engine.store import Store
from flightstore_server.storage.segment.segment import Segment

# What a client may ask, and how often; DuckDB has to be made ready after each start of a store.
_OVER_THE_WIRE = {"range": 20, "limit": 10, "tail": 10, "latest": 10, "made": 10, "SQL": 1}


def compare(store: Store, series: SeriesModel, rng: random.Random, *, snapshot: str = "") -> None:
    """All rows of one series, a part of them, and what is known of its coverage."""
    if compare_rows(store, series, snapshot=snapshot):
        first, last = _window(rng)
        compare_part(store, series, first, last, rng, snapshot=snapshot)
        _compare_knowledge(store, series, first, last, snapshot)


def compare_part(
    store: Store,
    series: SeriesModel,
    first: int,
    last: int,
    rng: random.Random,
    *,
    snapshot: str = "",
) -> None:
    """The rows of the minutes [first, last), or so many at one of its ends."""
    span = {"start": START + first * MINUTE, "end": START + last * MINUTE}
    part, count = series.between(first, last), rng.randrange(1, 40)
    kind = rng.choice(["range", "limit", "tail"])
    asked = {} if kind == "range" else {kind: count}
    cut = {"range": part, "limit": part[:count], "tail": part[-count:]}[kind]
    found = stores.read(store, **_words(series), **span, **asked, snapshot=snapshot)
    assert _rows(series, found) == cut


def compare_rows(store: Store, series: SeriesModel, *, snapshot: str = "") -> bool:
    """All rows of one series; whether there is such a series."""
    words = _words(series) | {"snapshot": snapshot}
    if not series.exists:
        with pytest.raises((UnknownInstrument, UnknownDataset)):
            stores.read(store, **words)
        return False
    assert _rows(series, stores.read(store, **words)) == series.between(0, MINUTES)
    return True


def compare_over_the_wire(wire: Wire, series: SeriesModel, rng: random.Random) -> None:
    """One read of some kind, as a client makes it."""
    words = _words(series)
    if not series.exists:
        with pytest.raises((UnknownInstrument, UnknownDataset)):
            wire.rows(**words)
        return
    first, last = _window(rng)
    low, high = START + first * MINUTE, START + last * MINUTE
    part = series.between(first, last)
    count = rng.randrange(1, 40)
    [kind] = rng.choices(list(_OVER_THE_WIRE), list(_OVER_THE_WIRE.values()))
    if kind == "latest":
        assert _rows(series, [wire.newest(**words)]) == series.between(0, MINUTES)[-1:]
    elif kind == "made":
        if series.dataset == "candles":
            made = wire.rows(**words | {"timeframe": "5m"}, resample_from=series.timeframe)
            assert _every_value(made) == _made(series, "5m")
    elif kind == "SQL":
        assert wire.count(**words, low=low, high=high) == len(part)
    else:
        asked = {kind: count} if kind != "range" else {}
        cut = {"limit": part[:count], "tail": part[-count:], "range": part}[kind]
        assert _rows(series, [wire.rows(**words, start=low, end=high, **asked)]) == cut


def _words(series: SeriesModel) -> dict[str, str]:
    return {
        "dataset": series.dataset,
        "instrument": series.instrument,
        "timeframe": series.timeframe,
    }


def _window(rng: random.Random) -> tuple[int, int]:
    first = rng.randrange(MINUTES)
    return first, rng.randrange(first, MINUTES + 1)


def _made(series: SeriesModel, timeframe: str) -> list[Bar]:
    """Longer bars of those that `series` holds."""
    closes = series.between(0, MINUTES)
    bars = [(ts, close - 0.25, close + 1, close - 1, close, close * 2) for ts, close in closes]
    return naive_bars.bars(bars, lambda ts: naive_bars.window(ts, timeframe)[0])


def _every_value(batch: pa.RecordBatch) -> list[Bar]:
    ts = batch.column("ts").cast(pa.int64()).to_pylist()
    return list(zip(ts, *(column.to_pylist() for column in batch.columns[1:]), strict=True))


def check_ties(store: Store, series: Series) -> None:
    """Of segments that hold one key the higher LSN wins; so those with one LSN must share none."""
    for one, other in combinations(series.segments, 2):
        if one.max_lsn == other.max_lsn and _share_time(one, other):
            shared = _keys(store, series, one) & _keys(store, series, other)
            assert not shared, f"{one.file} and {other.file} both hold {shared}"


def _share_time(one: Segment, other: Segment) -> bool:
    return one.min_ts <= other.max_ts and other.min_ts <= one.max_ts


def _keys(store: Store, series: Series, segment: Segment) -> set[tuple[object, ...]]:
    run = SegmentRun(segment, store.segments, series.dataset.schema)
    names = ["ts", "id"] if series.dataset.key_has_id else ["ts"]
    columns = [
        [value for b in run.slices(run.first, run.last + 1) for value in _plain(b.column(name))]
        for name in names
    ]
    return set(zip(*columns, strict=True))


def _plain(column: pa.Array) -> list[object]:
    return column.cast(pa.int64()).to_pylist() if column.type != pa.utf8() else column.to_pylist()


def _compare_knowledge(
    store: Store, series: SeriesModel, first: int, last: int, snapshot: str
) -> None:
    view = store.reader.view(series.dataset, series.instrument, series.timeframe, snapshot)
    start, end = START + first * MINUTE, START + last * MINUTE
    assert count_rows(view, store.segments, start, end) == len(series.between(first, last))
    covered = [((a - START) // MINUTE, (b - START) // MINUTE) for a, b in view.coverage]
    assert covered == runs(sorted(series.covered))
    found = gaps(view, store.segments, start, end, now_ns=NOW)
    ranges = zip(found.start.tolist(), found.end.tolist(), strict=True)
    minutes = [((low - START) // MINUTE, (high - START) // MINUTE) for low, high in ranges]
    assert minutes == series.gaps(first, last)
    if series.dataset == "candles":
        assert found.missing.tolist() == [b - a for a, b in minutes]


def _rows(series: SeriesModel, batches: list[pa.RecordBatch]) -> list[Row]:
    if series.dataset == "candles":
        return list(bars_of(batches))
    if series.dataset == "trades":
        return list(trades_of(batches))
    return [row for batch in batches for row in _own_rows(batch)]


def _own_rows(batch: pa.RecordBatch) -> list[Row]:
    ts = batch.column("ts").cast(pa.int64()).to_pylist()
    grown = "y" in batch.schema.names
    second = batch.column("y").to_pylist() if grown else [None] * len(ts)
    return list(zip(ts, batch.column("x").to_pylist(), second, strict=True))
