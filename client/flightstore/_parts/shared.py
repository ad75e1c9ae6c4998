"""One connection per server for all the parts that a process reads."""

from __future__ import annotations

from flightstore._config import Endpoint
from flightstore._connection import Connection
from flightstore._reading import Fetched
from flightstore._reads import Reads


class SharedReads(Reads):
    """Reads over a connection that stays open as long as the process lives."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._connection = Connection(endpoint)
        self.silent = SilentReads(self._connection)


class SilentReads(Reads):
    """Reads that do not warn, for code that looks at `problems` itself."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _warn(self, fetched: Fetched) -> None:
        pass


_shared: dict[Endpoint, SharedReads] = {}


def shared_reads(endpoint: Endpoint) -> SharedReads:
    """This process's reads of `endpoint`, which connect at the first one."""
    found = _shared.get(endpoint)
    # Of two that two threads make at once one is dropped again, unused.
    return found if found is not None else _shared.setdefault(endpoint, SharedReads(endpoint))
