"""Every byte of every segment and log file is changed in turn; files are cut, swapped, zeroed.

What may be found then: the truth, an error that names the file and the offset, or a refusal to
start that does. Only the log's last group may vanish: it cannot be told from a torn write.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from tests.support.contents import views_of
from tests.support.crash_contents import Everything, everything, held_by
from tests.support.crash_explorer import Run, run_workload, started
from tests.support.crash_files import CrashFiles, DiskState, Inode
from tests.support.rows import candles
from tests.support.seeds import generator, scaled
from tests.support.stores import put

from flightstore_proto.errors import Corrupt, DataDirError
from flightstore_server.engine.inspection import inspect
from flightstore_server.engine.store import Store
from flightstore_server.storage.log.salvage import intact_groups

Flips = Callable[[bytes], Iterator[tuple[int, bytes]]]


@pytest.fixture(scope="module")
def run() -> Run:
    return run_workload()


@pytest.fixture
def disk(run: Run) -> DiskState:
    return run.moments[-1][1]


def _files(disk: DiskState, folder: str) -> list[str]:
    return sorted(name for name in disk.names if name.startswith(folder))


def _changed(disk: DiskState, name: str, data: bytes) -> DiskState:
    state = disk.copy()
    state.inodes[state.names[name]] = Inode(data, len(data))
    return state


@pytest.fixture
def flips(pytestconfig: pytest.Config) -> Flips:
    """Bytes with one bit of one byte changed, for every byte; for every bit, from nightly on."""
    count = scaled(pytestconfig, ci=1, nightly=8, release=8)
    chance = generator("which bits")

    def of(data: bytes) -> Iterator[tuple[int, bytes]]:
        for at in range(len(data)):
            for bit in chance.sample(range(8), count):
                yield at, data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :]

    return of


def _start(state: DiskState) -> Everything | Corrupt:
    """What a start on `state` shows, or the error it ends in."""
    try:
        with started(state) as (store, _):
            return everything(store)
    except Corrupt as error:
        return error


def _names_place(error: Corrupt, name: str) -> bool:
    return name.rpartition("/")[2] in error.message and "offset" in error.message


def _check_segments(disk: DiskState, damaged: Iterator[tuple[str, bytes]]) -> int:
    """Read each damaged segment in an open store: the truth or an error, and verify sees it."""
    count = 0
    with started(disk) as (store, files):
        truth = {str(view.series): held_by(store, view) for view in views_of(store)}
        for name, data in damaged:
            count += 1
            _replace(files, store, name, data)
            for view in views_of(store):
                if any(segment.file == name for segment in view.segments):
                    try:
                        assert held_by(store, view) == truth[str(view.series)], name
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
    disk: DiskState, flips: Flips
) -> None:
    flipped = ((name, changed) for name, data in _segments(disk) for _, changed in flips(data))
    assert _check_segments(disk, flipped) > 8000


def test_a_segment_cut_at_any_length_is_never_read_as_data(disk: DiskState) -> None:
    cuts = ((name, data[:n]) for name, data in _segments(disk) for n in range(len(data)))
    assert _check_segments(disk, cuts) > 8000


def test_a_segment_with_zeroed_sectors_is_never_read_as_data(disk: DiskState) -> None:
    zeroed = (
        (name, data[:at] + bytes(min(size, len(data) - at)) + data[at + size :])
        for size in (512, 4096)
        for name, data in _segments(disk)
        for at in range(0, len(data), 64)
    )
    assert _check_segments(disk, zeroed) > 100


def test_segments_in_each_others_place_are_never_read_as_data(disk: DiskState) -> None:
    pairs = itertools.permutations(_segments(disk), 2)
    swapped = ((name, data) for (name, _), (_, data) in pairs)
    assert _check_segments(disk, swapped) >= 6


def test_a_start_over_a_damaged_segment_shows_the_truth_or_names_the_file(
    run: Run, disk: DiskState, flips: Flips
) -> None:
    for name, data in _segments(disk):
        for at, flipped in flips(data):
            if at % 16 == 0:
                found = _start(_changed(disk, name, flipped))
                if isinstance(found, Corrupt):
                    assert _names_place(found, name), found.message
                else:
                    assert found == run.truths[-1]


def test_a_changed_byte_of_the_log_is_refused_or_cuts_off_its_last_group_only(
    run: Run, disk: DiskState, flips: Flips
) -> None:
    last_group = intact_groups(CrashFiles(disk.copy()))[-1]
    refused = cut = 0
    for name in _files(disk, "log/"):
        for at, flipped in flips(disk.inodes[disk.names[name]].data):
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
    assert cut in (last_group.size, 8 * last_group.size)


def test_a_log_cut_at_any_length_keeps_its_whole_groups_and_goes_on(
    run: Run, disk: DiskState
) -> None:
    """The end of a log can be lost without a trace; what must hold is that all before it is there,
    also when segments hold more than the log does, and that the store can go on writing."""
    groups = intact_groups(CrashFiles(disk.copy()))
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
    with started(state) as (store, files):
        found = everything(store)
        # The last three steps of the workload are all that segments do not hold.
        assert found == truths[-1 - min(lost, 3)]
        put(store, candles([0]), instrument="kraken:NEW/ONE")
        grown = everything(store)
        last = files.moments[-1][1]
    with started(last) as (store, _):
        assert everything(store) == grown


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
    run: Run, disk: DiskState, flips: Flips
) -> None:
    """SQLite has no checksums; the sums that the catalog keeps of its tables stand in for them."""
    assert disk.catalog is not None
    refused = 0
    for at, flipped in flips(disk.catalog):
        if disk.catalog[at]:  # what SQLite does not use yet is zero
            refused += _is_refused(run, disk, flipped)
    assert refused > 5000


def test_no_cut_zeroed_or_swapped_page_of_the_catalog_is_believed(
    run: Run, disk: DiskState
) -> None:
    data = disk.catalog
    assert data is not None
    pages = range(0, len(data), 4096)
    cut = [data[:length] for length in range(0, len(data), 512)]
    zeroed = [data[:at] + bytes(4096) + data[at + 4096 :] for at in pages]
    swapped = [
        data[:at] + data[other : other + 4096] + data[at + 4096 :]
        for at, other in itertools.permutations(pages, 2)
    ]
    refused = sum(_is_refused(run, disk, damaged) for damaged in (*cut, *zeroed, *swapped))
    assert refused > len(swapped) // 2


def _is_refused(run: Run, disk: DiskState, catalog: bytes) -> bool:
    """Whether a start over this catalog is refused; if not, it must show the truth."""
    state = disk.copy()
    state.catalog = catalog
    try:
        with started(state) as (store, _):
            assert everything(store) == run.truths[-1]
    except (DataDirError, Corrupt) as error:
        assert "catalog" in error.message
        return True
    return False


def test_whatever_lies_among_unfinished_files_a_start_shows_the_truth_and_goes_on(
    run: Run, disk: DiskState
) -> None:
    state = disk.copy()
    for number, name in enumerate(("tmp/1.arrow", "tmp/99999.arrow", "tmp/7.fetched", "tmp/x")):
        state.inodes[-1 - number] = Inode(b"\xff" * 700, 700)
        state.names[name] = state.durable[name] = -1 - number
    with started(state) as (store, files):
        assert everything(store) == run.truths[-1]
        store.sweep()
        put(store, candles([0]), instrument="kraken:NEW/ONE")
        store.flush()
        grown = everything(store)
    with started(files.state) as (store, _):
        assert everything(store) == grown


@pytest.mark.nightly
def test_two_changed_bytes_of_a_segment_are_no_more_believed_than_one(
    disk: DiskState, pytestconfig: pytest.Config
) -> None:
    chance = generator("which two bytes")

    def pairs() -> Iterator[tuple[str, bytes]]:
        segments = _segments(disk)
        for _ in range(scaled(pytestconfig, ci=100, nightly=20_000, release=1_000_000)):
            name, data = chance.choice(segments)
            changed = bytearray(data)
            for at in chance.sample(range(len(data)), 2):
                changed[at] ^= chance.randrange(1, 256)
            yield name, bytes(changed)

    assert _check_segments(disk, pairs()) > 0
