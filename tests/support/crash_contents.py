"""Everything a reader of a store can see, as values that are made and compared quickly."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa
from tests.support.contents import views_of

from flightstore_server.engine.reads import read
from flightstore_server.engine.series import SeriesView
from flightstore_server.engine.store import Store


class Held(NamedTuple):
    """What one series holds, in the present (snapshot "") or in a snapshot."""

    snapshot: str
    series: str
    rows: int
    columns: tuple[bytes, ...]
    coverage: tuple[tuple[int, int], ...]
    metadata: tuple[tuple[str, str], ...]


class Everything(NamedTuple):
    """All series, all rules (there may be some without series), and a consumer's position."""

    series: tuple[Held, ...]
    rules: tuple[bytes, ...]
    position: int | None

    def __str__(self) -> str:
        held = [f"{h.snapshot}/{h.series}: {h.rows} rows, {h.coverage}" for h in self.series]
        return f"{'; '.join(held)}; {len(self.rules)} rules, at {self.position}"


CONSUMER = "alerts"
NOTHING = Everything((), (), None)


def everything(store: Store) -> Everything:
    """What a reader finds; what is derived is brought up to date first."""
    names = ["", *(row.name for row in store.snapshots.list())]
    for series in store.state.names.by_id.values():
        store.aggregates.freshen(series)
    held = [held_by(store, view, name) for name in names for view in views_of(store, name)]
    rules = [rule.SerializeToString(deterministic=True) for rule in store.rules.list()]
    return Everything(tuple(sorted(held)), tuple(rules), store.positions.get(CONSUMER))


def held_by(store: Store, view: SeriesView, snapshot: str = "") -> Held:
    batches = list(read(view, store.segments, -(2**63), 2**63))
    return Held(
        snapshot,
        str(view.series),
        sum(batch.num_rows for batch in batches),
        _columns(batches),
        view.coverage,
        # Metadata have no versions: those of a snapshot are what the last flush knew.
        () if snapshot else tuple(sorted(view.series.metadata.items())),
    )


def _columns(batches: list[pa.RecordBatch]) -> tuple[bytes, ...]:
    if len(batches) > 1:
        batches = [pa.concat_batches(batches)]
    return tuple(_bytes_of(column) for batch in batches for column in batch.columns)


def _bytes_of(column: pa.Array) -> bytes:
    """The values of a column, the same for equal ones wherever they lie in memory."""
    if column.null_count or not _is_whole_bytes(column.type):
        return repr(column.to_pylist()).encode()
    width = column.type.bit_width // 8
    values = column.buffers()[1].slice(column.offset * width, len(column) * width)
    return bytes(values.to_pybytes())


def _is_whole_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_primitive(kind)) and kind.bit_width % 8 == 0
