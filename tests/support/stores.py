"""Stores for tests: small limits, stepped by hand, crashed by copying what is on the disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from flightstore_server.engine.limits import Limits
from flightstore_server.engine.queries import Query
from flightstore_server.engine.received import Put, SeriesRows
from flightstore_server.engine.series import SeriesView
from flightstore_server.engine.state import Ack
from flightstore_server.engine.store import Store
from flightstore_server.storage.files import Disk, open_root

BTC = "binance:BTC/USDT"
NOW = 1_767_225_600 * 10**9  # 2026-01-01, the clock of stepped stores

# Rare paths become common: log files of a few groups, segments of a few rows, early compaction.
SMALL = Limits(
    bulk_put_bytes_min=1 << 30,
    bulk_run_bytes_min=1,
    log_file_bytes=4096,
    log_keep_bytes=0,
    log_keep_seconds=0.0,
    segment_rows_max=50,
    compact_segments_min=3,
    compact_small_rows=20,
)
BULK = replace(SMALL, bulk_put_bytes_min=1)


def stepped(root: Path, limits: Limits = SMALL, *, clock: Callable[[], int] = lambda: NOW) -> Store:
    """A store without background work: the test takes every step itself."""
    return Store(open_root(root), limits, clock=clock, upkeep_thread=False)


def put(
    store: Store,
    batches: pa.RecordBatch | Sequence[pa.RecordBatch],
    *,
    dataset: str = "candles",
    instrument: str = BTC,
    timeframe: str = "1m",
    put_id: int = 0,
    covers: Sequence[tuple[int, int]] = (),
    free: bool = False,
    key: str = "",
) -> Ack:
    """Write rows of one series and wait until they are durable."""
    listed = [batches] if isinstance(batches, pa.RecordBatch) else list(batches)
    said = SeriesRows(
        instrument,
        timeframe,
        sum(map(len, listed)),
        covers=covers,
        free_grid=free,
        key=key,
    )
    return store.put(Put(dataset, listed, [said], put_id)).result(timeout=30)


def read(
    store: Store,
    *,
    dataset: str = "candles",
    instrument: str = BTC,
    timeframe: str = "1m",
    start: int | None = None,
    end: int | None = None,
    limit: int = 0,
    tail: int = 0,
    snapshot: str = "",
) -> list[pa.RecordBatch]:
    """The rows of one series."""
    query = Query(
        dataset,
        [instrument],
        timeframe,
        start,
        end,
        limit=limit,
        tail=tail,
        snapshot=snapshot,
    )
    selection = store.reader.select(query)
    return list(selection.rows(selection.views[0]))


def view(store: Store, dataset: str = "candles", timeframe: str = "1m") -> SeriesView:
    return store.reader.view(dataset, BTC, timeframe, "")


def crash(store: Store, copy: Path) -> Path:
    """What a kill of `store` leaves behind, in the new directory `copy`; the store is closed."""
    shutil.copytree(store.files.root, copy)
    store.close()
    return copy


def disk(root: Path) -> Disk:
    return open_root(root)
