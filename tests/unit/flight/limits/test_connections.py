"""What the kernel knows of connections: whose they are, what came over them, how to close one."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from flightstore_server.flight.limits.connections import Connection, connections, cut

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture(params=[(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::")])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """A client and the server's side of its connection; a server of both versions of IP, too."""
    family, host = request.param
    with socket.create_server((host, 0), family=family, dualstack_ipv6=host == "::") as listening:
        port = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = listening.accept()
            with accepted:
                yield client, accepted


def _found(accepted: socket.socket) -> list[Connection]:
    return list(connections(accepted.getsockname()[1]))


def test_a_connection_is_found_with_its_peer_and_what_it_sent(pair: Pair) -> None:
    client, accepted = pair
    client.sendall(b"twelve bytes")
    accepted.recv(12)
    found = _found(accepted)
    assert [c.peer for c in found] == [f"127.0.0.1:{client.getsockname()[1]}"]
    assert found[0].received == 12


def test_a_connection_that_is_cut_ends_for_both_sides(pair: Pair) -> None:
    client, accepted = pair
    cut(_found(accepted)[0])
    assert client.recv(1) == b""
    assert accepted.recv(1) == b""


def test_a_descriptor_that_means_another_connection_by_now_is_left_alone(pair: Pair) -> None:
    client, accepted = pair
    found = _found(accepted)[0]
    cut(Connection(found.fd, "10.0.0.1:1", found.received))
    client.sendall(b"x")
    assert accepted.recv(1) == b"x"


def test_files_and_closed_descriptors_are_passed_over(pair: Pair) -> None:
    reading, writing = os.pipe()
    try:
        assert len(_found(pair[1])) == 1
        cut(Connection(reading, "10.0.0.1:1", 0))
        assert os.write(writing, b"x") == 1
    finally:
        os.close(reading)
        os.close(writing)
