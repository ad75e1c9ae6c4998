"""Who is calling, and the store as far as that caller reaches.

Handlers get a Caller and never the store itself, so that none of them can forget whom it serves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa

from flightstore_server.access.gate import Gate
from flightstore_server.access.grants import Access, Role, Scope
from flightstore_server.engine.commits import Pending
from flightstore_server.engine.consumers import Consumer
from flightstore_server.engine.latest import Newest
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.pins import Pin
from flightstore_server.engine.queries import Reader
from flightstore_server.engine.received import Put
from flightstore_server.engine.state import Ack
from flightstore_server.engine.store import Deleted, Store
from flightstore_server.engine.subscriptions import Request, Subscription, Subscriptions
from flightstore_server.flight.flight_sql.edge import FlightSql
from flightstore_server.sql.engine import SqlEngine
from flightstore_server.storage.segment.store import SegmentStore


class Reach:
    """What one scope reaches of a store, and what is kept to answer from it sooner next time."""

    def __init__(self, store: Store, sql: SqlEngine, scope: Scope) -> None:
        self.reader = store.reader if scope.is_everything else store.reader.within(scope)
        self.newest = Newest(store, self.reader)
        self.sql = sql.within(self.reader)
        self.flight_sql = FlightSql(self.sql)


class Caller:
    """One call's caller: what he may do, and the store as he sees it."""

    def __init__(
        self,
        access: Access,
        gate: Gate,
        store: Store,
        reach: Reach,
        subscriptions: Subscriptions,
    ) -> None:
        self.access = access
        self._gate = gate
        self._store = store
        self._reach = reach
        self._subscriptions = subscriptions

    @property
    def reader(self) -> Reader:
        return self._reach.reader

    @property
    def newest(self) -> Newest:
        return self._reach.newest

    @property
    def sql(self) -> SqlEngine:
        return self._reach.sql

    @property
    def flight_sql(self) -> FlightSql:
        return self._reach.flight_sql

    @property
    def segments(self) -> SegmentStore:
        return self._store.segments

    @property
    def limits(self) -> Limits:
        return self._store.limits

    @property
    def clock(self) -> Callable[[], int]:
        return self._store.clock

    def pin(self) -> Pin:
        """Keeps every file that is there now for as long as it is held."""
        return self._store.maintenance.pins.take()

    def require(self, role: Role) -> None:
        """Raises Unauthorized for callers of a lesser role."""
        self.access.require(role)

    def check(self) -> None:
        """Raises Unauthorized once the token is revoked or has expired."""
        self._gate.check(self.access)

    def subscribe(self, request: Request) -> Subscription:
        """A live stream of what `request` names and the caller reaches; see Subscriptions.open."""
        selector = replace(request.selector, scope=self.access.scope)
        return self._subscriptions.open(replace(request, selector=selector))

    def check_schema(self, dataset: str, schema: pa.Schema) -> None:
        """As the store's, for who may write into `dataset`."""
        self.require(Role.WRITE)
        self.access.scope.check_dataset(dataset)
        self._store.check_schema(dataset, schema)

    def put(self, put: Put) -> Pending:
        """As the store's, for who may write all of these series; a long stream asks every time."""
        self.require(Role.WRITE)
        self.check()
        for series in put.series:
            self.access.scope.check(put.dataset, series.instrument)
        return self._store.put(put)

    def delete(
        self, dataset: str, instrument: str, timeframe: str, start: int | None, end: int | None
    ) -> Deleted:
        """As the store's, for who may write this series."""
        self.require(Role.WRITE)
        self.access.scope.check(dataset, instrument)
        return self._store.delete(dataset, instrument, timeframe, start, end)

    def describe(
        self, dataset: str, instrument: str, timeframe: str, metadata: dict[str, str]
    ) -> Ack:
        """As the store's, for who may write this series."""
        self.require(Role.WRITE)
        self.access.scope.check(dataset, instrument)
        return self._store.describe(dataset, instrument, timeframe, metadata)

    def consumers(self) -> list[Consumer]:
        """Who follows the log, as far as their names tell the caller of nothing out of reach."""
        every = self._store.consumers.all()
        if self.access.scope.is_everything:
            return every
        return [consumer for consumer in every if consumer.kind == "aggregates"]

    def everything(self) -> Store:
        """The store itself. Raises Unauthorized for callers that do not reach all of it."""
        self.access.require_everything()
        return self._store

    def for_figures(self) -> Store:
        """The store itself, for answers in which no series, dataset or place is named."""
        return self._store
