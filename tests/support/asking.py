"""SQL engines for tests, and waiting for what they do in the background."""

from __future__ import annotations

import time
from collections.abc import Callable

import pyarrow as pa

from flightstore_server.sql.engine import SqlEngine

_PATIENCE_SECONDS = 30.0


def ask(
    engine: SqlEngine,
    query: str,
    parameters: pa.RecordBatch | None = None,
    *,
    snapshot: str = "",
    seconds: float = 0.0,
) -> pa.Table:
    """The whole answer to `query`."""
    answer = engine.run(query, parameters, snapshot=snapshot, timeout_seconds=seconds)
    return pa.Table.from_batches(answer.batches, answer.schema)


def column(engine: SqlEngine, query: str) -> list[object]:
    """The first column of the answer to `query`."""
    values: list[object] = ask(engine, query).column(0).to_pylist()
    return values


def until(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds; it must within half a minute."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)
