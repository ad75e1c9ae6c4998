"""Whoever follows a store ends up with what it holds: subscribers with their rows, and a replica.

The store takes random steps (derived_driver.py) with rules that come and go, and is compared after
each. Subscribers read on at any time, break off and go on from the position they know, one of them
over the wire; the replica follows now and then, and is stopped or killed in between. After every
40th step they have caught up, and the store, its subscribers and the replica are equal.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.model.followed_driver import FollowedDriver
from tests.model.lives import live
from tests.support.seeds import scaled

RUNS = 4


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that is told to stop does so with the next heartbeat of its primary."""
    source = "flightstore_server.engine.replication.source"
    monkeypatch.setattr(f"{source}.HEARTBEAT_SECONDS", 0.005)


@pytest.mark.parametrize("run", range(RUNS))
def test_whoever_follows_ends_up_with_what_the_store_holds(
    run: int, scratch: Path, request: pytest.FixtureRequest
) -> None:
    steps = scaled(request.config, ci=2_800, nightly=280_000, release=2_800_000) // RUNS
    live(f"following {run}", scratch, steps, FollowedDriver)
