"""Writer: one open stream for many puts, as an ingestion service needs it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

import pyarrow as pa

from flightstore._acks import PendingAck, WriteAck
from flightstore._connection import Connection
from flightstore._many import put_of_frames
from flightstore._pipe import Pipe, open_pipe
from flightstore._puts import Put, puts_of, series_put
from flightstore._rows import rows_of
from flightstore_proto import instrument as instruments
from flightstore_proto.errors import BadRequest


class Writer:
    """One open stream of puts to one dataset. Made by `Client.writer`; a context manager.

    At most 64 puts and 32 MiB are unacknowledged at a time: when the server falls behind, `write`
    waits. Rows written one by one while another is under way travel together, and are accepted or
    refused together. When a put fails, the server ends the stream: that put's acknowledgement and
    those of all later ones fail with the same error, as do `write` and `flush` from then on. What
    is not acknowledged may be written again with a new writer: the same rows change nothing.

    Safe to use from several threads; their puts are sent one after another.
    """

    def __init__(self, connection: Connection, dataset: str, timeframe: str | None) -> None:
        self._connection, self._dataset, self._timeframe = connection, dataset, timeframe
        self._turn = threading.Lock()
        self._pipe: Pipe | None = None
        self._schema: pa.Schema | None = None
        self._closed = False

    def write(
        self,
        instrument: str,
        frame: Any,
        *,
        timeframe: str | None = None,
        covers: Any = None,
        metadata: Mapping[str, str] | None = None,
        grid: str = "timeframe",
        key: str = "ts",
    ) -> PendingAck:
        """Send one put; arguments as in `Client.write`. Does not wait for the acknowledgement."""
        name = instruments.parse(str(instrument))
        rows = rows_of(frame, self._dataset, name)
        said = series_put(
            str(name),
            timeframe or self._timeframe,
            covers=covers,
            values=metadata,
            grid=grid,
            key=key,
        )
        with self._turn:
            pipe = self._open(rows.schema)
            if rows.row is not None:
                parts = [pipe.send_row(rows.row, said)]
            else:
                parts = [pipe.send(put) for put in puts_of(rows, said)]
        return PendingAck(parts, self._connection.timeout.write)

    def write_many(
        self,
        frames: Mapping[str, Any],
        *,
        timeframe: str | None = None,
        covers: Any = None,
        metadata: Mapping[str, Mapping[str, str]] | None = None,
    ) -> PendingAck:
        """Send rows of several series as one put, all of them or none; at most 48 MiB together.

        Arguments as in `Client.write_many`. Does not wait for the acknowledgement.
        """
        put = put_of_frames(frames, self._dataset, timeframe or self._timeframe, covers, metadata)
        with self._turn:
            parts = [self._open(put.schema).send(put)]
        return PendingAck(parts, self._connection.timeout.write)

    def flush(self) -> None:
        """Wait until every put is acknowledged. Raises the error of the first that failed."""
        with self._turn:
            if self._pipe is not None:
                self._pipe.flush()

    def close(self) -> None:
        """Flush and end the stream. Closing twice is harmless."""
        with self._turn:
            self._closed = True
            pipe, self._pipe = self._pipe, None
            _finish(pipe)

    def _open(self, schema: pa.Schema) -> Pipe:
        if self._closed:
            raise BadRequest("This writer is closed; make another one.")
        if self._pipe is not None and self._schema != schema:
            # A stream has one schema; this dataset just gained a column.
            pipe, self._pipe = self._pipe, None
            _finish(pipe)
        if self._pipe is None:
            self._pipe = open_pipe(self._connection, self._dataset, schema, deadline="stream")
            self._schema = schema
        return self._pipe

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
            return
        # The caller's own error is the one to see, at once; what was sent is written regardless.
        with self._turn:
            self._closed = True
            if self._pipe is not None:
                self._pipe.end()


def send_all(
    connection: Connection, dataset: str, schema: pa.Schema, puts: Iterable[Put]
) -> WriteAck:
    """Send `puts` on a stream of their own and wait for the acknowledgement of all."""
    pipe = open_pipe(connection, dataset, schema, deadline="write")
    try:
        acks = [pipe.send(put) for put in puts]
        pipe.flush()
    except BaseException:
        pipe.end()
        raise
    pipe.close()
    return WriteAck.together([ack.result() for ack in acks])


def _finish(pipe: Pipe | None) -> None:
    if pipe is None:
        return
    try:
        pipe.flush()
    except BaseException:
        pipe.end()
        raise
    pipe.close()
