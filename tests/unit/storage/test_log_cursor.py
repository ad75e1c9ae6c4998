"""A cursor reads the log in pieces while it grows and while its oldest files go."""

from __future__ import annotations

from pathlib import Path

import pytest

from flightstore_proto.errors import Corrupt, Lagged
from flightstore_server.storage.files import Disk, open_root
from flightstore_server.storage.log.cursor import LogCursor
from flightstore_server.storage.log.group import Record
from flightstore_server.storage.log.reader import LogEnd, log_files
from flightstore_server.storage.log.writer import LogWriter

ALL = 1 << 30


@pytest.fixture
def files(tmp_path: Path) -> Disk:
    disk = open_root(tmp_path)
    disk.make_dir("log")
    return disk


def _writer(files: Disk, *, file_bytes: int = 1 << 20) -> LogWriter:
    return LogWriter(files, LogEnd(1, None, 0, 0), file_bytes=file_bytes)


def _append(writer: LogWriter, *sizes: int) -> None:
    """One group, of records with bodies of so many bytes; each header is its LSN."""
    first = writer.next_lsn
    records = [Record(b"%d" % lsn, b"x" * size) for lsn, size in enumerate(sizes, first)]
    assert writer.append(records) == first


def _read(cursor: LogCursor, upto: int, *, bytes_max: int = ALL) -> list[int]:
    found = cursor.read(upto, bytes_max=bytes_max)
    assert [int(record.header) for record in found] == [record.lsn for record in found]
    return [record.lsn for record in found]


@pytest.mark.parametrize("after", range(7))
@pytest.mark.parametrize("file_bytes", [1, 200, 1 << 20])
def test_it_begins_after_any_record_of_any_file(files: Disk, after: int, file_bytes: int) -> None:
    writer = _writer(files, file_bytes=file_bytes)
    for sizes in ([8, 16], [8], [8, 8, 8]):
        _append(writer, *sizes)
    assert _read(LogCursor(files, after), 6) == list(range(after + 1, 7))


def test_it_goes_on_in_what_was_written_since(files: Disk) -> None:
    writer, cursor = _writer(files, file_bytes=150), LogCursor(files, 0)
    read = []
    for turn in range(20):
        _append(writer, 8, 8 * turn)
        read += _read(cursor, writer.next_lsn - 1)
    assert read == list(range(1, 41))


def test_it_stops_where_it_is_told_also_inside_of_a_group(files: Disk) -> None:
    writer, cursor = _writer(files), LogCursor(files, 0)
    _append(writer, 8, 8, 8)
    assert _read(cursor, 2) == [1, 2]
    assert _read(cursor, 3) == [3]


def test_it_takes_no_more_groups_than_were_asked_for(files: Disk) -> None:
    writer, cursor = _writer(files), LogCursor(files, 0)
    for _ in range(4):
        _append(writer, 1000)
    assert [_read(cursor, 4, bytes_max=1) for _ in range(4)] == [[1], [2], [3], [4]]


def test_a_group_larger_than_what_is_read_ahead_comes_whole(files: Disk) -> None:
    writer, cursor = _writer(files), LogCursor(files, 0)
    _append(writer, 8)
    _append(writer, 1 << 20)
    _append(writer, 8)
    assert [record.body_bytes for record in cursor.read(3, bytes_max=ALL)] == [8, 1 << 20, 8]


def test_what_comes_next_is_found_although_the_file_it_stood_in_is_gone(files: Disk) -> None:
    """A cursor that had read all of a file took its removal for the loss of the next record."""
    writer, cursor = _writer(files, file_bytes=1), LogCursor(files, 0)
    _append(writer, 8)
    assert _read(cursor, 1) == [1]
    _append(writer, 8)
    _append(writer, 8)
    assert writer.drop_before(2, keep_bytes=0) == 2
    assert _read(cursor, 3) == [2, 3]


def test_a_position_before_the_log_is_told_what_it_missed(files: Disk) -> None:
    writer, cursor = _writer(files, file_bytes=1), LogCursor(files, 1)
    for _ in range(5):
        _append(writer, 8)
    writer.drop_before(5, keep_bytes=0)
    with pytest.raises(Lagged, match=r"records 2 to 4 are gone.* from 4"):
        cursor.read(5, bytes_max=ALL)


def test_it_lags_when_files_go_while_it_reads(files: Disk) -> None:
    writer, cursor = _writer(files, file_bytes=1), LogCursor(files, 0)
    for _ in range(5):
        _append(writer, 300_000)  # more than it reads ahead
    assert _read(cursor, 5, bytes_max=1) == [1]
    writer.drop_before(4, keep_bytes=0)
    with pytest.raises(Lagged, match="records 2 to 3 are gone"):
        cursor.read(5, bytes_max=ALL)


def test_damage_is_named_by_file_and_offset(files: Disk) -> None:
    writer = _writer(files)
    for _ in range(3):
        _append(writer, 64)
    path = files.root / log_files(files)[0].name
    whole = path.read_bytes()
    path.write_bytes(whole[:-20] + b"\xff" + whole[-19:])
    cursor = LogCursor(files, 0)
    with pytest.raises(Corrupt, match=r"log/.* is damaged at offset \d+: .* before record 3"):
        cursor.read(3, bytes_max=ALL)


def test_a_group_that_is_gone_from_within_a_file_is_damage(files: Disk) -> None:
    """Whoever follows must not be handed what came after a hole as if nothing were missing."""
    writer, borders = _writer(files), []
    path = files.root / log_files(files)[0].name
    for _ in range(3):
        borders.append(path.stat().st_size)
        _append(writer, 64)
    whole = path.read_bytes()
    path.write_bytes(whole[: borders[1]] + whole[borders[2] :])
    cursor = LogCursor(files, 0)
    with pytest.raises(Corrupt, match=rf"at offset {borders[1]}: .* before record 2"):
        cursor.read(3, bytes_max=ALL)


def test_a_file_that_ends_before_what_is_durable_is_damage(files: Disk) -> None:
    writer = _writer(files)
    _append(writer, 64)
    end = (files.root / log_files(files)[0].name).stat().st_size
    cursor = LogCursor(files, 0)
    with pytest.raises(Corrupt, match=rf"at offset {end}: .* before record 2"):
        cursor.read(2, bytes_max=ALL)


def test_a_file_that_was_dropped_since_it_was_looked_up_is_looked_up_anew(files: Disk) -> None:
    writer, cursor = _writer(files, file_bytes=1), LogCursor(files, 0)
    for _ in range(3):
        _append(writer, 8)
    cursor._open()
    writer.drop_before(3, keep_bytes=0)
    with pytest.raises(Lagged, match="records 1 to 2 are gone"):
        cursor.read(3, bytes_max=ALL)


def test_a_log_without_any_file_is_told_as_lagged(files: Disk) -> None:
    with pytest.raises(Lagged, match="begins at record 4"):
        LogCursor(files, 3).read(4, bytes_max=ALL)
