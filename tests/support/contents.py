"""Everything a reader of a store can see, as plain values that compare."""

from __future__ import annotations

import pyarrow as pa

from flightstore_server.engine.reads import read
from flightstore_server.engine.series import SeriesView
from flightstore_server.engine.store import Store

Rows = list[tuple[object, ...]]
# By series: its rows, its coverage, its metadata.
Contents = dict[str, tuple[Rows, tuple[tuple[int, int], ...], tuple[tuple[str, str], ...]]]


def views_of(store: Store, snapshot: str = "") -> list[SeriesView]:
    """Every series of the present, or of a snapshot."""
    names = store.reader.names(snapshot)
    with store.state.lock:
        return [series.view() for series in names.by_id.values()]


def contents_of(store: Store, snapshot: str = "") -> Contents:
    """What every series holds now, or in the snapshot of that name."""
    return {
        str(view.series): (
            rows_of(store, view),
            view.coverage,
            tuple(sorted(view.series.metadata.items())),
        )
        for view in views_of(store, snapshot)
    }


def rows_of(store: Store, view: SeriesView) -> Rows:
    """The rows of one series."""
    found: Rows = []
    for batch in read(view, store.segments, -(2**63), 2**63):
        # Python's datetime knows no nanoseconds.
        plain = batch.set_column(0, "ts", batch.column(0).cast(pa.int64()))
        found += zip(*plain.to_pydict().values(), strict=True)
    return found


def with_snapshots(store: Store) -> dict[str, Contents]:
    """The present under "", and every snapshot under its name."""
    names = ["", *(row.name for row in store.snapshots.list())]
    return {name: contents_of(store, name) for name in names}
