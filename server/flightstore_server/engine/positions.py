"""Durable positions: how far consumers that must miss nothing have come.

They are kept in the catalog, written at most every second: after a crash a consumer gets again what
it had dealt with since, and never misses anything. The log is held for the oldest of them, up to
`log_hold_bytes`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from flightstore_server.storage.catalog import Catalog

_WRITE_EVERY_NS = 10**9


class Positions:
    """Positions by consumer name. The maintenance lock guards `write`, like all catalog work."""

    def __init__(self, catalog: Catalog, clock: Callable[[], int]) -> None:
        self._catalog = catalog
        self._clock = clock
        self._lock = threading.Lock()
        self._known = catalog.positions()
        self._written = dict(self._known)
        self._last_write = clock()

    def get(self, name: str) -> int | None:
        with self._lock:
            return self._known.get(name)

    def set(self, name: str, lsn: int) -> None:
        """Remember that `name` has dealt with everything up to `lsn`."""
        with self._lock:
            self._known[name] = lsn

    def forget(self, name: str) -> None:
        with self._lock:
            self._known.pop(name, None)

    def oldest(self) -> int | None:
        """The position of the one that is furthest behind; None if there is none."""
        with self._lock:
            return min(self._known.values(), default=None)

    def step(self) -> None:
        """Write what changed, if the last time is long enough ago."""
        if self._clock() - self._last_write >= _WRITE_EVERY_NS:
            self.write()

    def write(self) -> None:
        """Write what changed to the catalog."""
        with self._lock:
            known = dict(self._known)
        self._last_write = self._clock()
        if known != self._written:
            self._catalog.set_positions(known)
            self._written = known
