"""One update after another: merged, in order, and with the deletes before the rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.rows import MINUTE, NOON_2024, bars_of, candles
from tests.support.stores import BTC, SMALL, put, stepped

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import Lagged
from flightstore_server.engine.commits import Pending
from flightstore_server.engine.store import Store
from flightstore_server.engine.updates import Selector, Update, UpdateFollower

KEPT = replace(SMALL, log_keep_bytes=1 << 30)
MINUTES = Selector("candles", ["*"], "1m")
FIVES = Selector("candles", ["*"], "5m")
CLOSED = replace(FIVES, closed=True)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = stepped(tmp_path, KEPT)
    yield opened
    opened.close()


@pytest.fixture
def fives(store: Store) -> Store:
    """A store that keeps bars of five minutes."""
    store.rules.add(pb.Rule(name="fives", on="candles/*/1m", to=["5m"]))
    return store


def _put(store: Store, *minutes: int, close: float = 1.0, covers: bool = False) -> None:
    ts = [NOON_2024 + minute * MINUTE for minute in minutes]
    ranges = [(ts[0], ts[-1] + MINUTE)] if covers else []
    put(store, candles(ts, close), covers=ranges)


def _delete(store: Store, low: int, high: int) -> None:
    store.delete("candles", BTC, "1m", NOON_2024 + low * MINUTE, NOON_2024 + high * MINUTE)


def _bars(update: Update | None) -> list[tuple[int, float]]:
    assert update is not None
    return [((ts - NOON_2024) // MINUTE, c) for ts, c in bars_of(b for _, b in update.runs)]


def test_changes_of_one_series_become_one_run_in_which_the_last_wins(store: Store) -> None:
    follower = UpdateFollower(store, MINUTES)
    _put(store, 3, 4)
    _put(store, 1, 3, close=2.0)
    update = follower.take()
    assert _bars(update) == [(1, 2.0), (3, 2.0), (4, 1.0)]
    assert update is not None
    assert len(update.runs) == 1


def test_a_delete_after_rows_waits_for_the_next_update(store: Store) -> None:
    follower = UpdateFollower(store, MINUTES)
    _put(store, 1, 2)
    _delete(store, 1, 2)
    _put(store, 1, close=5.0)
    first, second = follower.take(), follower.take()
    assert (_bars(first), _bars(second)) == ([(1, 1.0), (2, 1.0)], [(1, 5.0)])
    assert second is not None
    assert [low for _, low, _ in second.deletes] == [NOON_2024 + MINUTE]


def test_what_concerns_others_only_moves_the_position(store: Store) -> None:
    follower = UpdateFollower(store, replace(MINUTES, instruments=["kraken:*"]))
    _put(store, 1)
    assert follower.take() is None
    assert follower.lsn == store.state.last_lsn


def test_after_an_error_it_can_be_tried_again(
    fives: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = UpdateFollower(fives, FIVES)
    _put(fives, 1)

    def fail(*_: object) -> None:
        raise OSError("no")

    with monkeypatch.context() as patch:
        patch.setattr(fives.aggregates, "freshen", fail)
        with pytest.raises(OSError, match="no"):
            follower.take()
    assert _bars(follower.take()) == [(0, 1.0)]


def test_a_window_comes_once_however_often_it_was_touched(fives: Store) -> None:
    follower = UpdateFollower(fives, FIVES)
    for minute in range(7):
        _put(fives, minute, close=float(minute))
    assert [minute for minute, _ in _merged(follower)] == [0, 5]


def _merged(follower: UpdateFollower) -> list[tuple[int, float]]:
    update = follower.take()
    assert update is not None
    [(_, batch)] = update.runs
    ts = batch.column("ts").cast("int64").to_pylist()
    places = [(at - NOON_2024) // MINUTE for at in ts]
    return list(zip(places, batch.column("close").to_pylist(), strict=True))


def test_a_window_that_lost_its_rows_is_deleted(fives: Store) -> None:
    _put(fives, 1, 6)
    follower = UpdateFollower(fives, FIVES)
    _delete(fives, 0, 5)
    update = follower.take()
    assert update is not None
    [(_, low, high)] = update.deletes
    assert (low, high, update.runs) == (NOON_2024, NOON_2024 + 5 * MINUTE, [])


def test_a_closed_window_comes_once_it_is_over_and_when_it_is_corrected(fives: Store) -> None:
    follower = UpdateFollower(fives, CLOSED)
    _put(fives, 1, close=1.0)
    assert follower.take() is None
    _put(fives, 6, close=2.0)
    assert _merged(follower) == [(0, 1.0)]
    _put(fives, 7, close=3.0)
    assert follower.take() is None
    _put(fives, 2, close=9.0)
    assert _merged(follower) == [(0, 9.0)]


def test_a_window_is_over_when_all_of_it_is_covered(fives: Store) -> None:
    follower = UpdateFollower(fives, CLOSED)
    _put(fives, 0, 1, 2, 3)
    assert follower.take() is None
    _put(fives, 4, covers=True)
    assert _merged(follower) == [(0, 1.0)]


def test_a_window_that_closed_while_nobody_was_there_comes_from_a_position(fives: Store) -> None:
    _put(fives, 1)
    position = fives.state.last_lsn
    _put(fives, 6)
    assert _merged(UpdateFollower(fives, CLOSED, position)) == [(0, 1.0)]


def test_bars_of_a_rule_that_goes_are_deleted(fives: Store) -> None:
    _put(fives, 1)
    follower = UpdateFollower(fives, FIVES)
    fives.rules.remove("fives")
    update = follower.take()
    assert update is not None
    assert [(str(s.instrument), low, high) for s, low, high in update.deletes] == [
        (BTC, None, None)
    ]


def test_bars_of_a_new_rule_come_from_the_first_row_on(store: Store) -> None:
    _put(store, 1, 6)
    follower = UpdateFollower(store, FIVES)
    store.rules.add(pb.Rule(name="fives", on="candles/*/1m", to=["5m"]))
    assert _merged(follower) == [(0, 1.0), (5, 1.0)]


@pytest.mark.parametrize("selector", [MINUTES, FIVES], ids=["written", "derived"])
@pytest.mark.parametrize("going", ["its base", "its base and then its rule", "its rule"])
def test_what_went_before_a_restart_is_told_to_those_who_come_after_it(
    tmp_path: Path, selector: Selector, going: str
) -> None:
    # What a removed rule had kept, and what was derived from a deleted series once the rule was
    # gone, too, was known in memory only: whoever came back after a flush and a restart kept it.
    store = stepped(tmp_path, KEPT)
    store.rules.add(pb.Rule(name="fives", on="candles/*/1m", to=["5m"]))
    _put(store, 1)
    position = store.state.last_lsn
    if "base" in going:
        store.delete("candles", BTC, "1m", None, None)
    if "rule" in going:
        store.rules.remove("fives")
    store.flush()
    store.close()
    store = stepped(tmp_path, KEPT)
    update = UpdateFollower(store, selector, position).take()
    store.close()
    told = [] if update is None else [(str(s), low, high) for s, low, high in update.deletes]
    stays = selector is MINUTES and going == "its rule"
    assert told == ([] if stays else [(f"candles {BTC} {selector.timeframe}", None, None)])


def test_bars_that_a_changed_rule_keeps_no_longer_are_deleted(store: Store) -> None:
    # A rule of the configuration that was changed there: its old bars stayed with subscribers.
    store.rules.configure([pb.Rule(name="bars", on="candles/*/1m", to=["5m", "1h"])])
    _put(store, 1)
    follower = UpdateFollower(store, FIVES)
    store.rules.configure([pb.Rule(name="bars", on="candles/*/1m", to=["1h"])])
    update = follower.take()
    assert update is not None
    assert [str(s) for s, _, _ in update.deletes] == [f"candles {BTC} 5m"]


def test_a_record_of_version_0_1_does_not_say_what_went_and_that_is_told(store: Store) -> None:
    _put(store, 1)
    follower = UpdateFollower(store, FIVES)
    delete = pb.LogDelete(series=store.reader.view("candles", BTC, "1m", "").series.id)
    delete.whole_series = True
    store.committer.submit(Pending(pb.LogRecord(delete=delete))).result()
    with pytest.raises(Lagged, match=r"version 0\.1"):
        follower.take()
