"""The feed: every committed change, in log order, for whoever follows from a position.

The newest changes are held in memory up to a number of bytes; a follower that is further behind
reads the log's files. So a slow follower costs nobody anything: there is no queue per follower,
only a position. The committer publishes after it has acknowledged.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pyarrow as pa

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import Unavailable
from flightstore_server.storage.files import Files
from flightstore_server.storage.log.cursor import LogCursor
from flightstore_server.storage.log.group import StoredRecord

# What a change costs in memory beside its rows.
_CHANGE_BYTES = 1_024
# How much a follower takes at once, unless it says otherwise.
TAKE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Change:
    """One committed log record: its message, and the rows that its body carries."""

    lsn: int
    message: pb.LogRecord
    rows: pa.RecordBatch | None

    @property
    def size(self) -> int:
        """About how many bytes it takes in memory."""
        rows = self.rows
        return (
            _CHANGE_BYTES if rows is None else _CHANGE_BYTES + rows.num_rows * rows.num_columns * 8
        )


class Feed:
    """The committed changes of one store. `last_lsn` is that of the newest."""

    def __init__(
        self,
        files: Files,
        last_lsn: int,
        decode: Callable[[StoredRecord], Change],
        *,
        bytes_max: int,
    ) -> None:
        self.last_lsn = last_lsn
        self._files = files
        self._decode = decode
        self._bytes_max = bytes_max
        self._news = threading.Condition()
        self._near: dict[int, Change] = {}
        self._near_from = last_lsn + 1
        self._near_bytes = 0
        self._closed = False

    def publish(self, changes: Iterable[Change]) -> None:
        """Hand out `changes`, which follow the ones before. Only the committer does."""
        with self._news:
            for change in changes:
                self._near[change.lsn] = change
                self._near_bytes += change.size
                self.last_lsn = change.lsn
            while self._near_bytes > self._bytes_max and self._near_from < self.last_lsn:
                self._near_bytes -= self._near.pop(self._near_from).size
                self._near_from += 1
            self._news.notify_all()

    def follow(self, after_lsn: int) -> Follower:
        """Somebody who wants every change after `after_lsn`."""
        return Follower(self, after_lsn)

    def wait(self, after_lsn: int, seconds: float) -> bool:
        """Wait for a change after `after_lsn`; whether there is one.

        Raises Unavailable once the feed is closed.
        """
        # Without the lock first: hundreds of followers would hold up the committer with it.
        if self.last_lsn > after_lsn and not self._closed:
            return True
        with self._news:
            self._news.wait_for(lambda: self._closed or self.last_lsn > after_lsn, seconds)
            if self._closed:
                raise Unavailable("The server is stopping; connect again.")
            return self.last_lsn > after_lsn

    def near(self, after_lsn: int, bytes_max: int) -> list[Change] | None:
        """Changes after `after_lsn` from memory; None if the first of them is gone from it."""
        with self._news:
            if after_lsn + 1 < self._near_from:
                return None
            found: list[Change] = []
            size = 0
            for lsn in range(after_lsn + 1, self.last_lsn + 1):
                found.append(self._near[lsn])
                size += found[-1].size
                if size >= bytes_max:
                    break
            return found

    def far(self, cursor: LogCursor, bytes_max: int) -> list[Change]:
        """Changes after the cursor's place, from the log's files."""
        return [self._decode(r) for r in cursor.read(self.last_lsn, bytes_max=bytes_max)]

    def cursor(self, after_lsn: int) -> LogCursor:
        return LogCursor(self._files, after_lsn)

    def close(self) -> None:
        """Have everybody who waits, or will, told that the server is stopping."""
        with self._news:
            self._closed = True
            self._news.notify_all()


class Follower:
    """A position in the feed. Used by one thread."""

    def __init__(self, feed: Feed, after_lsn: int) -> None:
        self.lsn = after_lsn
        self._feed = feed
        self._cursor: LogCursor | None = None

    def take(self, seconds: float = 0.0, *, bytes_max: int = TAKE_BYTES) -> list[Change]:
        """The next changes, about `bytes_max` of them; waits up to `seconds` for the first.

        Raises Lagged if the log no longer holds them, Corrupt if it is damaged, Unavailable once
        the server is stopping.
        """
        if not self._feed.wait(self.lsn, seconds):
            return []
        taken = self._feed.near(self.lsn, bytes_max)
        if taken is None:
            if self._cursor is None:
                self._cursor = self._feed.cursor(self.lsn)
            taken = self._feed.far(self._cursor, bytes_max)
        else:
            self._cursor = None
        self.lsn = taken[-1].lsn
        return taken
