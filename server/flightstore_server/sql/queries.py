"""Running a SELECT: parse, plan, fetch what the plan can need, run, send.

statements   is it one SELECT over datasets?
plans        where does it read, under which filters?          (the planning database)
sources      which series and times is that? their rows
running      run it, within its limits                         (the answering database)
values       what its columns are to clients
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import duckdb
import pyarrow as pa

from flightstore_proto.errors import FlightstoreError, Overloaded
from flightstore_server.engine.queries import Reader
from flightstore_server.engine.store import Store
from flightstore_server.sql.answers import Answer, Prepared
from flightstore_server.sql.database import Databases
from flightstore_server.sql.limits import SqlLimits
from flightstore_server.sql.parameters import Values, unknown_values, values_of
from flightstore_server.sql.plans import Scan, scans_of
from flightstore_server.sql.rows import Copies
from flightstore_server.sql.running import Running, Watch
from flightstore_server.sql.sources import Sources
from flightstore_server.sql.statements import Statement, parse
from flightstore_server.sql.tables import TableInfo, quoted, selected
from flightstore_server.sql.translation import is_fatal, translated
from flightstore_server.sql.values import (
    plain_rows,
    plain_schema,
    rows_per_batch,
    small_enough,
)

K = TypeVar("K")
V = TypeVar("V")
# How long a query waits for others to end before it is refused.
_TURN_SECONDS = 10.0
# Statements and plans that need not be made again: dashboards ask the same over and over.
_KNOWN_MAX = 128


@dataclass(frozen=True, slots=True)
class Asked:
    """A query as it came."""

    query: str
    parameters: pa.RecordBatch | None
    reader: Reader
    snapshot: str
    seconds: float
    cancelled: Callable[[], bool]


class Queries:
    """All queries of one server."""

    def __init__(self, store: Store, limits: SqlLimits, spill: Path) -> None:
        self._store = store
        self._limits = limits
        self._databases = Databases(limits, spill)
        self._turns = threading.BoundedSemaphore(limits.queries_max)
        self._watch = Watch()
        self._plans: dict[tuple[object, ...], list[Scan]] = {}
        self._known: dict[tuple[str, ...], Statement] = {}

    @property
    def running(self) -> int:
        return self._watch.running

    def prepare(self, asked: Asked, tables: Mapping[str, TableInfo]) -> Prepared:
        """What the answer to a query will look like."""
        running = self._begin(asked, tables)
        try:
            return running.work(lambda: self._prepared(running, asked, tables))
        finally:
            running.close()

    def explain(self, asked: Asked, tables: Mapping[str, TableInfo]) -> str:
        """DuckDB's plan for a query over the rows that it can need."""
        running = self._begin(asked, tables)
        try:
            return running.work(lambda: self._explained(running, asked, tables))
        finally:
            running.close()

    def run(self, asked: Asked, tables: Mapping[str, TableInfo]) -> Answer:
        """The answer to a query, computed as far as its first rows."""
        running = self._begin(asked, tables)
        try:
            reader = running.work(lambda: self._started(running, asked, tables))
            schema = plain_schema(reader.schema)
        except BaseException:
            running.close()
            raise
        return Answer(schema, Batches(running, reader, schema, self._limits.result_bytes_max))

    def close(self) -> None:
        """End what is running, and give back all memory."""
        self._watch.close()
        self._databases.close()

    def _begin(self, asked: Asked, tables: Mapping[str, TableInfo]) -> Running:
        if not self._turns.acquire(timeout=min(_TURN_SECONDS, asked.seconds)):
            raise Overloaded(
                f"{self._limits.queries_max} queries are running already (queries_max in [sql]) "
                "and none of them ended; try again later."
            )
        columns = {name for table in tables.values() for name in table.schema.names}

        def translate(text: str) -> FlightstoreError:
            if is_fatal(text):
                self._databases.replace()
            limits = self._limits
            return translated(text, columns, limits.memory_bytes_max, limits.spill_bytes_max)

        running = Running(asked.seconds, asked.cancelled, translate, self._turns.release)
        self._watch.add(running)
        return running

    def _prepared(
        self, running: Running, asked: Asked, tables: Mapping[str, TableInfo]
    ) -> Prepared:
        planner, statement = self._parsed(running, asked, tables)
        relation = planner.sql(statement.query, params=unknown_values(statement))
        schema = relation.limit(0).to_arrow_table().schema
        # Of unknown type; as text most clients can fill them in, and SQL converts it.
        parameters = pa.schema([pa.field(name, pa.utf8()) for name in statement.parameters])
        return Prepared(asked.query, plain_schema(schema), parameters)

    def _started(
        self, running: Running, asked: Asked, tables: Mapping[str, TableInfo]
    ) -> pa.RecordBatchReader:
        cursor, statement, values = self._furnished(running, asked, tables)
        relation = cursor.sql(statement.query, params=values)
        return relation.to_arrow_reader(rows_per_batch(len(relation.columns)))

    def _explained(self, running: Running, asked: Asked, tables: Mapping[str, TableInfo]) -> str:
        cursor, statement, values = self._furnished(running, asked, tables)
        rows = cursor.execute(f"EXPLAIN {statement.query}", values).fetchall()
        return "\n".join(text for _, text in rows)

    def _parsed(
        self, running: Running, asked: Asked, tables: Mapping[str, TableInfo]
    ) -> tuple[duckdb.DuckDBPyConnection, Statement]:
        """A cursor that can plan the query, and the query."""
        planner = running.cursor(self._databases.planning)
        key = asked.query, *tables
        statement = self._known.get(key)
        if statement is None:
            statement = parse(planner, asked.query, tables)
            _remember(self._known, key, statement)
        wanted = [tables[name] for name in statement.datasets]
        self._databases.standing.provide(planner, wanted)
        return planner, statement

    def _furnished(
        self, running: Running, asked: Asked, tables: Mapping[str, TableInfo]
    ) -> tuple[duckdb.DuckDBPyConnection, Statement, Values]:
        """A cursor that has the rows which the query can need, and the query."""
        planner, statement = self._parsed(running, asked, tables)
        values = values_of(statement, asked.parameters)
        scans = self._scans(planner, statement, values, tables)
        copies = Copies(self._limits.memory_bytes_max)
        sources = Sources(self._store, asked.reader, asked.snapshot, planner, copies, running.check)
        cursor = running.cursor(self._databases.answering)
        for name, rows in sources.tables(statement.datasets, scans).items():
            self._register(cursor, tables[name], rows, sources)
        return cursor, statement, values

    def _scans(
        self,
        planner: duckdb.DuckDBPyConnection,
        statement: Statement,
        values: Values,
        tables: Mapping[str, TableInfo],
    ) -> list[Scan]:
        """Where the query reads its tables; known if the same was asked before."""
        if not statement.is_steady:
            return scans_of(planner, statement.query, values)
        given = values.items() if isinstance(values, dict) else enumerate(values)
        columns = (len(tables[name].schema) for name in statement.datasets)
        key = statement.query, *columns, *((name, type(value), value) for name, value in given)
        scans = self._plans.get(key)
        if scans is None:
            scans = scans_of(planner, statement.query, values)
            _remember(self._plans, key, scans)
        return scans

    def _register(
        self, cursor: duckdb.DuckDBPyConnection, table: TableInfo, rows: pa.Table, sources: Sources
    ) -> None:
        kept = f"{table.name} rows"  # no dataset has a name with a space
        cursor.register(kept, rows)
        columns = selected(table, sources.schema(table.name), frozenset(rows.column_names))
        cursor.execute(
            f"CREATE TEMP VIEW {quoted(table.name)} AS SELECT {columns} FROM {quoted(kept)}"
        )


def _remember(known: dict[K, V], key: K, value: V) -> None:
    if len(known) >= _KNOWN_MAX:
        known.clear()
    known[key] = value


class Batches:
    """The batches of an answer. Closed when it is let go of, even if none was ever fetched."""

    def __init__(
        self, running: Running, reader: pa.RecordBatchReader, schema: pa.Schema, bytes_max: int
    ) -> None:
        self._running = running
        self._pieces = _pieces(running, reader, schema, bytes_max)

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> pa.RecordBatch:
        return next(self._pieces)

    def close(self) -> None:
        """End the query. Harmless at any time, from the thread that fetches."""
        self._pieces.close()
        self._running.close()

    def __del__(self) -> None:
        self.close()


def _pieces(
    running: Running, reader: pa.RecordBatchReader, schema: pa.Schema, bytes_max: int
) -> Generator[pa.RecordBatch, None, None]:
    size = 0
    try:
        while (batch := running.work(lambda: _next(reader))) is not None:
            if batch.num_rows:
                rows = plain_rows(batch, schema)
                size += rows.nbytes
                if size > bytes_max:
                    raise Overloaded(
                        f"The answer has more than {bytes_max} bytes (result_bytes_max in [sql]); "
                        "aggregate, select fewer columns, or read rows with db.read or db.scan."
                    )
                yield from small_enough(rows)
    finally:
        running.close()


def _next(reader: pa.RecordBatchReader) -> pa.RecordBatch | None:
    try:
        return reader.read_next_batch()
    except StopIteration:
        return None
