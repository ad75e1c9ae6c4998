"""What replicas are given: a copy of the state, the log's records, segments that they name.

Records go out as the log has them. They are read from its files, whose newest bytes are in the page
cache, so following costs neither memory nor encoding.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from flightstore_proto.errors import Corrupt, Lagged
from flightstore_server.engine.pins import Pin
from flightstore_server.engine.recovery import record_of
from flightstore_server.engine.replication.primary import Copy, Piece, Shipment
from flightstore_server.engine.store import Store
from flightstore_server.storage import layout
from flightstore_server.storage.files import Files
from flightstore_server.storage.log.group import StoredRecord

_PIECE_BYTES = 1 << 20
_SHIPMENT_BYTES = 4 << 20
# How often a replica hears that its primary is alive.
HEARTBEAT_SECONDS = 1.0
# Records that are committed in quick succession share a shipment: each costs both sides about as
# much as fifty records. A record after a pause goes out at once.
_PACE_SECONDS = 0.005
# Names that replicas may still ask for; they do before they take the next record.
_NAMED_MAX = 65_536


@dataclass(slots=True)
class Follower:
    """A replica as the primary's status shows it; everything up to `lsn` was sent."""

    name: str
    lsn: int
    kind: str = "replica"
    state: str = "running"
    error: str = ""
    errors: int = 0


class Source:
    """The replicas' view of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._named: OrderedDict[str, None] = OrderedDict()

    def copy(self) -> Copy:
        """The state as of now. Raises Corrupt if a segment file is missing, Poisoned."""
        store = self._store
        # With the pin the files named now stay until they are sent; merging may go on meanwhile.
        pin = store.maintenance.pins.take()
        with store.maintenance.lock:
            lsn = store.flush()
            catalog = _catalog_copy(store)
            segments = store.catalog.files()
        size = sum(segment.size for segment in segments) + catalog.size
        pieces = _files(store.files, [s.file for s in segments], catalog, pin)
        return Copy(lsn, len(segments) + 1, size, pieces)

    def follow(self, after_lsn: int, name: str) -> Iterator[Shipment]:
        """Every record after `after_lsn`, for ever; `name` is whose replica it is.

        Raises Lagged if the log no longer has them, Unavailable once the server is stopping.
        """
        feed, consumers = self._store.feed, self._store.consumers
        cursor = feed.cursor(after_lsn)
        follower = Follower(name, after_lsn)
        consumers.register(follower)
        try:
            yield Shipment(feed.last_lsn, ())  # says at once whether the replica is ahead
            while True:
                records: list[StoredRecord] = []
                if feed.wait(cursor.lsn, HEARTBEAT_SECONDS):
                    records = cursor.read(feed.last_lsn, bytes_max=_SHIPMENT_BYTES)
                    self._remember(records)
                yield Shipment(feed.last_lsn, records)
                follower.lsn = cursor.lsn
                time.sleep(_PACE_SECONDS)
        finally:
            consumers.forget(follower)

    def segment(self, file: str) -> Iterator[Piece]:
        """The segment file that a record named. Raises Lagged if no record did, or it is gone."""
        with self._lock:
            named = file in self._named
        if named and self._store.files.exists(file):
            return _pieces(file, self._store.files.map(file))
        raise Lagged(
            "The primary has no segment file of that name that its log speaks of; start the "
            "replica anew with an empty data directory."
        )

    def _remember(self, records: Iterable[StoredRecord]) -> None:
        for record in records:
            for file in segments_of(record):
                with self._lock:
                    self._named[file] = None
                    self._named.move_to_end(file)
                    if len(self._named) > _NAMED_MAX:
                        self._named.popitem(last=False)


def segments_of(stored: StoredRecord) -> list[str]:
    """The segment files that a record names: those of a bulk put, which has no rows of its own."""
    if stored.body_bytes:
        return []
    return [s.file for run in record_of(stored).put.runs for s in run.segments]


def _catalog_copy(store: Store) -> pa.Buffer:
    """A copy of the catalog; the caller holds the maintenance lock."""
    store.files.remove(layout.CATALOG_COPY)  # a crash may have left one
    store.catalog.backup(store.files.root / layout.CATALOG_COPY)
    copied = store.files.map(layout.CATALOG_COPY)
    store.files.remove(layout.CATALOG_COPY)  # the mapping keeps its bytes
    return copied


def _files(files: Files, segments: list[str], catalog: pa.Buffer, pin: Pin) -> Iterator[Piece]:
    for file in segments:
        try:
            mapped = files.map(file)
        except OSError as error:
            raise Corrupt(
                f"The segment file {file} is missing from offset 0 on, so there is no whole copy; "
                "run `flightstore repair` on the primary first."
            ) from error
        yield from _pieces(file, mapped)
    del pin  # everything is open that was to be
    yield from _pieces(layout.CATALOG, catalog)


def _pieces(file: str, data: pa.Buffer) -> Iterator[Piece]:
    for offset in range(0, data.size, _PIECE_BYTES):
        yield Piece(file, offset, data.slice(offset, min(_PIECE_BYTES, data.size - offset)))
