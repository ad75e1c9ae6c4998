"""Rows that were sent and not committed: counted, shared, and dropped when nothing more comes."""

from __future__ import annotations

import pyarrow as pa
import pytest

import flightstore as fs
from flightstore_server.flight.limits.gathering import Gathering, held_bytes

ROWS = pa.record_batch([pa.array(range(1_000), pa.int64())], names=["a"])


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gathering(clock: Clock) -> Gathering:
    return Gathering(3 * held_bytes(ROWS), 10.0, clock)


def test_what_was_committed_or_dropped_counts_no_more(gathering: Gathering) -> None:
    put = gathering.begin()
    put.add(ROWS)
    put.add(ROWS)
    assert gathering.bytes == 2 * held_bytes(ROWS)
    assert put.committed() == [ROWS, ROWS]
    put.drop()
    put.drop()
    assert gathering.bytes == 0


def test_what_does_not_fit_is_not_counted(gathering: Gathering) -> None:
    puts = [gathering.begin() for _ in range(4)]
    for put in puts[:3]:
        put.add(ROWS)
    with pytest.raises(fs.Overloaded, match="gather_bytes_max"):
        puts[3].add(ROWS)
    puts[0].drop()
    puts[3].add(ROWS)
    assert gathering.bytes == 3 * held_bytes(ROWS)


def test_only_a_put_that_has_sent_nothing_for_long_is_given_up(
    gathering: Gathering, clock: Clock
) -> None:
    idle, busy, empty = (gathering.begin() for _ in range(3))
    idle.add(ROWS)
    clock.now = 9.0
    busy.add(ROWS)
    clock.now = 11.0
    gathering.give_up_idle()
    assert gathering.bytes == held_bytes(ROWS)
    for more in (lambda: idle.add(ROWS), idle.committed):
        with pytest.raises(fs.Overloaded, match="put_idle_seconds"):
            more()
    assert busy.committed() == [ROWS]
    assert empty.committed() == []


def test_a_put_that_waits_for_the_disk_is_not_idle(gathering: Gathering, clock: Clock) -> None:
    put = gathering.begin()
    put.add(ROWS)
    put.committed()
    clock.now = 1_000.0
    gathering.give_up_idle()
    assert gathering.bytes == held_bytes(ROWS)


def test_a_slice_counts_as_all_that_it_keeps_in_memory() -> None:
    message = pa.ipc.read_record_batch(ROWS.serialize(), ROWS.schema)
    assert held_bytes(message.slice(0, 1)) >= ROWS.nbytes
