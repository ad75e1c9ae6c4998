"""Power cuts after every operation on the disk, with everything that each of them could leave.

That the explorer notices a missing precaution is proved in tests/sabotage.
"""

from __future__ import annotations

import pytest
from tests.support.crash_explorer import (
    explore,
    explore_random_workloads,
    kill_ask_again_and_cut,
    run_workload,
)
from tests.support.seeds import generator, scaled

PARTS = 4


def test_after_any_power_cut_all_that_was_acknowledged_is_there_and_nothing_by_halves(
    pytestconfig: pytest.Config,
) -> None:
    share = scaled(pytestconfig, ci=20, nightly=1)
    explored = explore(run_workload(), generator("cuts during recovery"), share=share)
    assert len(explored.states) > 3000


@pytest.mark.parametrize("part", range(PARTS))
def test_the_same_holds_for_short_workloads_of_any_kind(
    part: int, pytestconfig: pytest.Config
) -> None:
    states = scaled(pytestconfig, ci=50_000, nightly=3_000_000, release=20_000_000) // PARTS
    rng = generator(f"short workloads {part}")
    explored = explore_random_workloads(rng, states_min=states, share=20)
    print(f"{len(explored.states)} states, known from {explored.starts} starts")


def test_what_a_killed_server_left_unsynced_is_safe_before_its_writer_is_told_of_it() -> None:
    """A process dies between write and sync. The next one finds the record in the kernel's cache,
    the writer sends it again and is told that it is there; then the power goes."""
    assert kill_ask_again_and_cut(run_workload(), generator("kills"), share=1) > 5
