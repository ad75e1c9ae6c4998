"""A replica has what its primary has, under the same numbers, whatever happens to either."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from tests.support.contents import contents_of, with_snapshots
from tests.support.replicating import LocalPrimary, catch_up, copied, following, until
from tests.support.rows import MINUTE, NOON_2024, candles, own, trades
from tests.support.seeds import generator
from tests.support.stores import BTC, BULK, SMALL, crash, put, read, stepped

from flightstore_proto.errors import Corrupt, InternalError, Lagged, ReadOnly
from flightstore_server.engine.backup import backup
from flightstore_server.engine.replication.primary import Piece
from flightstore_server.engine.store import Store
from flightstore_server.storage import layout
from flightstore_server.storage.log.group import StoredRecord


def _bars(first: int, count: int, close: float = 1.0) -> pa.RecordBatch:
    return candles([NOON_2024 + (first + at) * MINUTE for at in range(count)], close)


@pytest.fixture
def replica(primary: LocalPrimary, tmp_path: Path) -> Iterator[Store]:
    """The replica's store, copied while the primary was empty."""
    opened = copied(tmp_path / "replica", primary)
    yield opened
    opened.close()


def test_every_kind_of_write_arrives(store: Store, primary: LocalPrimary, replica: Store) -> None:
    put(store, _bars(0, 60), covers=[(NOON_2024, NOON_2024 + 100 * MINUTE)])
    put(store, _bars(30, 60, 2.0))
    put(
        store,
        trades([(NOON_2024, "b", 1.0), (NOON_2024, "a", 2.0)]),
        dataset="trades",
        timeframe="",
    )
    put(store, own([NOON_2024], rate=[0.5]), dataset="funding", timeframe="")
    put(store, own([NOON_2024 + 1], rate=[0.7], mark=[3]), dataset="funding", timeframe="")
    put(store, _bars(0, 5), instrument="binance:GONE/USDT")
    store.describe("candles", BTC, "1m", {"source": "test"})
    store.delete("candles", BTC, "1m", NOON_2024 + 10 * MINUTE, NOON_2024 + 40 * MINUTE)
    store.delete("candles", "binance:GONE/USDT", "1m", None, None)
    catch_up(replica, primary, store)
    assert contents_of(replica) == contents_of(store)


def test_bulk_puts_arrive_as_the_files_they_are(primary: LocalPrimary, tmp_path: Path) -> None:
    store = stepped(tmp_path / "bulk", BULK)
    primary.serve(store)
    replica = copied(tmp_path / "replica", primary)
    put(store, _bars(0, 120))
    put(store, _bars(60, 120, 2.0))
    catch_up(replica, primary, store)
    files = sorted(store.files.walk(layout.SEGMENTS_DIR))
    assert sorted(replica.files.walk(layout.SEGMENTS_DIR)) == files
    assert contents_of(replica) == contents_of(store)
    replica.close()
    store.close()


def test_a_bulk_put_that_was_deleted_before_it_was_fetched_arrives_and_goes(
    primary: LocalPrimary, tmp_path: Path
) -> None:
    store = stepped(tmp_path / "bulk", BULK)
    primary.serve(store)
    replica = copied(tmp_path / "replica", primary)
    put(store, _bars(0, 60))
    store.delete("candles", BTC, "1m", None, None)
    store.flush()
    catch_up(replica, primary, store)
    assert contents_of(replica) == {}
    replica.close()
    store.close()


def test_a_replica_that_was_killed_goes_on_where_it_was(
    store: Store, primary: LocalPrimary, tmp_path: Path
) -> None:
    random = generator("killed replica")
    replica = copied(tmp_path / "replica 0", primary)
    for number in range(1, 6):
        for _ in range(random.randrange(1, 5)):
            put(store, _bars(random.randrange(500), random.randrange(1, 50), random.random()))
        catch_up(replica, primary, store)
        if random.random() < 0.5:
            replica.flush()
        root = crash(replica, tmp_path / f"replica {number}")
        replica = copied(root, primary)
        assert contents_of(replica) == contents_of(store)
    replica.close()


def test_files_of_its_own_never_meet_those_of_the_primary(
    primary: LocalPrimary, tmp_path: Path
) -> None:
    # Thirty bars go to the log, sixty straight into a file.
    store = stepped(tmp_path / "mixed", replace(SMALL, bulk_put_bytes_min=2_500))
    primary.serve(store)
    replica = copied(tmp_path / "replica", primary)
    for number in range(4):
        put(store, _bars(number * 20, 30, float(number)))
        catch_up(replica, primary, store)
        replica.flush()
        replica.compact(full=True)
        put(store, _bars(number * 20 + 5, 60, number + 0.5))
        catch_up(replica, primary, store)
        assert contents_of(replica) == contents_of(store)
        replica.close()
        replica = copied(tmp_path / "replica", primary)
        assert contents_of(replica) == contents_of(store)
    ids = {layout.segment_id(file) or 0 for file in replica.files.walk(layout.SEGMENTS_DIR)}
    assert any(number >> 32 for number in ids)
    assert any(not number >> 32 for number in ids)
    replica.close()
    store.close()


def test_nothing_is_merged_while_a_delete_arrives(
    store: Store, primary: LocalPrimary, replica: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A merge that has read the rows would bring them back."""
    put(store, _bars(0, 10))
    store.delete("candles", BTC, "1m", NOON_2024, NOON_2024 + 5 * MINUTE)
    replicate, free = replica.replicate, {}

    def watched(records: Sequence[StoredRecord]) -> None:
        with ThreadPoolExecutor(1) as other:
            free[records[0].lsn] = other.submit(_is_free, replica).result()
        replicate(records)

    monkeypatch.setattr(replica, "replicate", watched)
    catch_up(replica, primary, store)
    assert free == {1: True, 2: False}


def _is_free(store: Store) -> bool:
    lock = store.maintenance.lock
    if not lock.acquire(blocking=False):
        return False
    lock.release()
    return True


def test_a_fetched_file_that_is_not_what_the_log_says_is_refused(
    primary: LocalPrimary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = stepped(tmp_path / "bulk", BULK)
    primary.serve(store)
    replica = copied(tmp_path / "replica", primary)
    put(store, _bars(0, 60))
    fetch = primary.segment

    def cut(file: str) -> Iterator[Piece]:
        return (replace(piece, data=piece.data.slice(0, 100)) for piece in fetch(file))

    monkeypatch.setattr(primary, "segment", cut)
    with following(replica, primary) as thread:
        until(lambda: "came with 100 bytes" in thread.error, lambda: thread.error)
    assert replica.state.last_lsn == 0
    monkeypatch.undo()
    catch_up(replica, primary, store)
    assert contents_of(replica) == contents_of(store)
    replica.close()
    store.close()


def test_only_files_that_a_record_named_are_handed_out(store: Store, primary: LocalPrimary) -> None:
    put(store, _bars(0, 10))
    store.flush()
    known = next(store.files.walk(layout.SEGMENTS_DIR))
    for name in (known, "catalog.sqlite", "../../etc/passwd", "/etc/passwd", ""):
        with pytest.raises(Lagged, match="no segment file of that name"):
            list(primary.segment(name))


def test_a_replica_refuses_to_be_written_to(
    store: Store, primary: LocalPrimary, replica: Store
) -> None:
    put(store, _bars(0, 10))
    catch_up(replica, primary, store)
    said = r"replica of grpc://primary:8815; write there, or promote it"
    with pytest.raises(ReadOnly, match=said):
        put(replica, _bars(0, 10))
    with pytest.raises(ReadOnly, match=said):
        replica.delete("candles", BTC, "1m", None, None)
    with pytest.raises(ReadOnly, match=said):
        replica.describe("candles", BTC, "1m", {"a": "b"})
    assert contents_of(replica) == contents_of(store)


def test_a_replica_flushes_snapshots_merges_and_is_backed_up(
    store: Store, primary: LocalPrimary, replica: Store, tmp_path: Path
) -> None:
    put(store, _bars(0, 10))
    catch_up(replica, primary, store)
    replica.snapshot("mine")
    replica.compact(full=True)
    backup(replica, tmp_path / "backup")
    copy = stepped(tmp_path / "backup")  # nobody's replica
    assert with_snapshots(copy) == with_snapshots(replica)
    put(copy, _bars(0, 1))
    copy.close()


def test_records_that_do_not_continue_the_log_are_refused(replica: Store) -> None:
    record = StoredRecord(5, b"", pa.py_buffer(b""), 0, 0)
    with pytest.raises(InternalError, match="Record 5 came where 1 belongs"):
        replica.replicate([record])
    assert replica.state.last_lsn == 0


def test_a_primary_that_is_behind_its_replica_is_not_followed(
    store: Store, primary: LocalPrimary, replica: Store, tmp_path: Path
) -> None:
    put(store, _bars(0, 10))
    backup(store, tmp_path / "backup")
    put(store, _bars(10, 10))
    catch_up(replica, primary, store)
    restored = stepped(tmp_path / "backup")
    primary.serve(restored)
    with following(replica, primary) as thread:
        until(lambda: thread.state == "diverged", lambda: (thread.state, thread.error))
        assert "ends at record 2 and grpc://primary:8815" in thread.error
        assert "the primary ends at 1" in thread.error
        assert sum(map(len, read(replica))) == 20
    restored.close()


def test_a_primary_with_another_history_is_not_followed_even_if_it_is_ahead(
    store: Store, primary: LocalPrimary, replica: Store, tmp_path: Path
) -> None:
    put(store, _bars(0, 10))
    backup(store, tmp_path / "backup")
    put(store, _bars(10, 10))
    catch_up(replica, primary, store)
    restored = stepped(tmp_path / "backup")
    for number in range(3):
        put(restored, _bars(10, 10, 5.0 + number))
    primary.serve(restored)
    with following(replica, primary) as thread:
        until(lambda: thread.state == "diverged", lambda: (thread.state, thread.error))
        assert "that record is another one there" in thread.error
        assert "an empty data directory" in thread.error
    assert replica.state.last_lsn == 2
    restored.close()


def test_a_replica_that_the_log_no_longer_reaches_says_so_and_reads_on(
    store: Store, primary: LocalPrimary, replica: Store
) -> None:
    put(store, _bars(0, 10))
    catch_up(replica, primary, store)
    for number in range(30):  # several log files, of which only the last is kept
        put(store, _bars(number * 10, 10))
    store.flush()
    store.upkeep()
    with following(replica, primary) as thread:
        until(lambda: thread.state == "lagged", lambda: (thread.state, thread.error))
        assert "comes after record 1; start the replica anew" in thread.error
        assert sum(map(len, read(replica))) == 10


def test_a_follower_shows_on_both_sides(
    store: Store, primary: LocalPrimary, replica: Store
) -> None:
    put(store, _bars(0, 10))
    with following(replica, primary) as thread:
        until(lambda: thread.lsn == 1)
        [there] = [c for c in store.consumers.all() if c.kind == "replica"]
        until(lambda: there.lsn == 1)
        assert (there.name, there.state) == ("replica of a test", "running")
        [here] = [c for c in replica.consumers.all() if c.kind == "replica"]
        until(lambda: here.state == "running")
        assert (here.name, here.lsn, here.error) == ("following", 1, "")
    until(lambda: not [c for c in store.consumers.all() if c.kind == "replica"])


def test_a_defect_while_following_is_shown_and_tried_again(
    store: Store, primary: LocalPrimary, replica: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, _bars(0, 10))

    def broken(after_lsn: int) -> Iterator[object]:
        raise Corrupt(f"nothing after {after_lsn}")

    monkeypatch.setattr(primary, "follow", broken)
    with following(replica, primary) as thread:
        until(lambda: thread.errors > 1)
        assert (thread.state, thread.error) == ("connecting", "nothing after 0")
        monkeypatch.undo()
        until(lambda: thread.lsn == 1)
        until(lambda: not thread.error)
