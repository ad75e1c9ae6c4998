"""DoPut: batches, an explicit commit, a durable acknowledgement; any number of puts per stream.

The stream goes on receiving while earlier puts are being made durable; a thread sends their
acknowledgements in order. A put without its commit leaves no trace: to the server a client that
gave up half way looks exactly like one that finished.
"""

from __future__ import annotations

import queue
import threading

import pyarrow as pa
import pyarrow.flight as fl

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import BadRequest, FlightstoreError, Overloaded
from flightstore_server.engine.commits import Pending
from flightstore_server.flight.callers import Caller
from flightstore_server.flight.incoming import Incoming
from flightstore_server.flight.requests import parse, put_of

# Rows of one stream that may wait for the disk; a faster writer is slowed down by its socket.
_WAITING_BYTES_MAX = 16 * 1024 * 1024
_WAITING_PUTS_MAX = 1024
# A small put is waited for this long before the thread is bothered: on a fast disk it is durable by
# then. On a slower one the thread takes over, and while it is busy nothing is waited for here.
_SMALL_BYTES = 64 * 1024
_PATIENCE_SECONDS = 0.002
# 0 is a client that does not say.
_PROTOCOLS = (0, 1)


class _Acknowledger:
    """Sends the acknowledgements of one stream, in order, as its puts become durable.

    A small put that is durable within a moment is acknowledged without the thread, which begins
    with the first one that takes longer.
    """

    def __init__(self, writer: fl.FlightMetadataWriter) -> None:
        self._writer = writer
        self._waiting: queue.Queue[tuple[Pending, int] | None] = queue.Queue(_WAITING_PUTS_MAX)
        self._puts = 0
        self._bytes = 0
        self._room = threading.Condition()
        self.error: Exception | None = None
        self._thread: threading.Thread | None = None

    def add(self, pending: Pending) -> None:
        """Have `pending` acknowledged once it is durable; waits while too much is under way."""
        small = len(pending.body) <= _SMALL_BYTES
        if small and not self._puts and pending.wait(_PATIENCE_SECONDS):
            self._send(pending)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="acks", daemon=True)
            self._thread.start()
        size = len(pending.body)
        with self._room:
            self._room.wait_for(lambda: self._bytes < _WAITING_BYTES_MAX)
            self._bytes += size
            self._puts += 1
        self._waiting.put((pending, size))

    def finish(self) -> None:
        """Wait until everything is acknowledged. Raises what went wrong with the first failure."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            pending, size = item
            if self.error is None:  # nobody may learn of a later put once an earlier one has failed
                self._try_to_send(pending)
            with self._room:
                self._bytes -= size
                self._puts -= 1
                self._room.notify()

    def _try_to_send(self, pending: Pending) -> None:
        try:
            self._send(pending)
        except (FlightstoreError, fl.FlightError, pa.ArrowException, OSError) as error:
            self.error = error

    def _send(self, pending: Pending) -> None:
        ack = pending.result()
        message = pb.WriteAck(
            lsn=ack.lsn, rows=ack.rows, duplicates=ack.duplicates, put_id=ack.put_id
        )
        self._writer.write(pa.py_buffer(message.SerializeToString()))


def receive_puts(
    caller: Caller, command: bytes, incoming: Incoming, writer: fl.FlightMetadataWriter
) -> None:
    """Serve one DoPut stream to its end."""
    request = parse(pb.WriteRequest, command, "descriptor")
    if request.protocol not in _PROTOCOLS:
        raise BadRequest(
            f"The client speaks version {request.protocol} of the put protocol and this server "
            "version 1; use a client of the server's version."
        )
    schema = incoming.schema()
    # Before the first batch is read: with a hostile schema Arrow's reader itself is not safe.
    caller.check_schema(request.dataset, schema)
    acknowledger = _Acknowledger(writer)
    try:
        _receive(caller, request.dataset, schema, incoming, acknowledger)
    finally:
        incoming.gathered.drop()
        acknowledger.finish()


def _receive(
    caller: Caller,
    dataset: str,
    schema: pa.Schema,
    incoming: Incoming,
    acknowledger: _Acknowledger,
) -> None:
    gathered = incoming.gathered
    size = 0
    while acknowledger.error is None:
        chunk = incoming.chunk()
        if chunk is None:
            return
        if chunk.data is not None:
            size += chunk.data.nbytes
            _check_size(size, caller.limits.put_bytes_max)
            gathered.add(chunk.data)
        if chunk.app_metadata is not None:
            # A commit may come without rows: it then only says what is covered.
            rows = gathered.committed() or [pa.RecordBatch.from_pylist([], schema)]
            acknowledger.add(caller.put(put_of(dataset, rows, chunk.app_metadata.to_pybytes())))
            gathered.drop()
            size = 0
            del rows
        del chunk  # the next one may take for ever, and nothing is held meanwhile


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise Overloaded(
            f"The put has more than {limit} bytes (put_bytes_max); send it in smaller puts."
        )
