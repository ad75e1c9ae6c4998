"""The guard closes the connection that fills the memory, and no other."""

from __future__ import annotations

import pytest

from flightstore_server.flight.limits.admission import Admission
from flightstore_server.flight.limits.connections import Connection
from flightstore_server.flight.limits.edge import EdgeLimits
from flightstore_server.flight.limits.guard import Guard

MIB = 1 << 20
ANNA, BEN = "10.0.0.1:1111", "10.0.0.2:2222"


class Machine:
    """Memory and connections as a test says they are, and a guard that looks at them."""

    def __init__(self) -> None:
        self.memory = 100 * MIB
        self.received: dict[str, int] = {}
        self.closed: list[str] = []
        self.looks = 0
        limits = EdgeLimits(message_bytes_max=64 * MIB, memory_bytes_max=500 * MIB)
        self.admission = Admission(limits)
        self.guard = Guard(
            self.admission, 1, resident=lambda: self.memory, connected=self._all, close=self._close
        )

    def _all(self, port: int) -> list[Connection]:
        self.looks += 1
        return [Connection(n, peer, size) for n, (peer, size) in enumerate(self.received.items())]

    def _close(self, connection: Connection) -> None:
        self.closed.append(connection.peer)
        self.memory -= self.received.pop(connection.peer)

    def send(self, peer: str, size: int) -> None:
        """`size` bytes come, which gRPC keeps; and the guard looks."""
        self.received[peer] = self.received.get(peer, 0) + size
        self.memory += size
        self.guard.look()

    def handle(self, peer: str, size: int) -> None:
        """A handler is given what came, and lets go of it."""
        self.admission.arrivals.heard(peer)
        self.memory -= size


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_a_connection_whose_message_gets_too_large_is_closed(machine: Machine) -> None:
    machine.admission.arrivals.heard(ANNA)
    machine.send(ANNA, 20 * MIB)
    for _ in range(3):
        machine.send(ANNA, 20 * MIB)
    assert not machine.closed
    machine.send(ANNA, 20 * MIB)
    assert machine.closed == [ANNA]
    assert machine.admission.connections_cut == 1


def test_a_connection_that_was_never_heard_counts_from_its_beginning(machine: Machine) -> None:
    machine.send(ANNA, 65 * MIB)
    assert machine.closed == [ANNA]


def test_a_connection_that_is_heard_may_send_without_end(machine: Machine) -> None:
    for _ in range(100):
        machine.send(ANNA, 40 * MIB)
        machine.handle(ANNA, 40 * MIB)
    assert not machine.closed


def test_while_memory_is_full_the_one_who_sends_most_is_closed(machine: Machine) -> None:
    machine.memory = 440 * MIB
    machine.send(ANNA, 20 * MIB)
    assert not machine.closed
    machine.send(BEN, 30 * MIB)
    assert machine.closed == [BEN]


def test_nobody_is_closed_for_memory_that_others_fill(machine: Machine) -> None:
    machine.send(ANNA, 10 * MIB)
    machine.memory = 600 * MIB
    machine.guard.look()
    assert not machine.closed


def test_connections_are_not_looked_at_while_memory_stays_as_it_is(machine: Machine) -> None:
    for _ in range(100):
        machine.guard.look()
    assert machine.looks == 0


def test_the_ceiling_is_that_of_the_machine_where_none_is_set() -> None:
    assert 0 < Admission(EdgeLimits()).memory_bytes_max < 1 << 50
