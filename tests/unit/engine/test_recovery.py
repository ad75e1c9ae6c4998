"""A store that was killed comes back as it was; what nothing names is removed, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.rows import MINUTE, NOON_2024, bars_of, candles
from tests.support.stores import BTC, BULK, crash, put, read, stepped, view

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import Corrupt, DataDirError, InternalError
from flightstore_server.engine.commits import Pending
from flightstore_server.storage.catalog_file import Transaction

TIMES = [NOON_2024 + minute * MINUTE for minute in range(20)]
WORDS = ("candles", BTC, "1m")


def _segments(root: Path) -> list[Path]:
    return sorted((root / "segments").rglob("*.arrow"))


def test_a_file_that_the_log_still_names_is_kept_although_its_rows_are_deleted(
    tmp_path: Path,
) -> None:
    """The first delete straddles the file, so every replay has to open it."""
    store = stepped(tmp_path / "0", BULK)
    put(store, candles(TIMES))
    store.delete(*WORDS, TIMES[0], TIMES[10])
    store.delete(*WORDS, TIMES[10], TIMES[-1] + 1)
    for number in ("1", "2"):
        store = stepped(crash(store, tmp_path / number), BULK)
        assert store.sweep() == []
        assert read(store) == []
    put(store, candles(TIMES))
    store.flush()
    store = stepped(crash(store, tmp_path / "3"), BULK)
    assert store.sweep() == [], "a replica that is behind may still ask for the file"
    for _ in range(100):  # until the first file of the log is full and let go
        put(store, candles(TIMES[:1]), instrument="x:Y")
        store.flush()
        store.maintenance.collect()
    assert len(store.sweep()) == 1
    assert len(bars_of(read(store))) == 20
    store.close()


def test_a_file_that_nothing_names_is_removed(tmp_path: Path) -> None:
    store = stepped(tmp_path / "0", BULK)
    put(store, candles(TIMES))
    put(store, candles(TIMES))
    root = crash(store, tmp_path / "1")
    first, last = _segments(root)
    orphan = first.with_name(first.name.replace("-1.", "-0."))
    orphan.write_bytes(b"left by a crash")
    (root / "tmp" / "0.arrow").write_bytes(b"half a segment")
    store = stepped(root, BULK)
    store.sweep()
    assert _segments(root) == [first, last]
    assert list((root / "tmp").iterdir()) == []
    assert len(bars_of(read(store))) == 20
    store.close()


def test_a_description_of_a_series_that_was_deleted_meanwhile_is_harmless(tmp_path: Path) -> None:
    store = stepped(tmp_path / "0")
    put(store, candles(TIMES))
    number = view(store).series.id
    store.delete(*WORDS, None, None)
    record = pb.LogRecord(describe=pb.LogDescribe(series=number, metadata={"a": "b"}))
    store.committer.submit(Pending(record)).result(timeout=30)
    put(store, candles(TIMES))
    store = stepped(crash(store, tmp_path / "1"))
    assert view(store).series.metadata == {}
    store.close()


def test_a_put_prepared_before_its_series_was_deleted_makes_it_anew(tmp_path: Path) -> None:
    store = stepped(tmp_path / "0")
    put(store, candles(TIMES))
    stale = pb.LogRecord()
    stale.put.dataset_id, stale.put.columns, stale.put.received = 1, 6, 0
    stale.put.runs.add(series=view(store).series.id)
    store.delete(*WORDS, None, None)
    renewed: list[bool] = []

    def renew() -> Pending:
        renewed.append(True)
        return Pending(pb.LogRecord(describe=pb.LogDescribe(series=99)))

    store.committer.submit(Pending(stale, renew=renew)).result(timeout=30)
    assert renewed == [True]
    store.close()


def test_the_lsn_goes_on_where_it_stopped(tmp_path: Path) -> None:
    store = stepped(tmp_path / "0")
    for expected in range(1, 8):
        assert put(store, candles(TIMES)).lsn == expected
        if expected % 3 == 0:
            store.flush()
            store.maintenance.collect()
        store = stepped(crash(store, tmp_path / str(expected)))
    store.close()


def test_reading_and_writing_go_on_after_a_restart_with_an_empty_log(tmp_path: Path) -> None:
    store = stepped(tmp_path / "0")
    put(store, candles(TIMES))
    store.flush()
    root = crash(store, tmp_path / "1")
    store = stepped(root)
    assert len(bars_of(read(store))) == 20
    put(store, candles(TIMES, 2.0))
    store = stepped(crash(store, tmp_path / "2"))
    assert {close for _, close in bars_of(read(store))} == {2.0}
    store.close()


def test_a_record_that_cannot_be_applied_refuses_the_start_and_is_named(tmp_path: Path) -> None:
    """It is intact, so only a mistake wrote it; a start ended with whatever Python said."""
    store = stepped(tmp_path / "0")
    put(store, candles(TIMES))
    unknown = pb.LogPut(dataset_id=99, runs=[pb.LogRun(series=99)])
    with pytest.raises(InternalError):
        store.committer.submit(Pending(pb.LogRecord(put=unknown))).result(30)
    root = crash(store, tmp_path / "1")
    for _ in range(2):
        with pytest.raises(Corrupt, match=r"Log record 2 is intact and cannot be applied"):
            stepped(root)


def test_a_rule_in_the_catalog_that_is_none_refuses_the_start(tmp_path: Path) -> None:
    store = stepped(tmp_path)
    put(store, candles(TIMES))
    store.flush()
    with Transaction(store.catalog._db) as db:  # its sums are kept, so it was no disk
        db.execute("insert into rules (name, rule, created) values ('r', x'ff', 1)")
    store.close()
    with pytest.raises(DataDirError, match=r"catalog\.sqlite is damaged or missing \(DecodeError"):
        stepped(tmp_path)
