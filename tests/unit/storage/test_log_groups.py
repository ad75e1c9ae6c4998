"""The log's groups: written, read back, torn, damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flightstore_proto.errors import Corrupt
from flightstore_server.storage.files import Disk, open_root
from flightstore_server.storage.log.group import FILE_MAGIC, Record
from flightstore_server.storage.log.reader import LogEnd, log_files, scan
from flightstore_server.storage.log.writer import LogWriter

RECORDS = st.lists(
    st.builds(Record, st.binary(max_size=30), st.binary(max_size=6).map(lambda b: b * 8)),
    min_size=1,
    max_size=4,
)
GROUPS = st.lists(RECORDS, min_size=1, max_size=6)
Written = tuple[Disk, list[int]]


@pytest.fixture
def new_log(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Disk]:
    def make() -> Disk:
        files = open_root(tmp_path_factory.mktemp("data"))
        files.make_dir("log")
        return files

    return make


@pytest.fixture
def three_groups(new_log: Callable[[], Disk]) -> Written:
    """A log of three groups, and where each begins; the last number is its size."""
    files = new_log()
    writer = _writer(files)
    borders = [_size(files)]
    for number in range(3):
        writer.append([Record(b"header %d" % number, bytes([number]) * 16)])
        borders.append(_size(files))
    writer.close()
    return files, borders


def _writer(files: Disk, *, file_bytes: int = 1 << 20) -> LogWriter:
    return LogWriter(files, LogEnd(1, None, 0, 0), file_bytes=file_bytes)


def _path(files: Disk) -> Path:
    return files.root / log_files(files)[-1].name


def _size(files: Disk) -> int:
    return _path(files).stat().st_size


def _scanned(files: Disk, *, after_lsn: int = 0) -> tuple[list[tuple[int, bytes, bytes]], LogEnd]:
    end = LogEnd(after_lsn + 1, None, 0, 0)
    found = [
        (r.lsn, r.header, r.data.slice(r.body_offset, r.body_bytes).to_pybytes())
        for r in scan(files, end, after_lsn=after_lsn)
    ]
    return found, end


def _numbered(groups: list[list[Record]]) -> list[tuple[int, bytes, bytes]]:
    records = [record for group in groups for record in group]
    return [(lsn, r.header, r.body) for lsn, r in enumerate(records, 1)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(groups=GROUPS, file_bytes=st.sampled_from([1, 100, 1 << 20]))
def test_records_come_back_in_order_over_any_number_of_files(
    new_log: Callable[[], Disk], groups: list[list[Record]], file_bytes: int
) -> None:
    files = new_log()
    writer = _writer(files, file_bytes=file_bytes)
    for group in groups:
        writer.append(group)
    writer.close()
    assert _scanned(files)[0] == _numbered(groups)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(groups=GROUPS, data=st.data())
def test_a_scan_can_start_after_any_record(
    new_log: Callable[[], Disk], groups: list[list[Record]], data: st.DataObject
) -> None:
    files = new_log()
    writer = _writer(files, file_bytes=200)
    for group in groups:
        writer.append(group)
    writer.close()
    expected = _numbered(groups)
    after = data.draw(st.integers(0, len(expected)))
    assert _scanned(files, after_lsn=after)[0] == expected[after:]


def test_a_log_cut_anywhere_in_its_last_group_loses_only_that_group(three_groups: Written) -> None:
    files, borders = three_groups
    whole = _path(files).read_bytes()
    for size in range(borders[2], borders[3]):
        _path(files).write_bytes(whole[:size])
        found, end = _scanned(files)
        assert [lsn for lsn, _, _ in found] == [1, 2]
        assert (end.intact_bytes, end.torn_bytes) == (borders[2], size - borders[2])


def test_a_log_cut_anywhere_is_a_prefix_and_never_an_error(three_groups: Written) -> None:
    files, borders = three_groups
    whole = _path(files).read_bytes()
    for size in range(len(whole)):
        _path(files).write_bytes(whole[:size])
        found, end = _scanned(files)
        intact = sum(border <= size for border in borders[1:])
        assert len(found) == intact
        assert end.next_lsn == intact + 1


def test_a_changed_byte_before_the_last_group_is_damage_and_named(three_groups: Written) -> None:
    files, borders = three_groups
    whole = _path(files).read_bytes()
    for at in range(len(FILE_MAGIC), borders[2]):
        _path(files).write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        begun = max(border for border in borders if border <= at)
        with pytest.raises(Corrupt, match=f"{log_files(files)[0].name}.* offset {begun}"):
            _scanned(files)


def test_a_changed_byte_in_the_last_group_is_a_torn_write(three_groups: Written) -> None:
    files, borders = three_groups
    whole = _path(files).read_bytes()
    for at in range(borders[2], borders[3]):
        _path(files).write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert len(_scanned(files)[0]) == 2


@pytest.mark.parametrize("tail", [b"\0" * 4096, b"\xff" * 37, b"FSLOG001", b"\0"])
def test_what_a_power_cut_leaves_behind_the_last_group_is_torn(
    three_groups: Written, tail: bytes
) -> None:
    files, _ = three_groups
    with _path(files).open("ab") as file:
        file.write(tail)
    assert _scanned(files)[1].torn_bytes == len(tail)


def test_writing_goes_on_where_the_torn_tail_was_cut_off(three_groups: Written) -> None:
    files, _ = three_groups
    with _path(files).open("ab") as file:
        file.write(b"torn")
    _, end = _scanned(files)
    writer = LogWriter(files, end, file_bytes=1 << 20)
    assert writer.append([Record(b"next", b"")]) == 4
    writer.close()
    assert [lsn for lsn, _, _ in _scanned(files)[0]] == [1, 2, 3, 4]


def test_a_file_that_is_not_a_log_is_refused(three_groups: Written) -> None:
    files, _ = three_groups
    _path(files).write_bytes(b"something else altogether")
    with pytest.raises(Corrupt, match="offset 0: not a flightstore log"):
        _scanned(files)


def test_a_missing_file_in_the_middle_is_refused(new_log: Callable[[], Disk]) -> None:
    files = new_log()
    writer = _writer(files, file_bytes=1)
    for _ in range(3):
        writer.append([Record(b"", b"")])
    writer.close()
    (files.root / log_files(files)[1].name).unlink()
    with pytest.raises(Corrupt, match="missing records 2 to 2"):
        _scanned(files)


def test_a_torn_group_with_another_file_behind_it_is_damage(new_log: Callable[[], Disk]) -> None:
    files = new_log()
    writer = _writer(files, file_bytes=1)
    for _ in range(2):
        writer.append([Record(b"x" * 50, b"")])
    writer.close()
    first = files.root / log_files(files)[0].name
    first.write_bytes(first.read_bytes()[:-4])
    with pytest.raises(Corrupt, match="another log file after it"):
        _scanned(files)


def test_records_that_are_needed_but_were_dropped_are_refused(new_log: Callable[[], Disk]) -> None:
    files = new_log()
    writer = _writer(files, file_bytes=1)
    for _ in range(4):
        writer.append([Record(b"", b"")])
    writer.drop_before(3, keep_bytes=0)
    writer.close()
    with pytest.raises(Corrupt, match="begins at record 3"):
        _scanned(files, after_lsn=1)


def test_dropping_keeps_as_many_bytes_as_it_is_told(new_log: Callable[[], Disk]) -> None:
    files = new_log()
    writer = _writer(files, file_bytes=1)
    for _ in range(4):
        writer.append([Record(b"", b"")])
    kept = writer.bytes() - 1
    writer.drop_before(100, keep_bytes=kept)
    assert writer.bytes() >= kept
    writer.close()


def test_a_group_that_is_gone_from_within_a_file_is_damage(three_groups: Written) -> None:
    """What follows the hole is intact, and would be applied to a state that it does not fit."""
    files, borders = three_groups
    whole = _path(files).read_bytes()
    _path(files).write_bytes(whole[: borders[1]] + whole[borders[2] :])
    with pytest.raises(Corrupt, match=rf"at offset {borders[1]}: record 3 where 2 belongs"):
        _scanned(files)
