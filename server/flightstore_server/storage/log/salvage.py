"""Salvaging a damaged log: which groups are intact and follow each other, and a log of those.

A record can be replayed only if every record before it was, back to one that the catalog holds. So
what is kept is the one unbroken run of groups that continues the catalog.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flightstore_server.storage import layout
from flightstore_server.storage.damaged import DamagedFolder
from flightstore_server.storage.files import Files
from flightstore_server.storage.log import group
from flightstore_server.storage.log.reader import LogFile, log_files, next_intact


@dataclass(frozen=True, slots=True)
class IntactGroup:
    """Records `first_lsn` up to and without `next_lsn`, at `offset` of `file`."""

    file: str
    offset: int
    size: int
    first_lsn: int
    next_lsn: int


def intact_groups(files: Files) -> list[IntactGroup]:
    """Every intact group of the log, wherever it stands."""
    found: list[IntactGroup] = []
    for file in log_files(files):
        view = memoryview(files.read(file.name))
        offset = next_intact(view, 0)
        while offset is not None:
            head = group.read_head(view, offset)
            if head is None:
                raise ValueError("an intact group has no head")
            size = group.HEADER_BYTES + head.payload_bytes
            next_lsn = head.first_lsn + head.records
            found.append(IntactGroup(file.name, offset, size, head.first_lsn, next_lsn))
            offset = next_intact(view, offset + size)
    return found


def runs_of(groups: Sequence[IntactGroup]) -> list[list[IntactGroup]]:
    """`groups` as runs without holes, oldest first."""
    by_lsn: dict[int, IntactGroup] = {}
    for found in groups:
        by_lsn.setdefault(found.first_lsn, found)
    runs: list[list[IntactGroup]] = []
    for lsn in sorted(by_lsn):
        if runs and runs[-1][-1].next_lsn == lsn:
            runs[-1].append(by_lsn[lsn])
        else:
            runs.append([by_lsn[lsn]])
    return runs


def continuing(groups: Sequence[IntactGroup], lsn: int) -> list[IntactGroup]:
    """The run that holds the record after `lsn`, or ends with `lsn`; empty if none does."""
    for run in runs_of(groups):
        if run[0].first_lsn <= lsn + 1 <= run[-1].next_lsn:
            return run
    return []


def keep_only(files: Files, kept: Sequence[IntactGroup], damaged: DamagedFolder) -> list[str]:
    """Make the log consist of `kept`. Returns where the files it changed are kept as they were.

    May be interrupted and run again: a file is replaced only once its copy and its successor are
    on the disk.
    """
    aside: list[str] = []
    for file in log_files(files):
        mine = [found for found in kept if found.file == file.name]
        if mine and _is_whole(files, file, mine):
            continue
        if not mine:
            aside.append(damaged.move(file.name))
            continue
        aside.append(damaged.keep_copy(file.name))
        _write_salvaged(files, file, mine)
        name = layout.log_file(mine[0].first_lsn)
        files.publish(layout.SALVAGED_LOG, name)
        if name != file.name:
            files.remove(file.name)
            files.sync_dir(layout.LOG_DIR)
    return aside


def _is_whole(files: Files, file: LogFile, groups: Sequence[IntactGroup]) -> bool:
    """Whether the file is nothing but `groups`."""
    size = len(group.FILE_MAGIC) + sum(found.size for found in groups)
    intact_head = files.read(file.name)[: len(group.FILE_MAGIC)] == group.FILE_MAGIC
    return intact_head and files.size(file.name) == size and groups[0].first_lsn == file.first_lsn


def _write_salvaged(files: Files, file: LogFile, groups: Sequence[IntactGroup]) -> None:
    data = memoryview(files.read(file.name))
    salvaged = files.create(layout.SALVAGED_LOG)
    try:
        salvaged.write([group.FILE_MAGIC])
        salvaged.write([data[found.offset : found.offset + found.size] for found in groups])
        salvaged.sync()
    finally:
        salvaged.close()
