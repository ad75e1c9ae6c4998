"""Rows that come while the caller works: one batch at a time, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from flightstore._closing import Closing
from flightstore._connection import Connection
from flightstore._identity import ArrowColumns, Runs
from flightstore._local.opening import open_rows
from flightstore._reading import identity, note, warn_of
from flightstore_proto.errors import FlightstoreError


class Batches(Iterator[pa.RecordBatch], Closing):
    """Record batches of a read, from `Client.batches`; an iterator and a context manager.

    Only what is in flight is held in memory. `schema` is known from the start. Abandoned before
    its end, by `close`, by leaving the `with` block or by being forgotten, it tells the server to
    stop.
    """

    def __init__(self, connection: Connection, ticket: bytes, *, runs: bool) -> None:
        # Only the opening is tried again: after the first batch, rows would come twice.
        self._stream = connection.retrying(lambda: open_rows(connection, ticket, deadline="stream"))
        self._pairs = iter(self._stream)
        self._instruments: list[str] = []
        self._columns: ArrowColumns | None = None
        if runs:
            found, problems = identity(self._stream.schema)
            self._instruments = list(found.instruments)
            self._columns = ArrowColumns(self._instruments)
            warn_of(problems)
        plain = self._stream.schema.remove_metadata()
        self.schema: pa.Schema = self._shaped(pa.RecordBatch.from_pylist([], plain), b"").schema

    def __next__(self) -> pa.RecordBatch:
        for batch, metadata in self._pairs:
            if batch is not None and batch.num_rows:
                return self._shaped(batch.replace_schema_metadata(None), metadata)
            self._noted(metadata, 0)
        raise StopIteration

    def close(self) -> None:
        """Stop the stream. Harmless after its end."""
        self._pairs = iter(())
        self._stream.cancel()

    def _shaped(self, batch: pa.RecordBatch, metadata: bytes) -> pa.RecordBatch:
        runs = self._noted(metadata, batch.num_rows)
        return batch if self._columns is None else self._columns.prepended(batch, runs)

    def _noted(self, metadata: bytes, rows: int) -> Runs:
        """The runs of one batch; warns of the problems that came with it."""
        runs, problems = Runs(self._instruments), dict[str, FlightstoreError]()
        note(metadata, runs if self._columns is not None else None, problems, rows)
        warn_of(problems)
        return runs

    def __del__(self) -> None:
        stream = getattr(self, "_stream", None)  # absent if the opening failed
        if stream is not None:
            stream.cancel()
