"""A primary and its replica inside of the test's process, without a wire between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.stores import SMALL, stepped

from flightstore_server.engine.limits import Limits
from flightstore_server.engine.replication.bootstrap import prepare
from flightstore_server.engine.replication.primary import Copy, Piece, Shipment
from flightstore_server.engine.replication.replica import Replica
from flightstore_server.engine.replication.source import Source
from flightstore_server.engine.store import Store
from flightstore_server.storage.files import open_root

DEADLINE_SECONDS = 30.0


def until(true: Callable[[], bool], what: Callable[[], object] = lambda: "") -> None:
    """Wait until `true()`; `what` says why not, should it never be."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not true():
        assert time.monotonic() < deadline, f"it did not happen in time: {what()}"
        time.sleep(0.005)


class LocalPrimary:
    """A store of this process as replicas see it; another one may take its place."""

    def __init__(self, store: Store, uri: str = "grpc://primary:8815") -> None:
        self.uri = uri
        self.serve(store)

    def serve(self, store: Store) -> None:
        self._source = Source(store)

    def copy(self) -> Copy:
        return self._source.copy()

    def follow(self, after_lsn: int) -> Iterator[Shipment]:
        return self._source.follow(after_lsn, "replica of a test")

    def segment(self, file: str) -> Iterator[Piece]:
        return self._source.segment(file)

    def cancel(self) -> None:
        """Not needed: a heartbeat comes soon."""


def copied(root: Path, primary: LocalPrimary, limits: Limits = SMALL) -> Store:
    """A replica's store as its server opens it: copied, if it is not there already."""
    prepare(open_root(root), primary)
    return stepped(root, limits)


@contextmanager
def following(store: Store, primary: LocalPrimary) -> Iterator[Replica]:
    """A replica that follows while the block runs; the store stays open."""
    replica = Replica(store, primary)
    replica.start()
    try:
        yield replica
    finally:
        replica.stop()


def catch_up(replica: Store, primary: LocalPrimary, primary_store: Store) -> None:
    """Have `replica` follow until it has what the primary has."""
    with following(replica, primary) as thread:
        until(
            lambda: thread.state == "running" and thread.lsn == primary_store.state.last_lsn,
            lambda: (thread.state, thread.error, thread.lsn),
        )
