"""Every byte of every segment and log file is changed in turn; files are cut, swapped, zeroed.

What may be found then: the truth, an error that names the file and the offset, or a refusal to
start that does. Only the log's last group may vanish: it cannot be told from a torn write.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.contents import rows_of, views_of, with_snapshots
from tests.support.crash_explorer import Everything, Run, opened, restarted, run_workload
from tests.support.crash_files import CrashFiles, DiskState, Inode
from tests.support.rows import candles
from tests.support.seeds import generator, scaled
from tests.support.stores import put

from flightstore_proto.errors import Corrupt, DataDirError
from flightstore_server.engine.inspection import inspect
from flightstore_server.engine.store import Store
from flightstore_server.storage.log.salvage import intact_groups

Damage = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_workload(tmp_path_factory.mktemp("workload"))


@pytest.fixture
def disk(run: Run) -> DiskState:
    return run.moments[-1][1]


def _files(disk: DiskState, folder: str) -> list[str]:
    return sorted(name for name in disk.names if name.startswith(folder))


def _changed(disk: DiskState, name: str, data: bytes) -> DiskState:
    state = disk.copy()
    state.inodes[state.names[name]] = Inode(data, len(data))
    return state


def _flips(data: bytes) -> Iterator[tuple[int, bytes]]:
    """`data` with one bit of one byte changed, for every byte."""
    bits = generator("which bit")
    for at in range(len(data)):
        yield at, data[:at] + bytes([data[at] ^ (1 << bits.randrange(8))]) + data[at + 1 :]


def _start(state: DiskState) -> Everything | Corrupt:
    """What a start on `state` shows, or the error it ends in."""
    try:
        with restarted(state) as (store, _):
            return with_snapshots(store)
    except Corrupt as error:
        return error


def _names_place(error: Corrupt, name: str) -> bool:
    return name.rpartition("/")[2] in error.message and "offset" in error.message


def _check_segments(disk: DiskState, root: Path, damaged: Iterator[tuple[str, bytes]]) -> int:
    """Read each damaged segment in an open store: the truth or an error, and verify sees it."""
    count = 0
    with opened(root, disk) as (store, files):
        truth = {str(view.series): rows_of(store, view) for view in views_of(store)}
        for name, data in damaged:
            count += 1
            _replace(files, store, name, data)
            for view in views_of(store):
                if any(segment.file == name for segment in view.segments):
                    try:
                        assert rows_of(store, view) == truth[str(view.series)], name
                    except Corrupt as error:
                        assert _names_place(error, name), error.message
            assert _verify_sees(files, store, name), f"verify does not see that {name} changed"
            _replace(files, store, name, disk.inodes[disk.names[name]].data)
    return count


def _replace(files: CrashFiles, store: Store, name: str, data: bytes) -> None:
    files.state.inodes[files.state.names[name]] = Inode(data, len(data))
    for view in views_of(store):
        for segment in view.segments:
            store.segments.forget(segment.id)


def _verify_sees(files: CrashFiles, store: Store, name: str) -> bool:
    for view in views_of(store):
        for segment in view.segments:
            if segment.file == name:
                damage = inspect(files, segment, view.series.dataset).damage
                return bool(damage) and all(name in d and "offset" in d for d in damage)
    raise AssertionError(f"no series has {name}")


def _segments(disk: DiskState) -> list[tuple[str, bytes]]:
    names = _files(disk, "segments/")
    return [(name, disk.inodes[disk.names[name]].data) for name in names]


def test_no_changed_byte_of_a_segment_is_ever_read_as_data_and_verify_sees_each(
    disk: DiskState, tmp_path: Path
) -> None:
    flips = ((name, flipped) for name, data in _segments(disk) for _, flipped in _flips(data))
    assert _check_segments(disk, tmp_path, flips) > 8000


def test_a_segment_cut_at_any_length_is_never_read_as_data(disk: DiskState, tmp_path: Path) -> None:
    cuts = ((name, data[:n]) for name, data in _segments(disk) for n in range(len(data)))
    assert _check_segments(disk, tmp_path, cuts) > 8000


def test_a_segment_with_zeroed_sectors_is_never_read_as_data(
    disk: DiskState, tmp_path: Path
) -> None:
    zeroed = (
        (name, data[:at] + bytes(min(size, len(data) - at)) + data[at + size :])
        for size in (512, 4096)
        for name, data in _segments(disk)
        for at in range(0, len(data), 64)
    )
    assert _check_segments(disk, tmp_path, zeroed) > 100


def test_segments_in_each_others_place_are_never_read_as_data(
    disk: DiskState, tmp_path: Path
) -> None:
    pairs = itertools.permutations(_segments(disk), 2)
    swapped = ((name, data) for (name, _), (_, data) in pairs)
    assert _check_segments(disk, tmp_path, swapped) >= 6


def test_a_start_over_a_damaged_segment_shows_the_truth_or_names_the_file(
    run: Run, disk: DiskState
) -> None:
    for name, data in _segments(disk):
        for at, flipped in _flips(data):
            if at % 16 == 0:
                found = _start(_changed(disk, name, flipped))
                if isinstance(found, Corrupt):
                    assert _names_place(found, name), found.message
                else:
                    assert found == run.truths[-1]


def test_a_changed_byte_of_the_log_is_refused_or_cuts_off_its_last_group_only(
    run: Run, disk: DiskState, tmp_path: Path
) -> None:
    last_group = intact_groups(CrashFiles(tmp_path, disk.copy()))[-1]
    refused = cut = 0
    for name in _files(disk, "log/"):
        for at, flipped in _flips(disk.inodes[disk.names[name]].data):
            found = _start(_changed(disk, name, flipped))
            if isinstance(found, Corrupt):
                assert _names_place(found, name), found.message
                refused += 1
            elif name == last_group.file and at >= last_group.offset:
                assert found == run.truths[-2]
                cut += 1
            else:
                assert found == run.truths[-1]
    assert refused > 500
    assert cut == last_group.size


def test_a_log_cut_at_any_length_keeps_its_whole_groups_and_goes_on(
    run: Run, disk: DiskState, tmp_path: Path
) -> None:
    """The end of a log can be lost without a trace; what must hold is that all before it is there,
    also when segments hold more than the log does, and that the store can go on writing."""
    groups = intact_groups(CrashFiles(tmp_path, disk.copy()))
    for name in _files(disk, "log/"):
        data = disk.inodes[disk.names[name]].data
        later = [other for other in _files(disk, "log/") if other > name]
        for length in range(len(data)):
            state = _changed(disk, name, data[:length])
            for other in later:
                del state.names[other], state.durable[other]
            whole = [g for g in groups if (g.file, g.offset + g.size) <= (name, length)]
            lost = len(groups) - len(whole)
            _check_going_on(state, run.truths, lost)


def _check_going_on(state: DiskState, truths: list[Everything], lost: int) -> None:
    with restarted(state) as (store, files):
        found = with_snapshots(store)
        # The last three steps of the workload are all that segments do not hold.
        assert found == truths[-1 - min(lost, 3)]
        put(store, candles([0]), instrument="kraken:NEW/ONE")
        grown = with_snapshots(store)
        last = files.moments[-1][1]
    with restarted(last) as (store, _):
        assert with_snapshots(store) == grown


def test_a_log_file_cut_short_with_another_after_it_is_refused(run: Run, disk: DiskState) -> None:
    first, *rest = _files(disk, "log/")
    assert rest
    data = disk.inodes[disk.names[first]].data
    for length in range(len(data)):
        found = _start(_changed(disk, first, data[:length]))
        assert isinstance(found, Corrupt), f"cut at {length}"
        assert "log/" in found.message
        assert "offset" in found.message


def test_a_missing_log_file_is_refused(disk: DiskState) -> None:
    first, *_ = _files(disk, "log/")
    state = disk.copy()
    del state.names[first]
    found = _start(state)
    assert isinstance(found, Corrupt)
    assert "offset" in found.message


def test_no_changed_byte_of_the_catalog_is_believed(
    run: Run, disk: DiskState, pytestconfig: pytest.Config
) -> None:
    """SQLite has no checksums; the sums that the catalog keeps of its tables stand in for them."""
    assert disk.catalog is not None
    chance = generator("which bytes of the catalog")
    used = [at for at, byte in enumerate(disk.catalog) if byte]
    refused = 0
    for at in chance.sample(used, scaled(pytestconfig, ci=600, nightly=len(used))):
        state = disk.copy()
        changed = bytearray(disk.catalog)
        changed[at] ^= 1 << chance.randrange(8)
        state.catalog = bytes(changed)
        try:
            with restarted(state) as (store, _):
                assert with_snapshots(store) == run.truths[-1]
        except (DataDirError, Corrupt) as error:
            assert "catalog" in error.message
            refused += 1
    assert refused > 500
