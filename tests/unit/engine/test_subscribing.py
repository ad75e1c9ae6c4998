"""Where the history of a subscription ends, its changes begin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.rows import MINUTE, candles
from tests.support.stores import BTC, put, stepped

from flightstore_server.engine.store import Store
from flightstore_server.engine.subscriptions import Request, Subscriptions
from flightstore_server.engine.updates import Selector


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = stepped(tmp_path)
    yield opened
    opened.close()


def test_what_is_written_while_the_history_is_read_comes_after_it(store: Store) -> None:
    put(store, candles([0, MINUTE], 1.0))
    request = Request(Selector("candles", [BTC], "1m"), start=0)
    messages = Subscriptions(store).open(request).messages(lambda: False)
    history = next(messages)
    assert history.history
    ack = put(store, candles([MINUTE, 2 * MINUTE], 2.0))
    come = []
    for message in messages:
        come.append(message)
        if message.lsn >= ack.lsn:
            break
    assert [message.piece is not None for message in come] == [False, True]
    assert come[-1].piece.rows.num_rows == 2
