"""Snapshots: a name for one version of the catalog, and reading as of it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from flightstore_proto.errors import BadRequest, UnknownSnapshot, did_you_mean, near, shown
from flightstore_server.engine.maintenance import Maintenance
from flightstore_server.engine.names import Names
from flightstore_server.engine.reads import count_rows
from flightstore_server.engine.recovery import names_of
from flightstore_server.engine.series import SeriesView
from flightstore_server.engine.state import State
from flightstore_server.storage.catalog import Catalog, SnapshotRow

_CACHED_MAX = 4
_NAME_CHARACTERS_MAX = 128


class Snapshots:
    """Creates, lists, drops and resolves snapshots."""

    def __init__(
        self, catalog: Catalog, state: State, maintenance: Maintenance, clock: Callable[[], int]
    ) -> None:
        self._catalog = catalog
        self._state = state
        self._maintenance = maintenance
        self._clock = clock
        self._cache: OrderedDict[int, Names] = OrderedDict()
        self._lock = threading.Lock()

    def create(self, name: str) -> SnapshotRow:
        """Pin the present under `name`. Everything acknowledged before is in it."""
        if not name or len(name) > _NAME_CHARACTERS_MAX or not name.isprintable():
            raise BadRequest(
                f"{shown(name)} cannot name a snapshot: 1 to 128 printable characters."
            )
        with self._maintenance.lock:
            if any(row.name == name for row in self._catalog.snapshots()):
                raise BadRequest(f"There is a snapshot {shown(name)} already; drop it first.")
            # Later on what retention takes may be missing to compute it.
            self._maintenance.aggregates.freshen_all(self._maintenance.aggregates.stale())
            lsn = self._maintenance.flush()
            row = SnapshotRow(name, self._catalog.version, lsn, self._clock())
            self._catalog.add_snapshot(row)
            return row

    def list(self) -> list[SnapshotRow]:
        with self._maintenance.lock:
            return self._catalog.snapshots()

    def drop(self, name: str) -> SnapshotRow:
        """Let go of what only this snapshot still needs. Raises UnknownSnapshot."""
        with self._maintenance.lock:
            row = self._find(name)
            self._catalog.drop_snapshot(name)
            return row

    def series_count(self, row: SnapshotRow) -> int:
        """How many series the snapshot pins."""
        with self._maintenance.lock:
            return self._catalog.series_count(row.version)

    def names(self, name: str) -> Names:
        """The series as the snapshot has them. Raises UnknownSnapshot."""
        with self._maintenance.lock:
            version = self._find(name).version
            with self._lock:
                known = self._cache.get(version)
            if known is None:
                known, _ = names_of(self._catalog.load(version))
        with self._lock:
            self._cache[version] = known
            self._cache.move_to_end(version)
            while len(self._cache) > _CACHED_MAX:
                self._cache.popitem(last=False)
        return known

    def count(self, view: SeriesView, start: int, end: int) -> int:
        """How many rows `view` has in [start, end)."""
        return count_rows(view, self._state.segments, start, end)

    def _find(self, name: str) -> SnapshotRow:
        rows = self._catalog.snapshots()
        for row in rows:
            if row.name == name:
                return row
        suggestions = near(name, [row.name for row in rows])
        raise UnknownSnapshot(
            f"There is no snapshot {shown(name)}.{did_you_mean(suggestions)}",
            suggestions=suggestions,
        )
