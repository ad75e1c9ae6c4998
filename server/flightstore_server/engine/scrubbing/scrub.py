"""Reading every segment file, slowly, again and again, and comparing it with its checksum.

A disk loses bytes in silence. Readers notice, since every batch is checked before it is used, but
nobody may ask for the rows of 2017 until the last backup that had them intact is gone.

A round goes through all segments by their ids, at so many bytes a second; the next one begins an
interval after it. Files are read past the page cache, so that it is the disk that is checked and
what others have in the cache stays there. What is damaged stays reported until it is not named any
more, or was found intact.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flightstore_proto.timeframe import DAY_NS
from flightstore_server.engine.inspection import inspect
from flightstore_server.engine.scrubbing import record as records
from flightstore_server.engine.verify import named_segments
from flightstore_server.storage.checksum import crc
from flightstore_server.storage.segment.segment import Segment

if TYPE_CHECKING:
    from flightstore_server.engine.store import Store

log = logging.getLogger(__name__)
_PIECE_BYTES = 1 << 20
# How often it looks whether a round is due, or a damaged file is gone.
_LOOK_SECONDS = 60.0
_SAVE_SECONDS = 60.0


@dataclass(slots=True)
class _Due:
    """A segment to be checked, as far as it was read. `again`: not as a part of the round."""

    id: int
    file: str
    size: int
    crc: int
    again: bool
    read: int = 0
    crc_read: int = 0


class Scrub:
    """The background check of one store's segments.

    `total` and `done` are segments of the round under way, `bytes` was read since the start, and
    `damage` has the findings by segment id.
    """

    def __init__(self, store: Store, *, bytes_per_second: int, interval_days: float) -> None:
        self.total = self.done = self.bytes = 0
        self.damage: dict[int, list[str]] = {}
        self._store = store
        self._rate = bytes_per_second
        self._interval_ns = int(interval_days * DAY_NS)
        self._record = records.load(store.files)
        self._due: list[_Due] = []
        self._saved = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scrub", daemon=True)
        self._recall()

    @property
    def finished_seconds(self) -> float:
        """When the last round ended, in seconds since 1970; 0 if none has."""
        return self._record.finished_ns / 1e9

    @property
    def damaged(self) -> int:
        """How many segments are damaged, as far as it knows."""
        return len(self.damage)

    def start(self) -> None:
        """Check in a thread from now on."""
        self._store.scrub = self
        self._thread.start()

    def stop(self) -> None:
        """Stop within a moment, and remember how far it came. Before the store is closed."""
        self._stop.set()
        self._thread.join()
        records.save(self._store.files, self._record)

    def step(self) -> int:
        """Read the next piece of a file. Returns its bytes; 0 if nothing is due."""
        if not self._due:
            self._begin()
        if not self._due:
            return 0
        due = self._due[-1]
        size = min(_PIECE_BYTES, due.size - due.read)
        try:
            data = self._store.files.read_from_disk(due.file, due.read, size)
        except OSError as error:
            self._end(due, error)
            return size
        self.bytes += len(data)
        due.read += len(data)
        due.crc_read = crc(data, due.crc_read)
        if due.read == due.size or len(data) < size:
            self._end(due, None)
        return max(len(data), 1)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                size = self.step()
                self._save_now_and_then()
                if not size:
                    self._forget_what_is_gone()
                self._stop.wait(size / self._rate if size else _LOOK_SECONDS)
        except Exception:
            log.exception("segments are not checked in the background any more")

    def _begin(self) -> None:
        """Find what is left of the round that a stop interrupted, or what the next one checks."""
        record = self._record
        if not record.after and self._store.clock() < record.finished_ns + self._interval_ns:
            return
        named = sorted(named_segments(self._store), key=lambda pair: pair[0].id, reverse=True)
        self._due = [_due(s, again=False) for s, _ in named if s.id > record.after]
        self.total, self.done = len(named), len(named) - len(self._due)
        if self.total and not self._due:
            self._finish()

    def _finish(self) -> None:
        self._record.after, self._record.finished_ns = 0, self._store.clock()
        self._forget_what_is_gone()
        records.save(self._store.files, self._record)
        log.info("checked %d segments, %d damaged", self.total, len(self.damage))

    def _end(self, due: _Due, error: OSError | None) -> None:
        """One file is over: as it was written, or not."""
        self._due.pop()
        if error is not None or (due.read, due.crc_read) != (due.size, due.crc):
            self._look_closer(due, error)
        elif self.damage.pop(due.id, None):
            log.info("the segment file %s is intact again", due.file)
        before, self._record.damaged = self._record.damaged, self._damaged()
        if self._record.damaged != before:
            records.save(self._store.files, self._record)
        if not due.again:
            self.done += 1
            self._record.after = due.id
            if not self._due:
                self._finish()

    def _damaged(self) -> list[int]:
        """What is damaged, as far as is known: some may still have to be looked at again."""
        return sorted({*self.damage, *(due.id for due in self._due if due.again)})

    def _look_closer(self, due: _Due, error: OSError | None) -> None:
        """Say what is wrong with a file, unless it was removed meanwhile."""
        named = {s.id: (s, dataset) for s, dataset in named_segments(self._store)}
        if due.id not in named:
            return
        found: list[str] = []
        # Of a file that cannot be read, no more is asked: mapped, it would kill the process.
        if error is None or isinstance(error, FileNotFoundError):
            found = inspect(self._store.files, *named[due.id]).damage
        if not found:
            what = f"cannot be read ({error.strerror})" if error else "has lost bytes"
            found.append(
                f"The segment file {due.file} {what} on the disk, after offset "
                f"{due.read if error else 0}, whatever memory still has of it. Restore it from a "
                "backup, and replace the disk."
            )
        for sentence in found:
            log.error("%s", sentence)
        self.damage[due.id] = found

    def _recall(self) -> None:
        """Look first at what was damaged when the server was stopped."""
        if self._record.damaged:
            named = named_segments(self._store)
            self._due = [_due(s, again=True) for s, _ in named if s.id in self._record.damaged]

    def _forget_what_is_gone(self) -> None:
        if self.damage:
            named = {segment.id for segment, _ in named_segments(self._store)}
            self.damage = {i: found for i, found in self.damage.items() if i in named}
            self._record.damaged = self._damaged()

    def _save_now_and_then(self) -> None:
        if self._record.after and time.monotonic() - self._saved >= _SAVE_SECONDS:
            self._saved = time.monotonic()
            records.save(self._store.files, self._record)


def _due(segment: Segment, *, again: bool) -> _Due:
    return _Due(segment.id, segment.file, segment.size, segment.crc, again)
