"""A stream of rows, brought in whole: the table, whose rows they are, and what was missing."""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from flightstore._connection import Connection
from flightstore._identity import Runs
from flightstore._local.opening import open_rows
from flightstore._translation import from_detail
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import FlightstoreError
from flightstore_proto.schemas import SERIES_KEY

_PACKAGE = str(Path(__file__).parent)


class PartialReadWarning(UserWarning):
    """Some instruments of a read of many could not be served; the others were."""


@dataclass(slots=True)
class Fetched:
    """The answer to a read.

    `runs` says whose rows they are, or is None where one exact instrument was asked for.
    `problems` holds the error of every instrument that could not be served.
    """

    table: pa.Table
    runs: Runs | None
    problems: dict[str, FlightstoreError] = field(default_factory=dict)

    def warn(self) -> None:
        """Issue a PartialReadWarning if there were problems."""
        warn_of(self.problems)


def fetch(connection: Connection, ticket: bytes, *, runs: bool) -> Fetched:
    """Everything that `ticket`, which asks for `runs` or not, stands for.

    Tried again while no server is to be found: nothing of it has been handed out yet.
    """
    return connection.retrying(lambda: _fetch(connection, ticket, runs))


def _fetch(connection: Connection, ticket: bytes, with_runs: bool) -> Fetched:
    stream = open_rows(connection, ticket)
    try:
        found, problems = identity(stream.schema)
        runs = found if with_runs else None
        batches: list[pa.RecordBatch] = []
        for batch, metadata in stream:
            note(metadata, runs, problems, 0 if batch is None else batch.num_rows)
            if batch is not None:
                batches.append(batch)
    except BaseException:
        stream.cancel()
        raise
    table = pa.Table.from_batches(batches, stream.schema)
    return Fetched(table.replace_schema_metadata(None), runs, problems)


def identity(schema: pa.Schema) -> tuple[Runs, dict[str, FlightstoreError]]:
    """What the schema of a stream with runs says about the series in it."""
    said = pb.StreamSeries.FromString((schema.metadata or {}).get(SERIES_KEY, b""))
    runs = Runs([entry.instrument for entry in said.series])
    return runs, {p.instrument: from_detail(p.error) for p in said.problems}


def note(
    metadata: bytes, runs: Runs | None, problems: dict[str, FlightstoreError], rows: int
) -> None:
    """Add what the metadata of one batch says to `runs` and `problems`."""
    if runs is None or not (metadata or rows):
        return  # not asked for, or a batch of nothing
    said = pb.BatchRuns.FromString(metadata)
    runs.add(said, rows)
    problems.update({p.instrument: from_detail(p.error) for p in said.problems})


def warn_of(problems: dict[str, FlightstoreError]) -> None:
    """Issue a PartialReadWarning that names up to five of `problems`."""
    if not problems:
        return
    named = "; ".join(f"{name}: {error}" for name, error in list(problems.items())[:5])
    more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
    text = f"{len(problems)} of the instruments asked for could not be served: {named}{more}"
    warnings.warn(text, PartialReadWarning, stacklevel=_caller())


def _caller() -> int:
    """The stacklevel, seen from this function's caller, of the code that called this package."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    return level
