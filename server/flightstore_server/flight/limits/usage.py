"""How much of each limit is used: for `status` and for metrics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from google.protobuf.message import Message

from flightstore_proto import flightstore_pb2 as pb
from flightstore_server.engine.store import Store
from flightstore_server.engine.subscriptions import Subscriptions
from flightstore_server.flight.limits.admission import Admission
from flightstore_server.sql.engine import SqlEngine
from flightstore_server.storage.process import resident_bytes


class Usage:
    """Limits and what is used of them. A limit `x_max` is used as far as `x` says."""

    def __init__(
        self, store: Store, admission: Admission, subscriptions: Subscriptions, sql: SqlEngine
    ) -> None:
        self._store = store
        self._admission = admission
        self._subscriptions = subscriptions
        self._sql = sql

    def in_status(self, results: Iterator[Message]) -> Iterator[Message]:
        """What the action `status` says, with all limits and what is used of them."""
        for result in results:
            if isinstance(result, pb.Status):
                result.limits.update(self.limits())
                result.counters.update(self.used())
            yield result

    def limits(self) -> dict[str, int]:
        """Every limit by its name in the configuration; those of [sql] begin with sql_."""
        edge, sql = asdict(self._admission.limits), asdict(self._sql.limits)
        found = {**asdict(self._store.limits), **edge, **{f"sql_{k}": v for k, v in sql.items()}}
        found["memory_bytes_max"] = self._admission.memory_bytes_max
        return {name: int(value) for name, value in found.items()}

    def used(self) -> dict[str, int]:
        """What is used now; and `retired_files`, which wait for readers that began before."""
        store, admission = self._store, self._admission
        return {
            "connections_cut": admission.connections_cut,
            "gather_bytes": admission.gathering.bytes,
            "memory_bytes": resident_bytes(),
            "memtable_bytes": store.state.memtable_bytes,
            "puts": admission.puts.used,
            "retired_files": store.maintenance.pins.retired(),
            "segment_maps": store.segments.count(),
            "series": len(store.state.names.by_id),
            "sql_queries": self._sql.running,
            "streams": admission.streams.used,
            "subscribers": self._subscriptions.count(),
        }
