"""Rules from users and from the server's configuration."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.rows import DAY, MINUTE, NOON_2024, candles
from tests.support.stores import BTC, put, read, stepped

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import BadRequest, FlightstoreError, RuleConflict
from flightstore_server.engine.store import Store

TIMES = [NOON_2024 + minute * MINUTE for minute in range(10)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = stepped(tmp_path / "data")
    put(opened, candles(TIMES))
    yield opened
    opened.close()


def rule(*to: str, name: str = "mine", **words: str) -> pb.Rule:
    return pb.Rule(name=name, on="candles/*/1m", to=to, **words)


def listed(store: Store) -> list[tuple[str, list[str], bool]]:
    return [(said.name, list(said.to), said.configured) for said in store.rules.list()]


def test_rules_are_listed_by_name_with_how_many_series_they_keep(store: Store) -> None:
    store.rules.add(rule("5m", "15m", name="b"))
    store.rules.add(rule("1h", name="a"))
    read(store, timeframe="5m")
    found = [(said.name, said.series, said.stale) for said in store.rules.list()]
    assert found == [("a", 1, 1), ("b", 2, 1)]


def test_a_rule_that_cannot_be_is_not_logged(store: Store) -> None:
    before = store.state.last_lsn
    with pytest.raises(BadRequest):
        store.rules.add(rule("1s"))
    put(store, candles(TIMES[:1]), timeframe="5m")
    with pytest.raises(RuleConflict):
        store.rules.add(rule("5m"))
    assert store.state.last_lsn == before + 1


def test_configured_rules_are_put_in_force_once(store: Store) -> None:
    store.rules.configure([rule("5m")])
    lsn = store.state.last_lsn
    store.rules.configure([rule("5m")])
    assert store.state.last_lsn == lsn
    assert listed(store) == [("mine", ["5m"], True)]


def test_a_configured_rule_is_removed_in_the_configuration(store: Store) -> None:
    store.rules.configure([rule("5m")])
    with pytest.raises(RuleConflict, match="'mine' stands in the server's configuration; take it"):
        store.rules.remove("mine")
    store.rules.configure([])
    assert listed(store) == []


def test_rules_of_users_are_not_the_configurations(store: Store) -> None:
    store.rules.add(rule("5m", name="user's"))
    store.rules.configure([rule("1h")])
    store.rules.configure([])
    assert listed(store) == [("user's", ["5m"], False)]


def test_a_configured_rule_does_not_replace_a_users(store: Store) -> None:
    store.rules.add(rule("5m"))
    with pytest.raises(RuleConflict, match="There is a rule 'mine' already"):
        store.rules.configure([rule("1h")])


def test_a_user_does_not_replace_a_configured_rule(store: Store) -> None:
    store.rules.configure([rule("5m")])
    with pytest.raises(RuleConflict, match="There is a rule 'mine' already"):
        store.rules.add(rule("1h"))


def test_a_configured_rule_that_cannot_be_changes_nothing(store: Store) -> None:
    store.rules.configure([rule("5m")])
    with pytest.raises(BadRequest):
        store.rules.configure([rule("1h"), rule("7s", name="wrong")])
    assert listed(store) == [("mine", ["5m"], True)]


def test_a_rule_that_gets_another_target_keeps_its_old_bars(store: Store) -> None:
    """It was removed and added again; bars whose base retention had let go were lost for good."""
    store.rules.configure([rule("5m")])
    store._delete_before(store.state.names.get("candles", BTC, "1m"), TIMES[5])
    assert [batch.num_rows for batch in read(store)] == [5]
    store.rules.configure([rule("5m", "15m")])
    assert [batch.num_rows for batch in read(store, timeframe="5m")] == [2]
    assert [batch.num_rows for batch in read(store, timeframe="15m")] == [1]
    assert listed(store) == [("mine", ["5m", "15m"], True)]


def test_a_rule_that_follows_another_clock_computes_its_bars_anew(store: Store) -> None:
    put(store, candles([NOON_2024 + DAY]))
    store.rules.configure([rule("1d", into="days")])
    store.rules.configure([rule("1d", into="days", timezone="America/New_York")])
    days = read(store, dataset="days", timeframe="1d")
    assert [ts.hour for batch in days for ts in batch.column("ts").to_pylist()] == [5, 5]


def test_a_changed_rule_survives_restarts(tmp_path: Path) -> None:
    store = stepped(tmp_path / "other")
    put(store, candles(TIMES))
    store.rules.configure([rule("5m", "1h")])
    store.flush()
    store.rules.configure([rule("5m", "15m")])
    for _ in range(2):
        store.close()
        store = stepped(tmp_path / "other")
        assert listed(store) == [("mine", ["5m", "15m"], True)]
        assert store.state.names.get("candles", BTC, "1h") is None
        store.flush()
    store.close()


def test_of_two_who_add_the_same_at_once_one_is_refused(store: Store) -> None:
    answers: list[object] = []

    def add() -> None:
        try:
            answers.append(store.rules.add(rule("5m")).name)
        except FlightstoreError as error:
            answers.append(type(error))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers, key=str) == [RuleConflict, RuleConflict, RuleConflict, "mine"]
