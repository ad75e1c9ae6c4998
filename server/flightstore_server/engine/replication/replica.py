"""Following a primary: its log records, under their own LSNs, into this server's log and memory.

What is received is made durable and applied by the same functions as a write of one's own, so a
replica is a store like any other, which recovers by itself and can become a primary at any moment.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import (
    Corrupt,
    DataDirError,
    FlightstoreError,
    InternalError,
    Lagged,
    Unavailable,
)
from flightstore_server.engine.recovery import record_of
from flightstore_server.engine.replication import origin
from flightstore_server.engine.replication.origin import generation_of
from flightstore_server.engine.replication.primary import Primary
from flightstore_server.engine.store import Store
from flightstore_server.storage import layout
from flightstore_server.storage.checksum import crc
from flightstore_server.storage.log.group import StoredRecord

log = logging.getLogger(__name__)
_PAUSE_SECONDS, _PAUSE_SECONDS_MAX = 0.1, 5.0


class Diverged(DataDirError):
    """The primary's history is not the one that was copied."""


class Replica:
    """A thread that follows a primary until it is stopped or promoted.

    `state` is connecting, running, lagged, diverged or stopped; reads go on in all of them.
    """

    name = "following"
    kind = "replica"

    def __init__(
        self, store: Store, primary: Primary, promoted: Callable[[], None] = lambda: None
    ) -> None:
        """`promoted` is called once, after this server has become a primary."""
        self.state = "connecting"
        self.error = ""
        self.errors = 0
        self._store = store
        self._primary = primary
        self._promoted = promoted
        self._received_any = False
        self._stopping = threading.Event()
        self._promoting = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="replica", daemon=True)

    @property
    def lsn(self) -> int:
        """Everything up to it is durable and visible here."""
        return self._store.state.last_lsn

    def start(self) -> None:
        """Begin to follow."""
        for file in self._store.files.list_dir(layout.TMP_DIR):
            if layout.is_fetched(file):
                self._store.files.remove(f"{layout.TMP_DIR}/{file}")
        self._store.replica = self
        self._store.consumers.register(self)
        self._thread.start()

    def stop(self) -> None:
        """Follow no longer, once what was received is applied."""
        self._stopping.set()
        self._primary.cancel()
        self._thread.join()
        self.state = "stopped"

    def promote(self) -> None:
        """Stop, and take writes from now on, also after a restart. Harmless if done already."""
        with self._promoting:
            if self._store.replica is not self:
                return
            self.stop()
            origin.forget(self._store.files)
            self._store.consumers.forget(self)
            self._store.committer.read_only = ""
            self._store.origin = self._store.replica = None
            log.warning("promoted at record %d; this server is a primary now", self.lsn)
            self._promoted()

    def _run(self) -> None:
        pause = _PAUSE_SECONDS
        while not self._stopping.is_set():
            self._received_any = False
            try:
                self._follow()
            except FlightstoreError as error:
                self._note(error)
            except Exception as error:
                log.exception("following has failed")
                self._note(InternalError(f"Following failed: {error!r}; the log has the details."))
            pause = _PAUSE_SECONDS if self._received_any else min(2 * pause, _PAUSE_SECONDS_MAX)
            self._stopping.wait(pause)

    def _note(self, error: FlightstoreError) -> None:
        if self._stopping.is_set():
            return  # the stream was cancelled
        message = error.message
        if isinstance(error, Lagged):
            message = (
                f"{self._primary.uri} no longer has what comes after record {self.lsn}; start the "
                "replica anew with an empty data directory, and raise log.keep_bytes and "
                "log.keep_seconds there for the next time."
            )
        if message != self.error:
            log.warning("not following: %s", message)
        states = {Lagged: "lagged", Diverged: "diverged"}
        self.state, self.error = states.get(type(error), "connecting"), message
        self.errors += 1

    def _follow(self) -> None:
        last = self._last_record()
        if last is not None:
            try:
                # Once more what is here already: whether it is the same there tells one history
                # from another.
                self._receive(self.lsn - 1, last)
                return
            except Lagged:
                log.debug("the primary's log does not hold record %d", last.lsn)
        self._receive(self.lsn, None)

    def _last_record(self) -> StoredRecord | None:
        """The newest record; None if the log does not hold it, as after the copy."""
        try:
            cursor = self._store.feed.cursor(self.lsn - 1)
            return cursor.read(self.lsn, bytes_max=1)[-1] if self.lsn else None
        except Lagged:
            return None

    def _receive(self, after_lsn: int, last: StoredRecord | None) -> None:
        for shipment in self._primary.follow(after_lsn):
            if shipment.last_lsn < self.lsn:
                raise self._diverged(f"the primary ends at {shipment.last_lsn}")
            records = shipment.records
            if last is not None and records:
                if not _same(last, records[0]):
                    raise self._diverged("that record is another one there")
                records, last = records[1:], None
            self._take(records)
            self.state, self.error, self._received_any = "running", "", True
            if self._stopping.is_set():
                return
        raise Unavailable(f"{self._primary.uri} has ended the stream.")

    def _diverged(self, why: str) -> Diverged:
        return Diverged(
            f"{self._store.files.root} ends at record {self.lsn} and {self._primary.uri} is not "
            f"its continuation: {why}. It may have been restored from a backup, or be another "
            "server; start the replica anew with an empty data directory."
        )

    def _take(self, records: Sequence[StoredRecord]) -> None:
        """Log and apply `records`; alone those for which something has to be done before."""
        begin = 0
        for at, record in enumerate(records):
            message = None if record.body_bytes else record_of(record)
            if message is None or not _is_special(message):
                continue
            self._replicate(records[begin:at])
            self._take_special(record, message)
            begin = at + 1
        self._replicate(records[begin:])

    def _replicate(self, records: Sequence[StoredRecord]) -> None:
        if records:
            self._store.replicate(records)

    def _take_special(self, record: StoredRecord, message: pb.LogRecord) -> None:
        segments = [s for run in message.put.runs for s in run.segments]
        if segments:
            self._make_way_for(segments)
        for segment in segments:
            self._fetch(segment)
        # A merge under way must not bring back what a delete takes. And a fetched file is named by
        # nothing until it is logged: the sweep must not come in between.
        with self._store.maintenance.lock:
            for segment in segments:
                self._store.files.make_dir(segment.file.rpartition("/")[0])
                self._store.files.publish(layout.fetched(segment.id), segment.file)
            series = self._store.state.names.by_id.get(message.delete.series)
            if message.delete.retention and series is not None:
                self._store.keep_derived(series)
            self._replicate([record])

    def _make_way_for(self, segments: Iterable[pb.LogSegment]) -> None:
        """Number the own segments above those of the primary, whatever it is by now."""
        known = self._store.origin
        newest = max(segment.id for segment in segments)
        if known is None:
            return
        if any(generation_of(segment.id) in known.generations for segment in segments):
            raise self._diverged("it numbers its segments as this server does its own")
        if generation_of(newest) < known.generations[-1]:
            return
        moved = known.above(newest)
        origin.save(self._store.files, moved)
        self._store.origin = moved
        self._store.reservations.start_after(1, 1, moved.first_segment)

    def _fetch(self, segment: pb.LogSegment) -> None:
        """Have the file that the primary's log names, durably, under a name that nobody reads."""
        if not layout.is_segment(segment.file) or layout.segment_id(segment.file) != segment.id:
            raise Corrupt(f"The primary's log names {segment.file!r}, which is no segment's name.")
        checksum = 0
        file = self._store.files.create(layout.fetched(segment.id))
        try:
            for piece in self._primary.segment(segment.file):
                file.write([piece.data])
                checksum = crc(piece.data, checksum)
            file.sync()
        finally:
            file.close()
        if (file.size, checksum) != (segment.size, segment.crc):
            raise Corrupt(
                f"The segment file {segment.file} came with {file.size} bytes that are not the "
                f"{segment.size} that the log speaks of, somewhere from offset 0 on; run "
                "`flightstore verify` on the primary."
            )


def _is_special(message: pb.LogRecord) -> bool:
    """Whether a record needs more than being applied: files, or no merge under way."""
    kind = message.WhichOneof("op")
    return kind in ("delete", "rule") or any(run.segments for run in message.put.runs)


def _same(one: StoredRecord, other: StoredRecord) -> bool:
    # Not the header's bytes: two serialisations of one message may differ.
    same_message = record_of(one) == record_of(other)
    return one.lsn == other.lsn and same_message and bool(one.body.equals(other.body))
