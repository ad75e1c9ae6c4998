"""One open stream of puts. The sender writes; a thread reads the acknowledgements.

The thread is not a luxury: acknowledgements that nobody reads fill their window, the server then
stops reading, and both sides wait for each other for ever.

    sender                                  acknowledgement thread
    wait for room among the unacknowledged
    queue a Future, write the batches  -->  read an ack, resolve the oldest Future, make room
    ...                                     end of stream: fetch the verdict, fail what is left
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass

import pyarrow as pa
from google.protobuf.message import DecodeError

from flightstore._acks import WriteAck
from flightstore._connection import Connection, PutStream
from flightstore._gather import ROWS_MAX, Gathered
from flightstore._puts import Put
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import DeadlineExceeded, FlightstoreError, InternalError

UNACKNOWLEDGED_PUTS_MAX = 64
UNACKNOWLEDGED_BYTES_MAX = 32 * 1024 * 1024


@dataclass(slots=True)
class _Sent:
    """A put under way. `acks` are more than one where single rows were gathered into it."""

    put_id: int
    nbytes: int
    acks: list[Future[WriteAck]]

    def acknowledge(self, ack: pb.WriteAck) -> None:
        if len(self.acks) == 1:
            self.acks[0].set_result(WriteAck.of(ack))
            return
        for waiting in self.acks:
            waiting.set_result(WriteAck(ack.lsn, 1))


class Pipe:
    """An open stream of puts; `send` belongs to one thread at a time."""

    def __init__(self, stream: PutStream, *, patience: float) -> None:
        """`patience`: seconds to wait for room, for the last acknowledgements, for the end."""
        self._stream, self._patience = stream, patience
        self._unacknowledged: deque[_Sent] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        # One call on the stream at a time: the thread closes it while the sender may be writing.
        self._wire = threading.Lock()
        # Whoever sends holds it, so that gathered rows keep their place in the order.
        self._gate = threading.Lock()
        self._gathered = Gathered()
        self._ended = threading.Event()
        self.error: FlightstoreError | None = None
        self._thread = threading.Thread(target=self._drain, name="flightstore-acks", daemon=True)
        self._thread.start()

    def send(self, put: Put) -> Future[WriteAck]:
        """Write `put`; its acknowledgement comes later. Waits while too much is unacknowledged."""
        ack: Future[WriteAck] = Future()
        # From now on nobody can cancel it, as a cancelled `await` would: its ack comes anyway.
        ack.set_running_or_notify_cancel()
        with self._gate:
            self._send_gathered()
            self._send(put, [ack])
        self._send_what_waits()
        return ack

    def send_row(self, row: pa.RecordBatch, said: pb.SeriesPut) -> Future[WriteAck]:
        """Write one row: at once if nothing is under way, otherwise with others in the next put."""
        with self._gate:
            if self.error is not None:
                raise self.error
            ack = self._gathered.add(row, said)
            if not self._unacknowledged or len(self._gathered) >= ROWS_MAX:
                self._send_gathered()
        self._send_what_waits()
        return ack

    def _send_what_waits(self) -> None:
        """Send gathered rows if nothing is under way any more, unless somebody is sending.

        Whoever is looks here again after letting go of the gate. The thread that reads must never
        wait for it: the holder may itself be waiting for an acknowledgement to be read.
        """
        while self._gathered and not self._unacknowledged and self.error is None:
            if not self._gate.acquire(blocking=False):
                return
            try:
                if not self._unacknowledged:
                    self._send_gathered()
            finally:
                self._gate.release()

    def _send_gathered(self) -> None:
        """Send the rows that have gathered. The caller holds the gate."""
        if self._gathered:
            self._send(self._gathered.put(), self._gathered.waiting)

    def _send(self, put: Put, acks: list[Future[WriteAck]]) -> None:
        self._queue(_Sent(put.put_id, put.nbytes, acks))
        try:
            *body, last = put.batches
            for batch in body:
                self._write(batch, None)
            self._write(last, put.commit())
        except FlightstoreError as error:
            self._failed(error)

    def _queue(self, sent: _Sent) -> None:
        nbytes = sent.nbytes
        with self._changed:
            if not self._changed.wait_for(lambda: self._has_room(nbytes), self._patience):
                raise DeadlineExceeded(
                    f"The server has acknowledged nothing for {self._patience:g} s, "
                    f"with {len(self._unacknowledged)} puts under way."
                )
            if self.error is not None:
                raise self.error
            self._unacknowledged.append(sent)
            self._bytes += nbytes
            if sent.acks is self._gathered.waiting:
                # In one step with the line above: at no time is a row neither here nor there.
                self._gathered = Gathered()

    def _has_room(self, nbytes: int) -> bool:
        waiting = len(self._unacknowledged)
        if self.error is not None or not waiting:
            return True
        fits = self._bytes + nbytes <= UNACKNOWLEDGED_BYTES_MAX
        return fits and waiting < UNACKNOWLEDGED_PUTS_MAX

    def _write(self, batch: pa.RecordBatch, metadata: bytes | None) -> None:
        with self._wire:
            self._stream.write(batch, metadata)

    def _failed(self, error: FlightstoreError) -> None:
        """After a write that failed: wait for the server's own reason, `error` is the fallback."""
        self.end()
        if threading.current_thread() is self._thread:
            return  # it reads on to the end of the stream, and finds the reason there
        if not self._ended.wait(self._patience):
            self._fail(error)

    def flush(self) -> None:
        """Wait until everything sent is acknowledged; raises the error that prevented it."""
        with self._changed:
            done = self._changed.wait_for(
                lambda: self._is_quiet() or self.error is not None, self._patience
            )
        if self.error is not None:
            raise self.error
        if not done:
            raise DeadlineExceeded(
                f"{len(self._unacknowledged)} puts are not acknowledged after "
                f"{self._patience:g} s; they may still be."
            )

    def _is_quiet(self) -> bool:
        return not self._unacknowledged and not self._gathered

    def close(self) -> None:
        """End the stream and wait for the server to end it too. Does not raise for its error."""
        self.end()
        self._ended.wait(self._patience)

    def end(self) -> None:
        """Say that nothing more comes, and wait for nothing. What was committed stays so."""
        try:
            with self._wire:
                self._stream.done()
        except FlightstoreError:
            pass  # the stream is over already; the thread learns why

    def _drain(self) -> None:
        error: FlightstoreError = InternalError(
            "The server ended the stream before it acknowledged a put."
        )
        try:
            while (message := self._stream.read()) is not None:
                self._acknowledge(pb.WriteAck.FromString(message))
            with self._wire:
                self._stream.close()
        except FlightstoreError as found:
            error = found
        except DecodeError:
            error = InternalError("The server's acknowledgement cannot be read.")
        finally:
            # Also at a good end, after which nothing can be sent any more.
            self._fail(error)
            self._ended.set()

    def _acknowledge(self, ack: pb.WriteAck) -> None:
        with self._changed:
            if not self._unacknowledged or self._unacknowledged[0].put_id != ack.put_id:
                raise InternalError("The server acknowledged a put that was not the next one.")
            sent = self._unacknowledged.popleft()
            self._bytes -= sent.nbytes
            self._changed.notify_all()
        sent.acknowledge(ack)
        self._send_what_waits()

    def _fail(self, error: FlightstoreError) -> None:
        """Fail what is unacknowledged, and with it everything later."""
        with self._changed:
            failed, self._unacknowledged = self._unacknowledged, deque()
            gathered, self._gathered = self._gathered, Gathered()
            self.error = self.error or error
            self._changed.notify_all()
        for ack in [ack for sent in failed for ack in sent.acks] + gathered.waiting:
            ack.set_exception(error)


def open_pipe(connection: Connection, dataset: str, schema: pa.Schema, *, deadline: str) -> Pipe:
    """A stream for rows of `schema` to `dataset`; `deadline` is a field of Timeout."""
    command = pb.WriteRequest(dataset=dataset, protocol=1).SerializeToString()
    stream = connection.open_put(command, schema, deadline=deadline)
    return Pipe(stream, patience=connection.timeout.write)
