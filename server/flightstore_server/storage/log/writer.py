"""Writing the log: append a group, sync it, begin new files, drop old ones.

Used by one thread at a time. Any failure to write or sync is final (see files.py): the caller
must stop writing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from flightstore_server.storage import layout
from flightstore_server.storage.durations import Durations
from flightstore_server.storage.files import AppendFile, Files
from flightstore_server.storage.log import group
from flightstore_server.storage.log.group import Record
from flightstore_server.storage.log.reader import LogEnd, log_files

# How much the latest sync counts in the running mean.
_SYNC_WEIGHT = 0.1
# From a disk with a cache that survives power loss to one that is about to fail.
_SYNC_BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5)


class LogWriter:
    """The end of the log.

    `next_lsn` is the LSN that the next record will have, `sync_seconds` what a sync takes of late.
    Since it was opened: `syncs` of groups, and `written_bytes` of them.
    """

    def __init__(self, files: Files, end: LogEnd, *, file_bytes: int) -> None:
        self._files = files
        self._file_bytes = file_bytes
        self.next_lsn = end.next_lsn
        self.sync_seconds = 0.0
        self.syncs = Durations(_SYNC_BOUNDS)
        self.written_bytes = 0
        self._file = self._continue(end)

    def append(self, records: Sequence[Record]) -> int:
        """Write `records` as one group and sync it. Returns the LSN of the first of them."""
        first = self.next_lsn
        if self._file.size >= self._file_bytes:
            self._rotate()
        before = self._file.size
        self._file.write(group.encode(first, records))
        started = time.perf_counter()
        self._file.sync()
        taken = time.perf_counter() - started
        self.syncs.add(taken)
        self.written_bytes += self._file.size - before
        self.sync_seconds += (taken - self.sync_seconds) * _SYNC_WEIGHT
        self.next_lsn += len(records)
        return first

    def bytes(self) -> int:
        """Size of all log files."""
        return sum(self._files.size(file.name) for file in log_files(self._files))

    def drop_before(self, lsn: int, *, keep_bytes: int) -> int:
        """Remove old files that hold only records below `lsn`, leaving at least `keep_bytes`.

        Returns the first LSN that the log still holds.
        """
        found = log_files(self._files)
        total = sum(self._files.size(file.name) for file in found)
        while len(found) > 1 and found[1].first_lsn <= lsn:
            total -= self._files.size(found[0].name)
            if total < keep_bytes:
                break
            # One after the other, so that a crash never leaves a hole in the middle.
            self._files.remove(found.pop(0).name)
            self._files.sync_dir(layout.LOG_DIR)
        return found[0].first_lsn

    def close(self) -> None:
        self._file.close()

    def _continue(self, end: LogEnd) -> AppendFile:
        if end.file is None or end.intact_bytes == 0:
            return self._begin()
        if end.torn_bytes:
            self._files.truncate(end.file, end.intact_bytes)
        return self._files.open_append(end.file)

    def _begin(self) -> AppendFile:
        name = layout.log_file(self.next_lsn)
        file = self._files.create(name)
        try:
            file.write([group.FILE_MAGIC])
            file.sync()
            self._files.sync_dir(layout.LOG_DIR)
        except OSError:
            file.close()
            raise
        return file

    def _rotate(self) -> None:
        # In this order: a file that is closed twice may be somebody else's the second time.
        full, self._file = self._file, self._begin()
        full.close()
