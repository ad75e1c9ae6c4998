"""What a query may cost, and that it lets go of everything however it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable

import duckdb
import pytest
from tests.support.asking import ask, column, until

from flightstore_proto.errors import (
    DeadlineExceeded,
    InternalError,
    Overloaded,
    Unavailable,
)
from flightstore_server.engine.store import Store
from flightstore_server.sql import queries
from flightstore_server.sql.engine import SqlEngine
from flightstore_server.sql.limits import MIB

Make = Callable[..., SqlEngine]
RUNAWAY = "select count(*) from range(1000000) a(i), range(1000000) b(i) where a.i + b.i < 0"
ENDLESS = "select i from range(1000000000000) r(i)"


def test_a_runaway_query_ends_at_the_limit(make: Make) -> None:
    engine = make(seconds_max=0.2)
    with pytest.raises(DeadlineExceeded, match=r"longer than 0.2 s \(seconds_max in \[sql\]"):
        ask(engine, RUNAWAY)
    assert engine.running == 0
    assert column(engine, "select 1") == [1]


def test_a_client_can_ask_for_less_time_and_not_for_more(make: Make) -> None:
    engine = make(seconds_max=0.3)
    with pytest.raises(DeadlineExceeded, match=r"longer than 0\.1 s"):
        ask(engine, RUNAWAY, seconds=0.1)
    with pytest.raises(DeadlineExceeded, match=r"longer than 0\.3 s"):
        ask(engine, RUNAWAY, seconds=1000.0)


def test_an_answer_that_nobody_fetches_is_closed_at_the_limit(make: Make) -> None:
    engine = make(seconds_max=0.2)
    answer = engine.run(ENDLESS)
    assert next(answer.batches).num_rows
    until(lambda: engine.running == 0)
    with pytest.raises(DeadlineExceeded):
        list(answer.batches)


def test_cancelling_ends_the_work(make: Make) -> None:
    engine, gone = make(), threading.Event()
    failed: list[type[Exception]] = []

    def run() -> None:
        try:
            engine.run(RUNAWAY, cancelled=gone.is_set)
        except Unavailable as error:
            failed.append(type(error))

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: engine.running == 1)
    gone.set()
    thread.join(timeout=30)
    assert (failed, engine.running) == ([Unavailable], 0)


@pytest.mark.parametrize("how", ["close", "close the batches", "drop unread", "drop half read"])
def test_an_answer_that_is_given_up_holds_nothing(make: Make, how: str) -> None:
    engine = make()
    answer = engine.run(ENDLESS)
    assert engine.running == 1
    if how == "drop half read":
        next(answer.batches)
    if how.startswith("close"):
        (answer if how == "close" else answer.batches).close()
    else:
        del answer
    assert engine.running == 0


def test_stopping_the_server_ends_what_runs_and_refuses_the_rest(make: Make) -> None:
    engine = make()
    answer = engine.run(ENDLESS)
    engine.close()
    with pytest.raises(Unavailable, match="stopping"):
        list(answer.batches)
    with pytest.raises(Unavailable, match="stopping"):
        ask(engine, "select 1")


def test_memory_has_a_limit_that_is_named(make: Make) -> None:
    engine = make(memory_bytes_max=64 * MIB, spill_bytes_max=0)
    greedy = "select len(array_agg(i)) from range(300000000) r(i)"
    with pytest.raises(Overloaded, match=r"67108864 bytes of memory \(memory_bytes_max in \[sql\]"):
        ask(engine, greedy)
    assert column(engine, "select max(close) from candles") == [99.0]


def test_what_does_not_fit_into_memory_is_put_on_the_disk_and_removed(
    make: Make, store: Store
) -> None:
    def spilled() -> list[str]:
        return [name for name in store.files.list_dir("tmp/sql") if "storage" in name]

    answer = make(store, memory_bytes_max=32 * MIB).run(
        "select hash(i) as h from range(3000000) r(i) order by h"
    )
    assert spilled()
    assert sum(batch.num_rows for batch in answer.batches) == 3_000_000
    assert not spilled()


def test_what_a_crash_left_on_the_disk_is_removed(make: Make, store: Store) -> None:
    store.files.make_dir("tmp/sql")
    store.files.create("tmp/sql/duckdb_temp_storage_DEFAULT-0.tmp").close()
    assert column(make(store), "select 1") == [1]
    assert not store.files.list_dir("tmp/sql")


def test_more_queries_than_there_may_be_wait_for_their_turn(make: Make) -> None:
    engine = make(queries_max=1)
    answer = engine.run(ENDLESS)
    with pytest.raises(Overloaded, match=r"1 queries are running already \(queries_max"):
        ask(engine, "select 1", seconds=0.1)
    answer.close()
    assert column(engine, "select 1") == [1]


def test_after_a_defect_of_duckdb_the_next_query_is_answered(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine = make()
    assert column(engine, "select 1") == [1]

    def broken(*_: object) -> None:
        raise duckdb.FatalException("FATAL Error: it is broken")

    with monkeypatch.context() as patched:
        patched.setattr(queries, "scans_of", broken)
        with pytest.raises(InternalError, match="log has the details"):
            ask(engine, "select 2")
    assert "it is broken" in caplog.text
    assert column(engine, "select 3") == [3]
