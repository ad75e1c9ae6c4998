"""An answer that says where its rows lie, read as if they had been sent."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from flightstore._connection import ReadStream
from flightstore._local.mapping import NotMapped, mapped
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import Corrupt, InternalError


class LocalStream:
    """Record batches in mapped files, and between them those that were sent; like a ReadStream.

    All files are mapped when this is made, so that none can be gone later. `files` is how many.
    Raises NotMapped.
    """

    def __init__(self, stream: ReadStream, places: bytes) -> None:
        said = pb.LocalRows.FromString(places)
        columns = list(pa.ipc.read_schema(pa.py_buffer(said.schema)))
        self.schema: pa.Schema = stream.schema
        self._parts = said.parts
        self._files = [_File(file, columns, self.schema) for file in said.files]
        _check(said)
        self._maps = [mapped(file) for file in said.files]
        self._stream = stream
        self._sent = iter(stream)
        self._rest: pa.RecordBatch | None = None

    @property
    def files(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[tuple[pa.RecordBatch | None, bytes]]:
        """Pairs of rows and a BatchRuns that says whose they are."""
        for part in self._parts:
            if part.HasField("file"):
                yield self._mapped(part), _whose(part, part.rows)
            else:
                for batch in self._streamed(part):
                    yield batch, _whose(part, batch.num_rows)
        yield from self._sent  # nothing is left; only the end of the call

    def _mapped(self, part: pb.LocalPart) -> pa.RecordBatch:
        file = self._files[part.file]
        message = self._maps[part.file].slice(part.offset, part.size)
        try:
            batch = pa.ipc.read_record_batch(message, file.schema)
        except (pa.ArrowException, OSError, EOFError):
            raise Corrupt(
                f"The segment file {file.path} has changed at offset {part.offset} since the "
                "server looked at it. 'flightstore verify' tells what else has."
            ) from None
        if part.rows < batch.num_rows:
            batch = batch.slice(part.first, part.rows)
        return batch if file.is_whole else _projected(batch, self.schema)

    def _streamed(self, part: pb.LocalPart) -> Iterator[pa.RecordBatch]:
        """The next rows of the stream."""
        wanted = part.rows
        while wanted:
            batch = self._rest if self._rest is not None else self._next()
            yield batch.slice(0, wanted)
            self._rest = batch.slice(wanted) if wanted < batch.num_rows else None
            wanted -= min(wanted, batch.num_rows)

    def _next(self) -> pa.RecordBatch:
        for batch, _ in self._sent:
            if batch is not None and batch.num_rows:
                return batch
        raise InternalError("The server sent fewer rows than it said.")

    def cancel(self) -> None:
        """Tell the server to stop sending. Harmless after the end."""
        self._stream.cancel()


class _File:
    """What is known of a file: its columns, and whether they are those that are wanted."""

    __slots__ = ("is_whole", "path", "schema")

    def __init__(self, file: pb.LocalFile, columns: list[pa.Field], wanted: pa.Schema) -> None:
        self.path = file.path
        self.schema = pa.schema(columns[: file.columns])
        self.is_whole = self.schema.names == wanted.names


def _whose(part: pb.LocalPart, rows: int) -> bytes:
    said: bytes = pb.BatchRuns(series=[part.series], rows=[rows]).SerializeToString()
    return said


def _check(said: pb.LocalRows) -> None:
    sizes = [file.size for file in said.files]
    for part in said.parts:
        if part.HasField("file") and (
            part.file >= len(sizes) or part.offset + part.size > sizes[part.file]
        ):
            raise NotMapped("the server named a place outside of its files")


def _projected(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The columns of `schema` of `batch`; null where its file is older than the column."""
    columns = [
        batch.column(field.name)
        if field.name in batch.schema.names
        else pa.nulls(batch.num_rows, field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
