"""Who follows the log, and waiting until they have come far enough."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest

from flightstore_proto.errors import BadRequest
from flightstore_server.engine.consumers import Consumers


@dataclass(eq=False)
class Somebody:
    name: str
    kind: str = "trigger"
    lsn: int = 0
    state: str = "running"
    error: str = ""
    errors: int = 0


@pytest.fixture
def consumers() -> Consumers:
    known = Consumers()
    known.register(Somebody("aggregates", "aggregates", 9))
    known.register(Somebody("alerts", "trigger", 5))
    known.register(Somebody("10.0.0.1:5", "subscriber", 1))
    return known


def names(found: list[object]) -> list[str]:
    return [one.name for one in found]  # type: ignore[attr-defined]


def test_they_are_listed_in_the_order_in_which_they_came(consumers: Consumers) -> None:
    assert names(consumers.all()) == ["aggregates", "alerts", "10.0.0.1:5"]


def test_two_of_one_name_are_two(consumers: Consumers) -> None:
    again = Somebody("alerts")
    consumers.register(again)
    assert names(consumers.all()).count("alerts") == 2
    consumers.forget(again)
    consumers.forget(again)
    assert names(consumers.all()).count("alerts") == 1


def test_aggregates_and_triggers_are_waited_for_unless_others_are_named(
    consumers: Consumers,
) -> None:
    assert names(consumers.behind(9, [])) == ["alerts"]
    assert names(consumers.behind(9, ["10.0.0.1:5", "aggregates"])) == ["10.0.0.1:5"]
    assert consumers.behind(5, []) == []


def test_a_wait_says_who_is_behind_when_time_is_up(consumers: Consumers) -> None:
    assert names(consumers.wait(9, [], 0.0)) == ["alerts"]


def test_a_wait_ends_when_all_have_come_far_enough(consumers: Consumers) -> None:
    [alerts] = [one for one in consumers.all() if one.name == "alerts"]
    threading.Timer(0.02, setattr, [alerts, "lsn", 9]).start()
    assert consumers.wait(9, [], 30.0) == []


def test_a_wait_ends_when_whoever_is_behind_has_left(consumers: Consumers) -> None:
    [alerts] = [one for one in consumers.all() if one.name == "alerts"]
    threading.Timer(0.02, consumers.forget, [alerts]).start()
    assert consumers.wait(9, ["alerts"], 30.0) == []


def test_a_name_that_nobody_has_is_an_error(consumers: Consumers) -> None:
    """A misspelt trigger counted as one that had come far enough."""
    with pytest.raises(BadRequest, match=r"Nobody called 'alert' follows the log here\."):
        consumers.wait(9, ["alert"], 30.0)
