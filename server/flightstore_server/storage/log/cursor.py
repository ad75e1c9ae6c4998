"""Reading the log while it grows: one record after another from any LSN it still holds.

Whoever recovers reads whole files once (reader.py). A consumer that fell behind reads pieces, holds
no more than it asked for, and finds the files that were begun or dropped meanwhile.
"""

from __future__ import annotations

import pyarrow as pa

from flightstore_proto.errors import Corrupt, Lagged
from flightstore_server.storage.files import Files
from flightstore_server.storage.log import group
from flightstore_server.storage.log.group import GroupHead, StoredRecord
from flightstore_server.storage.log.reader import LogFile, log_files

# Read ahead, so that small groups cost one call for many.
_PIECE_BYTES = 256 * 1024


class LogCursor:
    """A place in the log: everything up to and including `lsn` was read.

    Raises Lagged if the log no longer holds the record after it.
    """

    def __init__(self, files: Files, after_lsn: int) -> None:
        self._files = files
        self.lsn = after_lsn
        self._file: LogFile | None = None
        self._offset = 0
        self._piece = b""
        self._piece_offset = 0

    def read(self, upto_lsn: int, *, bytes_max: int) -> list[StoredRecord]:
        """The next records up to `upto_lsn`, all of which are durable; about `bytes_max` of them.

        Raises Corrupt where the log is damaged, Lagged as above.
        """
        found: list[StoredRecord] = []
        size = 0
        while self.lsn < upto_lsn and size < bytes_max:
            head = self._next_head()
            if head.first_lsn + head.records <= self.lsn + 1:
                self._offset += group.HEADER_BYTES + head.payload_bytes
                continue
            if head.first_lsn > self.lsn + 1:
                raise self._damaged()
            fresh = self._records(head, upto_lsn)
            found += fresh
            size += head.payload_bytes
        return found

    def _records(self, head: GroupHead, upto_lsn: int) -> list[StoredRecord]:
        data = self._bytes(group.HEADER_BYTES + head.payload_bytes)
        if not group.payload_is_intact(memoryview(data), 0, head):
            raise self._damaged()
        records = group.records(pa.py_buffer(data), 0, head)
        wanted = [record for record in records if self.lsn < record.lsn <= upto_lsn]
        self.lsn = wanted[-1].lsn
        if self.lsn == head.first_lsn + head.records - 1:
            self._offset += len(data)
        return wanted

    def _next_head(self) -> GroupHead:
        """The head of the next group, in this file or the one after it."""
        if self._file is None:
            self._open()
        head = group.read_head(memoryview(self._bytes(group.HEADER_BYTES)), 0)
        if head is None and self._at_end_of_file():
            self._open()
            head = group.read_head(memoryview(self._bytes(group.HEADER_BYTES)), 0)
        if head is None:
            raise self._damaged()
        return head

    def _open(self) -> None:
        """Go to the start of the file that holds the next record."""
        found = log_files(self._files)
        at = [file for file in found if file.first_lsn <= self.lsn + 1]
        if not at:
            raise lagged(self.lsn, found[0].first_lsn if found else self.lsn + 1)
        self._file, self._offset = at[-1], len(group.FILE_MAGIC)
        self._piece = b""

    def _at_end_of_file(self) -> bool:
        """Whether this file ends here and the next record begins another one."""
        known = any(file.first_lsn == self.lsn + 1 for file in log_files(self._files))
        return known and not self._bytes(1)

    def _bytes(self, size: int) -> bytes:
        """`size` bytes at the offset; fewer where the file ends."""
        start = self._offset - self._piece_offset
        if start < 0 or start + size > len(self._piece):
            self._piece = self._read(max(size, _PIECE_BYTES))
            self._piece_offset, start = self._offset, 0
        return self._piece[start : start + size]

    def _read(self, size: int) -> bytes:
        if self._file is None:
            raise ValueError("no log file is open")
        try:
            return self._files.read_at(self._file.name, self._offset, size)
        except FileNotFoundError:
            self._open()  # dropped; what comes next may well begin the file after it
            return self._read(size)

    def _damaged(self) -> Corrupt:
        name = self._file.name if self._file else "log"
        return Corrupt(
            f"The log file {name} is damaged at offset {self._offset}: a bad group before record "
            f"{self.lsn + 1}. Restore a backup, or stop the server and run `flightstore repair`."
        )


def lagged(position: int, tail_lsn: int) -> Lagged:
    """The error for somebody whose next record is gone."""
    return Lagged(
        f"The log begins at record {tail_lsn}, and what comes after {position} is asked for: "
        f"records {position + 1} to {tail_lsn - 1} are gone. Read the range again, then follow "
        f"from {tail_lsn - 1}; or raise log.keep_bytes and log.keep_seconds."
    )
