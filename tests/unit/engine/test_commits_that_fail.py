"""What becomes of a change that cannot be prepared again, or not be applied once it is durable."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.rows import NOON_2024, bars_of, candles
from tests.support.stores import BTC, put, read, stepped

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import (
    BadRequest,
    DeadlineExceeded,
    FlightstoreError,
    InternalError,
    Poisoned,
)
from flightstore_server.engine.commits import Pending
from flightstore_server.engine.puts import Put, SeriesRows
from flightstore_server.engine.store import Store
from flightstore_server.storage.log.cursor import LogCursor

BAR = candles([NOON_2024])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = stepped(tmp_path / "store")
    put(opened, BAR)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("failure", "told"),
    [(BadRequest("It is wrong now."), BadRequest), (KeyError("series"), InternalError)],
    ids=["refused", "unexpected"],
)
def test_a_put_that_cannot_be_prepared_again_fails_alone(
    store: Store, failure: Exception, told: type[FlightstoreError]
) -> None:
    def renew() -> Pending:
        raise failure

    nameless = pb.LogPut(dataset_id=1, runs=[pb.LogRun(series=999)])  # as of a deleted series
    pending = store.committer.submit(Pending(pb.LogRecord(put=nameless), renew=renew))
    with pytest.raises(told):
        pending.result(timeout=30)
    assert put(store, BAR).lsn == 2


def _broken(*_: object) -> None:
    raise LookupError("a mistake")


def test_a_record_that_cannot_be_applied_ends_writing_until_a_restart_replays_it(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(store.state, "apply", _broken)
        with pytest.raises(InternalError, match="could not be applied: a mistake"):
            put(store, candles([NOON_2024], 2.0))
    with pytest.raises(Poisoned, match="applying a record failed"):
        put(store, BAR)
    assert bars_of(read(store)) == [(NOON_2024, 1.0)]
    shutil.copytree(store.files.root, tmp_path / "restarted")
    again = stepped(tmp_path / "restarted")
    assert bars_of(read(again)) == [(NOON_2024, 2.0)]
    again.close()


def test_a_primarys_record_that_cannot_be_applied_ends_writing(
    store: Store, tmp_path: Path
) -> None:
    copy = stepped(tmp_path / "replica")
    records = LogCursor(store.files, 0).read(1, bytes_max=1)
    with pytest.raises(InternalError, match="could not be applied: a mistake"):
        copy.committer.replicate(records, _broken)  # type: ignore[arg-type]
    with pytest.raises(Poisoned, match="applying a record failed"):
        copy.committer.check()
    copy.close()


def test_a_put_that_is_not_durable_in_time_says_that_it_may_yet_be(store: Store) -> None:
    pending = Pending(pb.LogRecord())
    with pytest.raises(DeadlineExceeded, match="may or may not become so"):
        pending.result(timeout=0.01)
    pending.finish(store.put(Put("candles", [BAR], [SeriesRows(BTC, "1m", 1)], 0)).result(30))
    assert pending.result(timeout=0).lsn == 2
