"""The background check of segments: it finds what is damaged, forgets nothing and disturbs nobody.

Each test takes the steps by hand that a thread takes in a server.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.rows import MINUTE, candles
from tests.support.stores import SMALL, put, stepped, view

from flightstore_proto.timeframe import DAY_NS
from flightstore_server.engine.scrubbing import scrub as scrubbing
from flightstore_server.engine.scrubbing.scrub import Scrub
from flightstore_server.engine.store import Store

ROUND_STEPS_MAX = 1_000


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_767_225_600 * 10**9

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    """Three segments of ten rows."""
    opened = stepped(tmp_path, SMALL, clock=clock)
    for part in range(3):
        put(opened, candles([(part * 10 + i) * MINUTE for i in range(10)]))
        opened.flush()
    yield opened
    opened.close()


def scrub_of(store: Store) -> Scrub:
    return Scrub(store, bytes_per_second=1, interval_days=7)


def a_round(scrub: Scrub) -> int:
    """Take steps until nothing is due; returns the bytes they read."""
    total = 0
    for _ in range(ROUND_STEPS_MAX):
        read = scrub.step()
        total += read
        if not read:
            return total
    raise AssertionError("a round did not end")


def flip(store: Store, number: int) -> Path:
    """Change a byte of a segment's rows, behind the server's back."""
    path = store.files.root / view(store).segments[number].file
    data = bytearray(path.read_bytes())
    data[600] ^= 1
    path.write_bytes(data)
    return path


def test_a_round_reads_every_byte_of_every_segment(store: Store) -> None:
    scrub = scrub_of(store)
    assert a_round(scrub) == sum(segment.size for segment in view(store).segments)
    assert (scrub.done, scrub.total, scrub.damage) == (3, 3, {})


def test_files_larger_than_a_piece_are_read_in_pieces(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrubbing, "_PIECE_BYTES", 100)
    scrub = scrub_of(store)
    assert scrub.step() == 100
    assert a_round(scrub) + 100 == sum(segment.size for segment in view(store).segments)
    assert scrub.damage == {}


def test_a_flipped_byte_is_reported_with_file_offset_and_remedy(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    path = flip(store, 1)
    scrub = scrub_of(store)
    with caplog.at_level(logging.ERROR):
        a_round(scrub)
    [[sentence]] = scrub.damage.values()
    assert path.name in sentence
    assert "is damaged between offset" in sentence
    assert "Restore it from a backup" in sentence
    assert [record.getMessage() for record in caplog.records] == [sentence]
    assert scrub.done == 3, "one damaged file keeps no other from being checked"


def test_a_file_that_was_cut_or_is_missing_is_damage(store: Store) -> None:
    first, second, _ = view(store).segments
    os.truncate(store.files.root / first.file, first.size - 100)
    (store.files.root / second.file).unlink()
    scrub = scrub_of(store)
    a_round(scrub)
    assert set(scrub.damage) == {first.id, second.id}
    assert "is missing" in scrub.damage[second.id][0]


def test_a_file_that_the_disk_does_not_give_is_damage_and_is_not_mapped(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mapped page that the disk cannot deliver kills the process with SIGBUS."""
    [first, *_] = view(store).segments
    read, mapped = store.files.read_from_disk, store.files.map

    def broken(name: str, offset: int, size: int) -> bytes:
        if name == first.file:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(name, offset, size)

    def no_map(name: str) -> object:
        assert name != first.file
        return mapped(name)

    monkeypatch.setattr(store.files, "read_from_disk", broken)
    monkeypatch.setattr(store.files, "map", no_map)
    scrub = scrub_of(store)
    a_round(scrub)
    assert list(scrub.damage) == [first.id]
    assert "Input/output error" in scrub.damage[first.id][0]


def test_the_next_round_begins_an_interval_after_the_last_one_ended(
    store: Store, clock: Clock
) -> None:
    scrub = scrub_of(store)
    size = a_round(scrub)
    clock.now += 7 * DAY_NS - 1
    assert a_round(scrub) == 0
    clock.now += 1
    assert a_round(scrub) == size


def test_a_restart_goes_on_where_it_was(store: Store) -> None:
    first, *rest = view(store).segments
    scrub = scrub_of(store)
    scrub.step()
    scrub.start()
    scrub.stop()
    # Whatever the thread did until it was stopped, the two together read each file once.
    again = scrub_of(store)
    assert scrub.bytes >= first.size
    assert scrub.bytes + a_round(again) == first.size + sum(s.size for s in rest)


def test_a_round_that_is_over_is_not_begun_again_by_a_restart(store: Store) -> None:
    a_round(scrub_of(store))
    assert a_round(scrub_of(store)) == 0


def test_damage_is_known_again_soon_after_a_restart(store: Store) -> None:
    [_, second, _] = view(store).segments
    flip(store, 1)
    a_round(scrub_of(store))
    again = scrub_of(store)
    assert a_round(again) == second.size, "only that one is due"
    assert set(again.damage) == {second.id}


def test_a_file_that_was_mended_is_not_damaged_any_more(store: Store) -> None:
    path = flip(store, 1)
    a_round(scrub_of(store))
    flip(store, 1)
    again = scrub_of(store)
    a_round(again)
    assert again.damage == {}
    assert path.exists()
    assert a_round(scrub_of(store)) == 0


def test_a_segment_that_was_merged_meanwhile_is_no_damage(store: Store) -> None:
    scrub = scrub_of(store)
    scrub.step()
    store.compact(full=True)
    store.maintenance.collect()
    a_round(scrub)
    assert scrub.damage == {}


def test_damage_of_a_series_that_was_deleted_is_forgotten(store: Store, clock: Clock) -> None:
    flip(store, 1)
    scrub = scrub_of(store)
    a_round(scrub)
    store.delete("candles", "binance:BTC/USDT", "1m", None, None)
    store.flush()
    store.maintenance.collect()
    put(store, candles([0]))
    store.flush()
    clock.now += 8 * DAY_NS
    a_round(scrub)
    assert scrub.damage == {}


def test_an_unreadable_record_of_it_only_means_to_begin_anew(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    size = a_round(scrub_of(store))
    (store.files.root / "scrub.json").write_text("{")
    assert a_round(scrub_of(store)) == size
    assert "scrub.json cannot be read" in caplog.text


def test_a_full_disk_does_not_end_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store.files, "create", full)
    scrub = scrub_of(store)
    a_round(scrub)
    assert scrub.done == 3
    assert not store.committer.poison_reason


def test_pieces_from_the_disk_are_as_they_are_in_the_file_and_end_where_it_ends(
    tmp_path: Path,
) -> None:
    disk = stepped(tmp_path)
    path = tmp_path / "large"
    path.write_bytes(bytes(1 << 20))
    os.sync()
    assert disk.files.read_from_disk("large", 4096, 8192) == bytes(8192)
    assert disk.files.read_from_disk("large", (1 << 20) - 10, 4096) == bytes(10)
    disk.close()
