"""Reading the log back: what is intact, where it is torn, and whether it is damaged.

A bad group at the very end of the last file is a torn write of an unacknowledged group; whoever
opens the log for writing cuts it off. A bad group anywhere else is damage, and refused with file
and offset.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from flightstore_proto.errors import Corrupt
from flightstore_server.storage import layout
from flightstore_server.storage.files import Files
from flightstore_server.storage.log import group
from flightstore_server.storage.log.group import StoredRecord

_KIND_BYTES = 5  # of the magic: what a log of any version begins with


@dataclass(frozen=True, slots=True)
class LogFile:
    name: str
    first_lsn: int


def log_files(files: Files) -> list[LogFile]:
    """The log's files, oldest first."""
    found = []
    for file in files.list_dir(layout.LOG_DIR):
        first = layout.log_first_lsn(file)
        if first is not None:
            found.append(LogFile(layout.log_file(first), first))
    return found


@dataclass(slots=True)
class LogEnd:
    """Where a scan of the log stopped: the next LSN, and the last file's intact size."""

    next_lsn: int
    file: str | None
    intact_bytes: int
    torn_bytes: int


def scan(files: Files, end: LogEnd, *, after_lsn: int = 0) -> Iterator[StoredRecord]:
    """Every record with an LSN above `after_lsn`, in order; `end` then tells where it stopped.

    Whole files that lie below `after_lsn` are not read. Raises Corrupt on damage.
    """
    found = log_files(files)
    first_needed = 0
    for position, file in enumerate(found):
        if file.first_lsn <= after_lsn + 1:
            first_needed = position
    needed = found[first_needed:]
    _check_start(needed, after_lsn)
    for file in needed:
        if end.file is not None and file.first_lsn != end.next_lsn:
            raise Corrupt(
                f"The log is missing records {end.next_lsn} to {file.first_lsn - 1}, which should "
                f"stand before {file.name} offset 0; restore a backup, or run `flightstore repair`."
            )
        yield from _scan_file(files, file, end, after_lsn, last=file is needed[-1])


def _check_start(needed: list[LogFile], after_lsn: int) -> None:
    if needed and needed[0].first_lsn > after_lsn + 1:
        raise Corrupt(
            f"The log begins at record {needed[0].first_lsn} ({needed[0].name} offset 0), but "
            f"records from {after_lsn + 1} on are needed; restore a backup, or run "
            "`flightstore repair`."
        )


def _scan_file(
    files: Files, file: LogFile, end: LogEnd, after_lsn: int, *, last: bool
) -> Iterator[StoredRecord]:
    data = pa.py_buffer(files.read(file.name))
    view = memoryview(data)
    end.file, end.next_lsn = file.name, file.first_lsn
    offset = _magic_end(view, file, last=last)
    while offset and offset < len(view):
        head = group.read_head(view, offset)
        if head is None or not group.payload_is_intact(view, offset, head):
            _refuse_unless_torn(view, file, offset, last=last)
            break
        if head.first_lsn != end.next_lsn:
            raise _damaged(file, offset, f"record {head.first_lsn} where {end.next_lsn} belongs")
        if head.first_lsn + head.records > after_lsn + 1:
            for record in group.records(data, offset, head):
                if record.lsn > after_lsn:
                    yield record
        end.next_lsn = head.first_lsn + head.records
        offset += group.HEADER_BYTES + head.payload_bytes
    end.intact_bytes, end.torn_bytes = offset, len(view) - offset


def _magic_end(view: memoryview, file: LogFile, *, last: bool) -> int:
    """The offset of the first group; 0 if a crash left the file without even its magic."""
    size = len(group.FILE_MAGIC)
    if bytes(view[:size]) == group.FILE_MAGIC:
        return size
    if last and len(view) <= size:
        return 0
    kind, version = group.FILE_MAGIC[:_KIND_BYTES], bytes(view[_KIND_BYTES:size])
    if bytes(view[:_KIND_BYTES]) == kind and version.isdigit():
        raise Corrupt(
            f"The log file {file.name} says at offset 0 that it has format {version.decode()}, and "
            f"this flightstore reads format {group.FILE_MAGIC[_KIND_BYTES:].decode()}; use the "
            "version that wrote it. If none did, the file is damaged: restore a backup, or run "
            "`flightstore repair` to keep what comes before it."
        )
    raise _damaged(file, 0, "not a flightstore log")


def _refuse_unless_torn(view: memoryview, file: LogFile, offset: int, *, last: bool) -> None:
    if not last:
        raise _damaged(file, offset, "a bad group with another log file after it")
    follower = next_intact(view, offset + 1)
    if follower is not None:
        raise _damaged(file, offset, f"a bad group with an intact one after it, at {follower}")


def next_intact(view: memoryview, offset: int) -> int | None:
    """Where an intact group begins at or after `offset`. Groups are multiples of 8 bytes long."""
    start = offset + (-offset & 7)
    for position in range(start, len(view) - group.HEADER_BYTES + 1, 8):
        head = group.read_head(view, position)
        if head is not None and group.payload_is_intact(view, position, head):
            return position
    return None


def _damaged(file: LogFile, offset: int, what: str) -> Corrupt:
    return Corrupt(
        f"The log file {file.name} is damaged at offset {offset}: {what}. Restore a backup, or run "
        "`flightstore repair` to keep what comes before it."
    )
