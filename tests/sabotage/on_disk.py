"""Defects of how bytes reach the disk and come back from it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests.sabotage.defect import Defect

from flightstore_server.engine import bulk, compaction, flush, recovery
from flightstore_server.storage import catalog_file, files, layout
from flightstore_server.storage.log import group
from flightstore_server.storage.log.writer import LogWriter
from flightstore_server.storage.segment import store as segments

CRASHES = "tests/faults/test_crash_states.py::"
ANY_CUT = (
    f"{CRASHES}test_after_any_power_cut_all_that_was_acknowledged_is_there_and_nothing_by_halves"
)
ASKED_AGAIN = (
    f"{CRASHES}test_what_a_killed_server_left_unsynced_is_safe_before_its_writer_is_told_of_it"
)
FAILS = (
    "tests/faults/test_failing_disk.py::"
    "test_when_any_operation_fails_nothing_acknowledged_is_lost_and_nothing_wrong_is_read"
)
DISK = "tests/faults/test_disk.py::"


class _Altered:
    """Another object, of which some attributes are others."""

    def __init__(self, whole: object, **altered: object) -> None:
        self._whole = whole
        self.__dict__.update(altered)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)


def _with_log_file(patch: pytest.MonkeyPatch, alter: Callable[[LogWriter, Any], object]) -> None:
    """Have every group be appended to what `alter` makes of the log's file."""
    append = LogWriter.append

    def altered(self: LogWriter, records: Sequence[group.Record]) -> int:
        if self._file.size >= self._file_bytes:
            self._rotate()
        whole, self._file = self._file, alter(self, self._file)  # type: ignore[assignment]
        try:
            return append(self, records)
        finally:
            self._file = whole

    patch.setattr(LogWriter, "append", altered)


def _no_log_sync(patch: pytest.MonkeyPatch) -> None:
    _with_log_file(patch, lambda _, file: _Altered(file, sync=lambda: None))


def _sync_too_late(patch: pytest.MonkeyPatch) -> None:
    def alter(_: LogWriter, file: Any) -> object:
        file.sync()  # of the group before
        return _Altered(file, sync=lambda: None)

    _with_log_file(patch, alter)


def _sync_again(patch: pytest.MonkeyPatch) -> None:
    def alter(_: LogWriter, file: Any) -> object:
        def sync() -> None:
            try:
                file.sync()
            except OSError:
                file.sync()

        return _Altered(file, sync=sync)

    _with_log_file(patch, alter)


def _no_log_folder_sync(patch: pytest.MonkeyPatch) -> None:
    begin = LogWriter._begin

    def altered(self: LogWriter) -> files.AppendFile:
        whole, self._files = self._files, _Altered(self._files, sync_dir=lambda name: None)
        try:
            return begin(self)
        finally:
            self._files = whole

    patch.setattr(LogWriter, "_begin", altered)


def _no_folder_sync(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(files, "_sync_dir", lambda path: None)


def _rename_first(patch: pytest.MonkeyPatch) -> None:
    write_segment = flush.write_segment

    def altered(disk: files.Files, *arguments: object, **options: Any) -> object:
        waiting: list[Callable[[], None]] = []

        def create(name: str) -> object:
            file = disk.create(name)
            waiting.append(file.sync)
            return _Altered(file, sync=lambda: None, close=lambda: None)

        def publish(temporary: str, name: str) -> None:
            disk.publish(temporary, name)
            waiting.pop()()

        return write_segment(_Altered(disk, create=create, publish=publish), *arguments, **options)

    for module in (flush, bulk, compaction):
        patch.setattr(module, "write_segment", altered)


def _keep_torn_tails(patch: pytest.MonkeyPatch) -> None:
    goes_on = LogWriter._continue

    def altered(self: LogWriter, end: Any) -> files.AppendFile:
        end.torn_bytes = 0
        return goes_on(self, end)

    patch.setattr(LogWriter, "_continue", altered)


def _believe_the_cache(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(recovery, "_settle", lambda disk: None)


def _believe_payloads(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(group, "payload_is_intact", lambda data, offset, head: True)


class _Fits(int):
    """A checksum that is equal to any other."""

    __hash__ = int.__hash__

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False


def _believe_segments(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(segments, "crc", lambda data: _Fits())


def _believe_the_catalog(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(catalog_file, "_wrong_sums", lambda db, tables=None: iter(()))


def _write_once(patch: pytest.MonkeyPatch) -> None:
    def write(self: files.DiskFile, pieces: Sequence[Any]) -> None:
        self.size += os.writev(self._fd, [memoryview(piece).cast("B") for piece in pieces])

    patch.setattr(files.DiskFile, "write", write)


def _no_lock(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(files.Disk, "lock", lambda self, name: None)


def _trim_the_log_at_once(patch: pytest.MonkeyPatch) -> None:
    write = flush.write

    def altered(sealed: flush.Sealed, disk: files.Files, *rest: object, **options: Any) -> None:
        write(sealed, disk, *rest, **options)  # type: ignore[arg-type]
        for name in disk.list_dir(layout.LOG_DIR)[:-1]:
            disk.remove(f"{layout.LOG_DIR}/{name}")
        disk.sync_dir(layout.LOG_DIR)

    patch.setattr(flush, "write", altered)


DEFECTS = [
    Defect("no log sync", "A group is acknowledged without a sync.", _no_log_sync, ANY_CUT),
    Defect(
        "acknowledged before the sync",
        "A group is synced when the next one comes.",
        _sync_too_late,
        ANY_CUT,
    ),
    Defect(
        "retried sync",
        "A sync that failed is tried again, and succeeds since the dirty pages are gone.",
        _sync_again,
        f"{FAILS}[once]",
    ),
    Defect(
        "no log folder sync",
        "A new log file takes groups before its name is on the disk.",
        _no_log_folder_sync,
        ANY_CUT,
    ),
    Defect(
        "no folder sync",
        "A renamed file is taken for durable, though its folder is not synced.",
        _no_folder_sync,
        f"{DISK}test_a_published_file_is_named_on_the_disk_before_publish_returns",
    ),
    Defect(
        "rename before sync",
        "A segment gets its name before its bytes are on the disk.",
        _rename_first,
        ANY_CUT,
    ),
    Defect(
        "torn tail kept",
        "A start goes on writing behind the torn end of the log.",
        _keep_torn_tails,
        ANY_CUT,
    ),
    Defect(
        "cache believed",
        "What a killed process left unsynced is acted upon without a sync.",
        _believe_the_cache,
        ASKED_AGAIN,
    ),
    Defect(
        "no log checksum",
        "A torn group is replayed as if whole.",
        _believe_payloads,
        ANY_CUT,
        (ValueError,),  # what half a record holds cannot be decoded
    ),
    Defect(
        "no segment checksum",
        "A changed byte of a segment is read as data.",
        _believe_segments,
        "tests/unit/storage/test_segments.py::test_every_changed_byte_of_the_batches_is_noticed",
        (OSError,),  # Arrow's word for a message that it cannot read
    ),
    Defect(
        "no catalog sums",
        "A changed byte of the catalog is believed.",
        _believe_the_catalog,
        "tests/faults/test_corruption.py::test_no_changed_byte_of_the_catalog_is_believed",
        (sqlite3.DatabaseError,),  # SQLite's own word for some of it, when asked later
    ),
    Defect(
        "short write ignored",
        "A write of which the kernel took a part counts as written.",
        _write_once,
        f"{DISK}test_a_write_of_which_the_kernel_takes_a_part_is_gone_on_with",
    ),
    Defect(
        "no directory lock",
        "Two processes write to one data directory.",
        _no_lock,
        "tests/faults/test_repair.py::test_a_running_server_is_not_repaired",
    ),
    Defect(
        "log trimmed too early",
        "Log files go before the catalog says that segments hold their rows.",
        _trim_the_log_at_once,
        ANY_CUT,
    ),
]
