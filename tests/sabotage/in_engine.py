"""Defects of what is true: order, positions, keys, and who still needs what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from tests.sabotage.defect import Defect
from tests.sabotage.on_disk import FAILS

from flightstore_proto import intervals
from flightstore_server.engine import state, subscriptions
from flightstore_server.engine.aggregates.derived import Derived
from flightstore_server.engine.commits import Committer
from flightstore_server.engine.pins import Pin, Pins
from flightstore_server.engine.state import State
from flightstore_server.engine.subscriptions import Message, Subscription
from flightstore_server.engine.updates.pieces import pieces
from flightstore_server.storage import rows
from flightstore_server.triggers.runner import TriggerRunner

PUTS = "tests/contract/test_puts.py::"


def _write_on_when_poisoned(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Committer, "check", lambda self: None)


def _forget_put_ids(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(State, "remembered", lambda self, put_id: None)


def _forget_put_ids_at_a_start(patch: pytest.MonkeyPatch) -> None:
    adopt = State.adopt

    def altered(self: State, *arguments: Any) -> None:
        adopt(self, *arguments)
        self._remembered_puts = 0

    patch.setattr(State, "adopt", altered)


def _reach_first(patch: pytest.MonkeyPatch) -> None:
    deliver = TriggerRunner._deliver

    def altered(self: TriggerRunner, batch: Any) -> bool:
        self._reach(batch.lsn)
        return deliver(self, batch)

    patch.setattr(TriggerRunner, "_deliver", altered)


def _one_trade_per_time(patch: pytest.MonkeyPatch) -> None:
    last_of_each_key = rows._last_of_each_key

    def altered(batch: pa.RecordBatch, order: rows.Int64s, *, key_has_id: bool) -> object:
        return last_of_each_key(batch, order, key_has_id=False)

    patch.setattr(rows, "_last_of_each_key", altered)


def _miss_a_window(patch: pytest.MonkeyPatch) -> None:
    """Only the window of the first of several rows becomes stale."""
    note = Derived.note

    def altered(self: Derived, ts: rows.Int64s, first: int, last: int) -> bool:
        return note(self, ts[:1], first, first)

    patch.setattr(Derived, "note", altered)


def _follow_after_the_history(patch: pytest.MonkeyPatch) -> None:
    messages = Subscription._messages

    def altered(self: Subscription, is_gone: Callable[[], bool]) -> Iterator[Message]:
        if self._history is not None:
            for piece in pieces(self._history.runs(), self._rows_max):
                yield Message(self._follower.lsn, history=True, piece=piece)
            self._history = None
            self._follower.skip_to(self._store.state.last_lsn)
        yield from messages(self, is_gone)

    patch.setattr(subscriptions.Subscription, "_messages", altered)


def _pin_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Pins, "take", lambda self: Pin())


def _keep_coverage(patch: pytest.MonkeyPatch) -> None:
    altered = SimpleNamespace(**vars(intervals))
    altered.subtract = lambda ranges, low, high: ranges
    patch.setattr(state, "intervals", altered)


def _older_bulk_wins(patch: pytest.MonkeyPatch) -> None:
    """Rows that come after a bulk put join those that were in memory before it."""
    add_segments = State._add_segments

    def altered(self: State, series: Any, added: list[Any]) -> None:
        sealed = series.sealed
        add_segments(self, series, added)
        series.sealed = sealed

    patch.setattr(State, "_add_segments", altered)


DEFECTS = [
    Defect(
        "poison ignored",
        "Writes go on after one has failed.",
        _write_on_when_poisoned,
        f"{FAILS}[once]",
    ),
    Defect(
        "put sent again applied twice",
        "A put that is sent again overwrites what was written meanwhile.",
        _forget_put_ids,
        f"{PUTS}test_a_put_sent_again_with_its_id_is_applied_once",
    ),
    Defect(
        "put ids forgotten at a start",
        "Replay does not remember the ids of puts.",
        _forget_put_ids_at_a_start,
        f"{PUTS}test_an_id_is_remembered_over_a_restart",
    ),
    Defect(
        "position before its effect",
        "A trigger's position moves on before its batch is dealt with.",
        _reach_first,
        "tests/unit/triggers/test_runner.py::"
        "test_what_fails_is_tried_again_and_nothing_overtakes_it",
    ),
    Defect(
        "deduplicated by time only",
        "Of trades of one nanosecond only the last is kept.",
        _one_trade_per_time,
        "tests/contract/test_upsert.py::test_trades_of_one_time_are_told_apart_by_their_id",
    ),
    Defect(
        "dirty window missed",
        "Of a put that spans several windows only the first is computed anew.",
        _miss_a_window,
        "tests/unit/engine/aggregates/test_derived.py::"
        "test_rows_far_apart_make_only_their_own_windows_stale",
    ),
    Defect(
        "subscribed after the history",
        "What is written while a subscriber reads history never reaches it.",
        _follow_after_the_history,
        "tests/unit/engine/test_subscribing.py::"
        "test_what_is_written_while_the_history_is_read_comes_after_it",
    ),
    Defect(
        "files removed under a reader",
        "A retired file goes although a read that was begun will open it.",
        _pin_nothing,
        "tests/unit/engine/test_reading_while_files_go.py::"
        "test_files_go_once_the_last_reader_is_done",
    ),
    Defect(
        "coverage kept after a delete",
        "A range whose rows were deleted still counts as complete.",
        _keep_coverage,
        "tests/contract/test_coverage.py::test_a_deleted_range_is_no_longer_covered",
    ),
    Defect(
        "bulk rows overtake",
        "A row that is written after a bulk put loses against it.",
        _older_bulk_wins,
        "tests/contract/test_upsert.py::"
        "test_three_writes_and_a_flush_in_any_order_leave_the_last_values",
    ),
]
