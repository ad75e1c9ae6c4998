"""A replica that becomes a primary, and those that follow it then."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from tests.support.contents import contents_of
from tests.support.replicating import LocalPrimary, catch_up, copied, following, until
from tests.support.rows import MINUTE, NOON_2024, candles
from tests.support.stores import BULK, SMALL, put, stepped

from flightstore_proto.errors import DataDirError
from flightstore_server.engine.replication import origin
from flightstore_server.engine.replication.bootstrap import prepare
from flightstore_server.engine.replication.replica import Replica
from flightstore_server.engine.store import Store
from flightstore_server.storage import layout
from flightstore_server.storage.files import open_root


def _bars(first: int, count: int, close: float = 1.0) -> pa.RecordBatch:
    return candles([NOON_2024 + (first + at) * MINUTE for at in range(count)], close)


def _promoted(store: Store, primary: LocalPrimary, primary_store: Store) -> None:
    replica = Replica(store, primary)
    replica.start()
    until(lambda: replica.lsn == primary_store.state.last_lsn)
    replica.promote()


def test_a_promoted_replica_takes_writes_and_stays_a_primary(
    store: Store, primary: LocalPrimary, tmp_path: Path
) -> None:
    put(store, _bars(0, 10))
    replica = copied(tmp_path / "replica", primary)
    _promoted(replica, primary, store)
    put(replica, _bars(10, 10))
    put(replica, _bars(0, 10), instrument="binance:NEW/USDT")
    contents = contents_of(replica)
    replica.close()
    again = stepped(tmp_path / "replica")
    assert contents_of(again) == contents
    put(again, _bars(20, 10))
    again.close()


def test_what_is_to_happen_after_a_promotion_happens_once(
    store: Store, primary: LocalPrimary, tmp_path: Path
) -> None:
    opened = copied(tmp_path / "replica", primary)
    called: list[str] = []
    replica = Replica(opened, primary, lambda: called.append("promoted"))
    replica.start()
    replica.promote()
    replica.promote()
    assert called == ["promoted"]
    opened.close()


def test_a_promoted_replica_cannot_follow_again(
    store: Store, primary: LocalPrimary, tmp_path: Path
) -> None:
    replica = copied(tmp_path / "replica", primary)
    _promoted(replica, primary, store)
    replica.close()
    with pytest.raises(DataDirError, match="or was promoted"):
        prepare(open_root(tmp_path / "replica"), primary)


def test_a_replica_is_not_started_as_a_primary_by_mistake(
    store: Store, primary: LocalPrimary, tmp_path: Path
) -> None:
    copied(tmp_path / "replica", primary).close()
    with pytest.raises(DataDirError, match="start it with --follow grpc://primary:8815"):
        origin.require_none(open_root(tmp_path / "replica"))


def test_a_put_that_the_old_primary_took_is_not_taken_twice(
    store: Store, primary: LocalPrimary, tmp_path: Path
) -> None:
    replica = copied(tmp_path / "replica", primary)
    ack = put(store, _bars(0, 10), put_id=42)
    _promoted(replica, primary, store)
    assert put(replica, _bars(0, 10), put_id=42) == ack
    assert replica.state.last_lsn == ack.lsn
    replica.close()


def test_a_put_logged_twice_arrives_twice(primary: LocalPrimary, tmp_path: Path) -> None:
    """A primary that was restarted has forgotten old put ids; its replica has not."""
    store = stepped(tmp_path / "forgetful")
    primary.serve(store)
    replica = copied(tmp_path / "replica", primary)
    put(store, _bars(0, 10), put_id=42)
    catch_up(replica, primary, store)
    store.flush()
    store.close()
    restarted = stepped(tmp_path / "forgetful")
    primary.serve(restarted)
    assert put(restarted, _bars(0, 10), put_id=42).lsn == 2
    catch_up(replica, primary, restarted)
    assert contents_of(replica) == contents_of(restarted)
    replica.close()
    restarted.close()


def test_a_replica_follows_a_replica_and_another_that_was_promoted(
    store: Store, primary: LocalPrimary, tmp_path: Path
) -> None:
    first = copied(tmp_path / "first", primary, BULK)
    second = copied(tmp_path / "second", primary, SMALL)
    for number in range(3):
        put(store, _bars(number * 10, 30, float(number)))
        catch_up(first, primary, store)
        catch_up(second, primary, store)
        first.flush()
        second.flush()
    third = copied(tmp_path / "third", LocalPrimary(first), SMALL)
    _promoted(first, primary, store)
    promoted = LocalPrimary(first, "grpc://promoted:8815")
    put(first, _bars(15, 60, 7.0))  # in bulk, under ids of the promoted one's own
    for name, follower in (("second", second), ("third", third)):
        follower.flush()
        follower.close()
        reopened = copied(tmp_path / name, promoted, SMALL)
        catch_up(reopened, promoted, first)
        reopened.flush()
        reopened.compact(full=True)
        assert contents_of(reopened) == contents_of(first)
        reopened.close()
        again = copied(tmp_path / name, promoted, SMALL)
        assert contents_of(again) == contents_of(first)
        assert again.origin is not None
        assert again.origin.primary == "grpc://promoted:8815"
        again.close()
    first.close()


def test_a_replica_numbers_above_a_primary_that_numbers_higher(
    primary: LocalPrimary, tmp_path: Path
) -> None:
    store = stepped(tmp_path / "bulk", BULK)
    primary.serve(store)
    replica = copied(tmp_path / "replica", primary)
    assert replica.origin is not None
    before = replica.origin.generations[-1]
    store.reservations.start_after(1, 1, (before + 3) << 32)
    put(store, _bars(0, 60))
    catch_up(replica, primary, store)
    assert replica.origin.generations[-1] > before + 3
    replica.close()
    again = copied(tmp_path / "replica", primary)
    assert again.origin is not None
    assert again.reservations.first_unused_segment() >= again.origin.first_segment
    again.close()
    store.close()


def test_a_primary_that_numbers_as_the_replica_does_is_not_followed(
    primary: LocalPrimary, tmp_path: Path
) -> None:
    store = stepped(tmp_path / "bulk", BULK)
    primary.serve(store)
    replica = copied(tmp_path / "replica", primary)
    assert replica.origin is not None
    store.reservations.start_after(1, 1, replica.origin.first_segment)
    put(store, _bars(0, 60))
    with following(replica, primary) as thread:
        until(lambda: thread.state == "diverged", lambda: (thread.state, thread.error))
    assert not list(replica.files.walk(layout.SEGMENTS_DIR))
    replica.close()
    store.close()
