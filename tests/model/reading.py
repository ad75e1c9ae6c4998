"""Reads a series of a store in several ways and compares each with the model."""

from __future__ import annotations

import random
from itertools import combinations

import pyarrow as pa
import pytest
from tests.model.expected import MINUTES, START, Row, SeriesModel, runs
from tests.support import stores
from tests.support.rows import MINUTE, bars_of, trades_of
from tests.support.stores import NOW

from flightstore_proto.errors import UnknownDataset, UnknownInstrument
from flightstore_server.engine.gaps import gaps
from flightstore_server.engine.reads import count_rows
from flightstore_server.engine.runs import SegmentRun
from flightstore_server.engine.series import Series
from flightstore_server.engine.store import Store
from flightstore_server.storage.segment.segment import Segment


def compare(store: Store, series: SeriesModel, rng: random.Random, *, snapshot: str = "") -> None:
    """Everything there is to know of one series, and one read of each kind."""
    words = {"dataset": series.dataset, "instrument": series.instrument}
    words |= {"timeframe": series.timeframe, "snapshot": snapshot}
    if not series.exists:
        with pytest.raises((UnknownInstrument, UnknownDataset)):
            stores.read(store, **words)
        return
    whole = series.between(0, MINUTES)
    assert _rows(series, stores.read(store, **words)) == whole
    first = rng.randrange(MINUTES)
    last = rng.randrange(first, MINUTES + 1)
    span = {"start": START + first * MINUTE, "end": START + last * MINUTE}
    part = series.between(first, last)
    assert _rows(series, stores.read(store, **words, **span)) == part
    count = rng.randrange(1, 40)
    assert _rows(series, stores.read(store, **words, **span, limit=count)) == part[:count]
    assert _rows(series, stores.read(store, **words, **span, tail=count)) == part[-count:]
    _compare_knowledge(store, series, first, last, snapshot)


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
