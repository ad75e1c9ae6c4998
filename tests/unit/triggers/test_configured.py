"""Where the triggers of a server begin, and which positions are kept."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.rows import MINUTE, NOON_2024, candles
from tests.support.stores import put, stepped

from flightstore_server.engine.store import Store
from flightstore_server.triggers.configured import StoreSource, Triggers
from flightstore_server.triggers.spec import TriggerSpec

SPEC = TriggerSpec("any", "candles", "*", "1m", "alerts:Alert")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store with three records."""
    opened = stepped(tmp_path / "data")
    for minute in range(3):
        put(opened, candles([NOON_2024 + minute * MINUTE]))
    yield opened
    opened.close()


@pytest.mark.parametrize(("start", "position"), [("now", 3), ("log", 0)])
def test_a_new_trigger_begins_where_it_is_told_to(start: str, position: int, store: Store) -> None:
    spec = replace(SPEC, start=start)
    assert StoreSource(store).position(spec) == position


def test_where_it_began_is_durable_before_anything_is_committed(
    store: Store, tmp_path: Path
) -> None:
    Triggers(store, [SPEC])
    put(store, candles([NOON_2024]))
    again = stepped(shutil.copytree(store.files.root, tmp_path / "copy"))
    assert StoreSource(again).position(SPEC) == 3
    again.close()


def test_a_position_that_the_log_does_not_reach_becomes_its_end(store: Store) -> None:
    store.positions.set(SPEC.consumer, 9)
    assert StoreSource(store).position(SPEC) == 3


def test_only_positions_of_triggers_that_are_gone_are_forgotten(store: Store) -> None:
    for name in ("trigger:old", "any other"):
        store.positions.set(name, 1)
    store.positions.write()
    Triggers(store, [SPEC])
    assert store.catalog.positions() == {"any other": 1, SPEC.consumer: 3}
