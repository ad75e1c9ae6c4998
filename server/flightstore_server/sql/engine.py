"""SQL over the store: the door for the edge."""

from __future__ import annotations

import threading
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from flightstore_proto.errors import Unavailable
from flightstore_server.engine.queries import Reader
from flightstore_server.engine.store import Store
from flightstore_server.sql import library
from flightstore_server.sql.answers import Answer, Prepared
from flightstore_server.sql.limits import SqlLimits
from flightstore_server.sql.tables import TableInfo, table_of
from flightstore_server.storage import layout

if TYPE_CHECKING:
    from flightstore_server.sql.queries import Asked, Queries

__all__ = ["Answer", "Prepared", "SqlEngine", "TableInfo", "never"]


def never() -> bool:
    """The answer to whether a query was cancelled that nobody can cancel."""
    return False


class SqlEngine:
    """Answers SELECTs from one store. Safe to use from several threads.

    DuckDB is loaded with the first query: it takes a third of a second and some 50 MB.
    """

    def __init__(self, store: Store, limits: SqlLimits) -> None:
        self._store = store
        self._reader = store.reader
        self._whole = self
        self._limits = limits
        self._lock = threading.Lock()
        self._queries: Queries | None = None
        self._closed = False

    def within(self, reader: Reader) -> SqlEngine:
        """The same engine, for which only the series are there that `reader` knows."""
        part = copy(self)
        part._reader = reader
        return part

    @property
    def limits(self) -> SqlLimits:
        """What SQL may cost."""
        return self._limits

    @property
    def running(self) -> int:
        """How many queries are under way: begun, and neither answered in full nor given up."""
        queries = self._whole._queries
        return 0 if queries is None else queries.running

    def tables(self, snapshot: str = "") -> list[TableInfo]:
        """The datasets by name, with their columns as SQL shows them."""
        names = self._reader.names(snapshot)
        with self._store.state.lock:
            datasets = {name: names.dataset(name).schema for name in names.dataset_names()}
        return [table_of(name, datasets[name]) for name in sorted(datasets)]

    def prepare(self, query: str, snapshot: str = "") -> Prepared:
        """Check `query` without running it.

        Raises BadRequest for what is not one SELECT or does not fit its tables, UnknownDataset and
        UnknownColumn with near names.
        """
        return self._opened().prepare(self._asked(query, None, snapshot), self._named(snapshot))

    def run(
        self,
        query: str,
        parameters: pa.RecordBatch | None = None,
        *,
        snapshot: str = "",
        timeout_seconds: float = 0.0,
        cancelled: Callable[[], bool] = never,
    ) -> Answer:
        """The answer to `query`; `parameters` is one row, whose columns are its parameters.

        `timeout_seconds` can only shorten what the server allows. `cancelled` is asked now and then
        by another thread. Raises as prepare(), Overloaded where memory, disk or turns do not
        suffice, DeadlineExceeded; the same while batches are fetched.
        """
        asked = self._asked(query, parameters, snapshot, timeout_seconds, cancelled)
        return self._opened().run(asked, self._named(snapshot))

    def explain(
        self, query: str, parameters: pa.RecordBatch | None = None, *, snapshot: str = ""
    ) -> str:
        """DuckDB's plan for `query`, drawn as text. Raises as run()."""
        asked = self._asked(query, parameters, snapshot)
        return self._opened().explain(asked, self._named(snapshot))

    def close(self) -> None:
        """End what is running; later queries raise Unavailable. Never of a part."""
        with self._lock:
            self._closed = True
            if self._queries is not None:
                self._queries.close()

    def _named(self, snapshot: str) -> dict[str, TableInfo]:
        return {table.name: table for table in self.tables(snapshot)}

    def _asked(
        self,
        query: str,
        parameters: pa.RecordBatch | None,
        snapshot: str,
        timeout_seconds: float = 0.0,
        cancelled: Callable[[], bool] = never,
    ) -> Asked:
        library.prepare()
        from flightstore_server.sql.queries import Asked

        most = self._limits.seconds_max
        seconds = min(timeout_seconds, most) if timeout_seconds > 0 else most
        return Asked(query, parameters, self._reader, snapshot, seconds, cancelled)

    def _opened(self) -> Queries:
        library.prepare()
        from flightstore_server.sql.queries import Queries

        whole = self._whole
        with whole._lock:
            if whole._closed:
                raise Unavailable("The server is stopping.")
            if whole._queries is None:
                whole._queries = Queries(self._store, self._limits, self._spill())
            return whole._queries

    def _spill(self) -> Path:
        """The folder for what does not fit into memory, without what a crash has left in it."""
        files = self._store.files
        files.make_dir(layout.SPILL_DIR)
        for file in files.list_dir(layout.SPILL_DIR):
            files.remove(f"{layout.SPILL_DIR}/{file}")
        return files.root / layout.SPILL_DIR
