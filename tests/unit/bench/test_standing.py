"""Where flightstore stands: goals of which both sides were measured, and how they are met."""

from __future__ import annotations

import pytest
from bench.peers.results import Result
from bench.peers.standing import GOALS, OURS, Goal, standings

AHEAD = Goal("W1", "a question", "PostgreSQL", 10)
SLOWEST = Goal("W1", "a question", "PostgreSQL", 1, share=0.99)
FLAT = Goal("W9", "a question", "flightstore (1x)", 1.2, ours="flightstore (100x)", at_most=True)


def result(who: str, *seconds: float, workload: str = "W1") -> Result:
    return Result(workload, "a question", who, list(seconds))


@pytest.mark.parametrize(("theirs", "reached"), [(9.9, False), (10.0, True), (30.0, True)])
def test_a_goal_is_reached_by_being_so_many_times_as_fast(theirs: float, reached: bool) -> None:
    (found,) = standings([result(OURS, 1.0), result("PostgreSQL", theirs)], [AHEAD])
    assert (found.found.value, found.reached) == (theirs, reached)


def test_the_slowest_of_a_hundred_count_where_a_share_is_asked_for() -> None:
    ours, theirs = [1.0] * 98 + [5.0] * 2, [2.0] * 98 + [4.0] * 2
    (found,) = standings([result(OURS, *ours), result("PostgreSQL", *theirs)], [SLOWEST])
    assert (found.found.value, found.reached) == (0.8, False)


@pytest.mark.parametrize(("full", "reached"), [(1.1, True), (1.3, False)])
def test_a_cost_that_may_not_grow_is_held_against_its_bound(full: float, reached: bool) -> None:
    results = [
        result("flightstore (1x)", 1.0, workload="W9"),
        result("flightstore (100x)", full, workload="W9"),
    ]
    (found,) = standings(results, [FLAT])
    assert (found.found.value, found.reached) == (pytest.approx(full), reached)


def test_quartiles_are_of_rounds_that_both_took_part_in() -> None:
    results = [result(OURS, 1.0, 1.0, 1.0, 1.0), result("PostgreSQL", 10.0, 20.0, 30.0)]
    (found,) = standings(results, [AHEAD])
    assert (found.found.low, found.found.high) == (15.0, 25.0)


@pytest.mark.parametrize("who", [OURS, "PostgreSQL"])
def test_a_goal_that_lacks_a_side_has_no_standing(who: str) -> None:
    assert not list(standings([result(who, 1.0)], [AHEAD]))


def test_who_has_failed_has_no_standing() -> None:
    failed = Result("W1", "a question", "PostgreSQL", failed="it fell over")
    assert not list(standings([result(OURS, 1.0), failed], [AHEAD]))


def test_no_goal_stands_twice() -> None:
    assert len(set(GOALS)) == len(GOALS)
