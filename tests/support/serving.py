"""A server inside of the test's process: quick to start, and spoken to over the wire."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import flightstore as fs
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.retention import RetentionRule
from flightstore_server.engine.store import Store
from flightstore_server.flight.lifecycle import bind
from flightstore_server.flight.limits.edge import EdgeLimits
from flightstore_server.flight.service import Service
from flightstore_server.storage.files import open_root


class Serving:
    """One data directory, served on a free port of the loopback; `db` is a client of it.

    It has all rows sent over the wire; `mapping` makes one that maps files, as clients would.

    Background work is done when the test says so: `upkeep`, or the actions of the client.
    """

    db: fs.Client
    store: Store
    service: Service

    def __init__(
        self, root: Path, limits: Limits | None = None, *, edge: EdgeLimits | None = None
    ) -> None:
        self.root = root
        self.limits = limits or Limits()
        self._edge = edge
        self._retention: Sequence[RetentionRule] = ()
        self._start()

    @property
    def uri(self) -> str:
        return f"grpc://127.0.0.1:{self.service.port}"

    def _start(self) -> None:
        self.store = Store(
            open_root(self.root), self.limits, upkeep_thread=False, retention=self._retention
        )
        self.service = bind(self.store, "127.0.0.1", 0, edge=self._edge)
        self.db = fs.connect(self.uri, same_host=False)

    def mapping(self) -> fs.Client:
        """Another client, which maps the server's files where that is worth it."""
        return fs.connect(self.uri, same_host=True)

    def restart(
        self, limits: Limits | None = None, *, retention: Sequence[RetentionRule] = ()
    ) -> fs.Client:
        """Stop and start again, perhaps with other limits; returns the new client."""
        self.close()
        self.limits, self._retention = limits or self.limits, retention
        self._start()
        return self.db

    def upkeep(self) -> None:
        """One round of background work."""
        self.store.upkeep()

    def tidy(self) -> None:
        """Everything into segments, as few as can be, and the old files gone."""
        self.db.flush()
        self.db.compact(full=True)
        self.store.maintenance.collect()

    def close(self) -> None:
        self.db.close()
        self.service.shutdown()
        self.store.close()
