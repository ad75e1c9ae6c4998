"""What a follower of changes holds: rows by series and key, as a client would keep them."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from flightstore_server.engine.queries import Query
from flightstore_server.engine.store import Store
from flightstore_server.engine.updates import Update
from flightstore_server.storage.rows import ts_of

Key = tuple[int, str]
Rows = dict[str, dict[Key, tuple[object, ...]]]


class Held:
    """Rows that were told, with deletes carried out: by instrument, by (ts, id)."""

    def __init__(self) -> None:
        self.rows: Rows = {}

    def add(self, instrument: str, batch: pa.RecordBatch) -> None:
        held = self.rows.setdefault(instrument, {})
        for row in rows_of(batch):
            held[row[0]] = row[1]

    def delete(self, instrument: str, low: int | None, high: int | None) -> None:
        kept = {
            key: row
            for key, row in self.rows.get(instrument, {}).items()
            if (low is not None and key[0] < low) or (high is not None and key[0] >= high)
        }
        self.rows[instrument] = kept

    def apply(self, update: Update) -> None:
        for series, low, high in update.deletes:
            self.delete(str(series.instrument), low, high)
        for series, batch in update.runs:
            self.add(str(series.instrument), batch)

    def filled(self) -> Rows:
        """Without instruments that hold nothing."""
        return {name: rows for name, rows in self.rows.items() if rows}


def rows_of(batch: pa.RecordBatch) -> Iterable[tuple[Key, tuple[object, ...]]]:
    """(key, values) of each row, having checked that the keys rise."""
    ids = batch.column("id").to_pylist() if "id" in batch.schema.names else [""] * len(batch)
    columns = [column.to_pylist() for column in batch.columns[1:]]
    keys = list(zip(ts_of(batch).tolist(), ids, strict=True))
    order = [(ts, len(text), text) for ts, text in keys]
    assert order == sorted(set(order)), "the keys of a run do not rise"
    return list(zip(keys, zip(*columns, strict=True), strict=True))


def stored(
    store: Store, dataset: str, timeframe: str, *, start: int | None = None, closed: bool = False
) -> Rows:
    """What the store itself holds, for comparison."""
    found = Held()
    with store.state.lock:
        every = list(store.state.names.by_id.values())
    for series in every:
        if (series.dataset.name, series.timeframe_text) != (dataset, timeframe):
            continue
        query = Query(dataset, [str(series.instrument)], timeframe, start, closed=closed)
        selection = store.reader.select(query)
        for batch in selection.rows(selection.views[0]):
            found.add(str(series.instrument), batch)
    return found.filled()
