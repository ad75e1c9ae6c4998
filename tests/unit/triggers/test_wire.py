"""Messages between a server and a trigger's process: whole, or none."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from threading import Thread

import pytest
from tests.support.rows import MINUTE, trades

from flightstore_server.triggers import wire
from flightstore_server.triggers.interface import TriggerBatch

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize("deleted", [None, (None, None), (0, MINUTE)])
def test_a_batch_arrives_as_it_was(
    pair: Pair, deleted: tuple[int | None, int | None] | None
) -> None:
    rows = trades((n, str(n), float(n)) for n in range(0 if deleted else 60_000))
    batch = TriggerBatch("trades", "any:BTC/USD", "", 7, rows, deleted)
    sending = Thread(target=wire.send, args=(pair[0], *wire.pack(batch)))
    sending.start()
    message = wire.receive(pair[1])
    sending.join(30)
    assert message is not None
    assert wire.unpack(message) == batch
    assert batch.frame.columns == ["ts", "id", "price", "amount", "side"]


@pytest.mark.parametrize("size", [0, 4, 12])
def test_a_message_that_is_cut_short_is_none(pair: Pair, size: int) -> None:
    whole, copy = socket.socketpair()
    with whole, copy:
        wire.send(whole, {"said": "something"})
        pair[0].sendall(copy.recv(size) if size else b"")
    pair[0].shutdown(socket.SHUT_WR)
    assert wire.receive(pair[1]) is None


def test_a_side_that_left_without_reading_is_gone(pair: Pair) -> None:
    pair[1].sendall(b"unread")
    pair[0].close()
    assert wire.receive(pair[1]) is None
