"""Rows found by their number and by their time, in segments, in memory, and where these overlap."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tests.support.rows import MINUTE, NOON_2024, bars_of, candles, trades
from tests.support.seeds import generator
from tests.support.stores import BTC, put, read, stepped, view

from flightstore_server.engine.store import Store
from flightstore_server.engine.training.row_index import RowIndex
from flightstore_server.engine.training.stretches import stretches

COLUMNS = ["ts", "open", "high", "low", "close", "volume"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = stepped(tmp_path / "data")
    yield opened
    opened.close()


def change(store: Store, random, value: float) -> None:
    """One thing that moves rows: a put, a correction, a delete, a flush, a compaction."""
    first = random.randrange(300)
    kind = random.randrange(6)
    if kind < 3:
        count = random.randrange(1, 120)
        minutes = sorted(random.sample(range(first, first + 150), count))
        put(store, candles(NOON_2024 + np.array(minutes) * MINUTE, value))
    elif kind == 3:
        end = first + random.randrange(1, 40)
        store.delete("candles", BTC, "1m", NOON_2024 + first * MINUTE, NOON_2024 + end * MINUTE)
    elif kind == 4:
        store.maintenance.flush()
    else:
        store.maintenance.compact(full=True)


def test_windows_are_slices_of_a_plain_read_whatever_happened_before(store: Store) -> None:
    random = generator("row index")
    put(store, candles(NOON_2024 + np.arange(200) * MINUTE))
    for turn in range(60):
        change(store, random, float(turn))
        bars = bars_of(read(store))
        index = RowIndex(view(store), store.segments, COLUMNS)
        assert index.rows == len(bars)
        for _ in range(8 if bars else 0):
            first = random.randrange(len(bars))
            length = random.randrange(1, len(bars) - first + 1)
            start, parts = index.window(first, length)
            assert bars_of(parts) == bars[first : first + length]
            assert start == bars[first][0]
            ts = start + random.randrange(-MINUTE, MINUTE)
            assert index.before(ts) == sum(bar[0] < ts for bar in bars)


def test_trades_of_one_nanosecond_are_all_counted(store: Store) -> None:
    rows = [(NOON_2024 + n // 40, str(n), 1.0) for n in range(200)]
    put(store, trades(rows), dataset="trades", timeframe="")
    store.maintenance.flush()
    index = RowIndex(view(store, "trades", ""), store.segments, ["id"])
    assert [index.before(NOON_2024 + n) for n in range(6)] == [0, 40, 80, 120, 160, 200]
    assert pa.Table.from_batches(index.window(45, 100)[1]).column("id").to_pylist() == [
        str(n) for n in range(45, 145)
    ]


def test_stretches_end_where_a_bar_is_absent(store: Store) -> None:
    random = generator("stretches")
    put(store, candles(NOON_2024 + np.arange(100) * MINUTE))
    for turn in range(25):
        change(store, random, float(turn))
        minutes = [(bar[0] - NOON_2024) // MINUTE for bar in bars_of(read(store))]
        low, high, length = random.randrange(200), random.randrange(200, 460), 3
        found = stretches(
            view(store),
            store.segments,
            NOON_2024 + low * MINUTE,
            NOON_2024 + high * MINUTE,
            length=length,
            contiguous=True,
        )
        inside = [minute for minute in minutes if low <= minute < high]
        runs: list[list[int]] = []
        for minute in inside:
            if runs and runs[-1][-1] == minute - 1:
                runs[-1].append(minute)
            else:
                runs.append([minute])
        expected = [(run[0], len(run)) for run in runs if len(run) >= length]
        begun = ((found.start - NOON_2024) // MINUTE).tolist()
        assert list(zip(begun, found.rows.tolist(), strict=True)) == expected
