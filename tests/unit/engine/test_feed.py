"""The feed: committed changes in order, from memory or from the log, whoever asks when."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.rows import MINUTE, bars_of, candles
from tests.support.stores import BULK, SMALL, put, stepped

from flightstore_proto.errors import Lagged, Unavailable
from flightstore_server.engine.feed import Follower
from flightstore_server.engine.store import Store

KEPT = replace(SMALL, log_keep_bytes=1 << 30)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = stepped(tmp_path, replace(KEPT, feed_bytes_max=4_000))
    yield opened
    opened.close()


def _put(store: Store, *minutes: int) -> int:
    return put(store, candles([m * MINUTE for m in minutes])).lsn


def _taken(follower: Follower, *, bytes_max: int = 1 << 20) -> list[int]:
    return [change.lsn for change in follower.take(0, bytes_max=bytes_max)]


def test_a_follower_gets_what_is_committed_after_it_came(store: Store) -> None:
    _put(store, 0)
    follower = store.feed.follow(store.state.last_lsn)
    assert _taken(follower) == []
    assert _put(store, 1) == 2
    [change] = follower.take(5)
    assert (change.lsn, bars_of([change.rows])) == (2, [(MINUTE, 1.0)])
    assert follower.lsn == 2


def test_a_change_that_memory_let_go_comes_from_the_log_just_the_same(store: Store) -> None:
    for minute in range(30):
        _put(store, minute)
    assert store.feed.near(0, 1 << 20) is None, "nothing was let go"
    changes = store.feed.follow(0).take(0, bytes_max=1 << 30)
    assert [bars_of([c.rows]) for c in changes] == [[(m * MINUTE, 1.0)] for m in range(30)]


def test_a_follower_goes_from_the_log_to_memory_without_a_seam(store: Store) -> None:
    follower, taken = store.feed.follow(0), []
    for minute in range(40):
        _put(store, minute)
        if minute % 3:
            taken += _taken(follower, bytes_max=1_500)
    while found := _taken(follower, bytes_max=1_500):
        taken += found
    assert taken == list(range(1, 41))


def test_memory_stays_within_its_bound_and_keeps_the_newest_change(store: Store) -> None:
    for minute in range(0, 3_000, 100):
        _put(store, *range(minute, minute + 100))
    newest = store.feed.near(store.feed.last_lsn - 1, 1 << 30)
    assert newest is not None
    assert [change.lsn for change in newest] == [30]
    assert store.feed.near(27, 1 << 30) is None


def test_a_take_stops_at_about_what_was_asked_for(store: Store) -> None:
    for minute in range(3):
        _put(store, minute)
    assert _taken(store.feed.follow(0), bytes_max=1) == [1]


def test_who_waits_is_woken_by_a_commit(store: Store) -> None:
    follower, taken = store.feed.follow(0), []
    waiting = threading.Thread(target=lambda: taken.extend(follower.take(30)))
    waiting.start()
    _put(store, 0)
    waiting.join(30)
    assert [change.lsn for change in taken] == [1]


def test_who_waits_is_told_that_the_server_stops(store: Store) -> None:
    told: list[Exception] = []

    def wait() -> None:
        with pytest.raises(Unavailable, match="stopping") as caught:
            store.feed.follow(0).take(30)
        told.append(caught.value)

    waiting = threading.Thread(target=wait)
    waiting.start()
    store.feed.close()
    waiting.join(30)
    assert told


def test_a_follower_whose_next_change_is_gone_is_told_so(tmp_path: Path) -> None:
    store = stepped(tmp_path, replace(SMALL, feed_bytes_max=1))
    follower = store.feed.follow(0)
    for minute in range(200):
        _put(store, minute)
    store.flush()
    store.maintenance.collect()
    with pytest.raises(Lagged, match="records 1 to"):
        follower.take(0)
    store.close()


def test_the_rows_of_a_bulk_put_stay_in_their_files(tmp_path: Path) -> None:
    store = stepped(tmp_path, BULK)
    _put(store, *range(10))
    [change] = store.feed.follow(0).take(0)
    assert change.rows is None
    assert [s.rows for run in change.message.put.runs for s in run.segments] == [10]
    store.close()


def test_what_was_committed_before_a_restart_is_followed_after_it(tmp_path: Path) -> None:
    store = stepped(tmp_path, KEPT)
    for minute in range(5):
        _put(store, minute)
    store.close()
    store = stepped(tmp_path, KEPT)
    assert [change.lsn for change in store.feed.follow(2).take(0)] == [3, 4, 5]
    store.close()
