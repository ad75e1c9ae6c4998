"""What is looked at when somebody asks: the store, its SQL, its limits, and the disk below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from flightstore_server.engine.consumers import Consumer
from flightstore_server.engine.store import Store
from flightstore_server.storage.files import disk_space

# Where there are hundreds of them, each as a series of its own would cost more than it tells.
_MANY = "subscriber"


class Usage(Protocol):
    """Limits by name, and how much of what they limit is used."""

    def limits(self) -> Mapping[str, int]: ...
    def used(self) -> Mapping[str, int]: ...


class Observed:
    """One server at one moment; each part is looked up once, when it is first asked for."""

    def __init__(self, store: Store, usage: Usage) -> None:
        self.store = store
        self.usage = usage

    @cached_property
    def segments(self) -> Segments:
        """The segments that reads of the present use."""
        state = self.store.state
        with state.lock:
            every = list(state.names.by_id.values())
            sizes = {s.id: s.size for series in every for s in series.segments}
        return Segments(len(every), len(sizes), sum(sizes.values()))

    @cached_property
    def disk(self) -> tuple[int, int]:
        """Bytes free and in all, of the data directory's file system."""
        return disk_space(self.store.files.root)

    @cached_property
    def followers(self) -> list[Consumer]:
        """Who follows the log and is known by a name: aggregates, triggers, replicas."""
        return [c for c in self.store.consumers.all() if c.kind != _MANY]

    def slowest_subscriber(self) -> int:
        """By how many records the live stream is behind that is furthest behind."""
        every = [c for c in self.store.consumers.all() if c.kind == _MANY]
        return max(map(self.lag, every), default=0)

    def lag(self, consumer: Consumer) -> int:
        """How many records it has not dealt with."""
        return max(0, self.store.state.last_lsn - consumer.lsn)


@dataclass(frozen=True, slots=True)
class Segments:
    """How much there is."""

    series: int
    files: int
    bytes: int


def unready(store: Store) -> str:
    """Why a server should not be sent work now; empty if it should.

    A replica is ready once it is connected to its primary, even if it lags: how far is a metric.
    """
    if store.committer.poison_reason:
        return f"writes are refused since {store.committer.poison_reason}; restart the server"
    replica = store.replica
    if replica is not None and replica.state != "running":
        reason = replica.error or "its primary has not answered yet"
        return f"the replica is {replica.state}: {reason}"
    return ""
