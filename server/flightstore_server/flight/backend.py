"""What is behind the port: all that calls are answered from, however often the port is reopened."""

from __future__ import annotations

from functools import lru_cache, partial

import pyarrow.flight as fl

from flightstore_server.access.gate import Gate
from flightstore_server.engine.store import Store
from flightstore_server.engine.subscriptions import Subscriptions
from flightstore_server.flight.authentication import access_of
from flightstore_server.flight.callers import Caller, Reach
from flightstore_server.flight.limits.admission import Admission
from flightstore_server.flight.limits.arrivals import peer_of
from flightstore_server.flight.limits.edge import EdgeLimits
from flightstore_server.flight.limits.usage import Usage
from flightstore_server.flight.replication import Replication
from flightstore_server.sql.engine import SqlEngine
from flightstore_server.sql.limits import SqlLimits

# Different limits of tokens whose view of the store is kept.
_SCOPES_MAX = 64


class Backend:
    """One store, the engines that answer from it, and who may ask them what."""

    def __init__(self, store: Store, gate: Gate, sql: SqlLimits, edge: EdgeLimits) -> None:
        self.store = store
        self.gate = gate
        self.sql = SqlEngine(store, sql)
        self.replication = Replication(store)
        self._subscriptions = Subscriptions(store)
        self.admission = Admission(edge)
        self.usage = Usage(store, self.admission, self._subscriptions, self.sql)
        self._reach = lru_cache(maxsize=_SCOPES_MAX)(partial(Reach, store, self.sql))

    def caller(self, context: fl.ServerCallContext) -> Caller:
        """Who makes a call. Raises Unauthorized."""
        self.admission.arrivals.heard(peer_of(context))
        access = access_of(context, self.gate)
        reach = self._reach(access.scope)
        return Caller(access, self.gate, self.store, reach, self._subscriptions)

    def close(self) -> None:
        """End what follows the log and what queries: those would never end by themselves."""
        self.store.feed.close()
        self.sql.close()
