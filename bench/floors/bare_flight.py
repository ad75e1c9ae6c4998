"""The floors: what the same work costs with Flight and the disk alone.

    history, wide    DoGet of a table that lies in memory, in batches of 64 Ki rows
    empty            DoGet of no rows: what a round trip costs
    few              DoGet of 100 rows of bars
    joined/1, /5     DoGet of an as-of join's result, or of a fifth of it
    newest           DoGet of the newest rows of 10,000 series
    DoPut            takes batches; compares the schema, validates every value, appends the batch to
                     a file, one fdatasync for each, and acknowledges

Run as `python -m bench.floors.bare_flight FOLDER NAME ...`; the names are the tables to hold.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as fl

from bench import inputs
from flightstore_proto.schemas import TRADES

_TABLES = {
    "history": inputs.history,
    "wide": inputs.wide,
    "few": lambda: inputs.history().slice(0, 100),
    "joined/1": lambda: inputs.joined(1),
    "joined/5": lambda: inputs.joined(5),
    "newest": inputs.newest,
}


class Floor(fl.FlightServerBase):  # type: ignore[misc]
    """A Flight server without a store behind it."""

    def __init__(self, folder: Path, names: Iterable[str]) -> None:
        super().__init__("grpc://127.0.0.1:0")
        self._folder = folder
        self._tables = {name: _TABLES[name]() for name in names}
        self._tables["empty"] = pa.table({"ts": pa.array([], pa.int64())})

    def do_get(self, context: fl.ServerCallContext, ticket: fl.Ticket) -> fl.FlightDataStream:
        return fl.RecordBatchStream(self._tables[ticket.ticket.decode()])

    def do_put(
        self,
        context: fl.ServerCallContext,
        descriptor: fl.FlightDescriptor,
        reader: fl.MetadataRecordBatchReader,
        writer: fl.FlightMetadataWriter,
    ) -> None:
        if not reader.schema.equals(TRADES):
            raise fl.FlightServerError("another schema")
        fd = os.open(self._folder / descriptor.command.decode(), os.O_CREAT | APPEND)
        try:
            for chunk in reader:
                chunk.data.validate(full=True)
                append(fd, chunk.data.serialize())
                writer.write(b"done")
        finally:
            os.close(fd)


APPEND = os.O_WRONLY | os.O_APPEND


def append(fd: int, data: pa.Buffer | bytes) -> None:
    """Append all of `data` and wait until it is on the disk: the least a durable write can cost."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]
    os.fdatasync(fd)


class BarePut:
    """The client of DoPut above: sends batches while a thread counts the acknowledgements."""

    def __init__(self, uri: str, file: str) -> None:
        self._client = fl.FlightClient(uri)
        descriptor = fl.FlightDescriptor.for_command(file.encode())
        self._writer, self._acks = self._client.do_put(descriptor, TRADES)

    def ping(self, batch: pa.RecordBatch) -> None:
        """Send one batch and wait until it is durable."""
        self._writer.write_batch(batch)
        self._acks.read()

    def send(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Send all batches, wait until all are durable, and end the stream."""
        drain = threading.Thread(target=self._drain)
        drain.start()
        for batch in batches:
            self._writer.write_batch(batch)
        self._writer.done_writing()
        drain.join()
        self.close()

    def _drain(self) -> None:
        while self._acks.read() is not None:
            pass

    def close(self) -> None:
        self._writer.close()
        self._client.close()


def read(client: fl.FlightClient, name: str) -> pa.Table:
    """One of the tables, read as Flight's own client reads it."""
    return client.do_get(fl.Ticket(name.encode())).read_all()


def main(arguments: list[str]) -> None:
    server = Floor(Path(arguments[0]), arguments[1:])
    print(f"listening on grpc://127.0.0.1:{server.port}", flush=True)
    server.serve()


if __name__ == "__main__":
    main(sys.argv[1:])
