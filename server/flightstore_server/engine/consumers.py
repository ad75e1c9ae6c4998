"""Who follows the log, and how far each has come: what `status` shows and `sync` waits for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from flightstore_proto.errors import BadRequest, did_you_mean, near, shown

# How often a waiting sync looks again. Consumers only move on; none of them has to tell anybody.
_LOOK_SECONDS = 0.002


class Consumer(Protocol):
    """Somebody who follows the log. Everything up to `lsn` is dealt with."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def lsn(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def error(self) -> str: ...
    @property
    def errors(self) -> int: ...


class Consumers:
    """The consumers of one store, by the order in which they came."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: dict[int, Consumer] = {}

    def register(self, consumer: Consumer) -> None:
        with self._lock:
            self._all[id(consumer)] = consumer

    def forget(self, consumer: Consumer) -> None:
        """Harmless if it is not there."""
        with self._lock:
            self._all.pop(id(consumer), None)

    def all(self) -> list[Consumer]:
        with self._lock:
            return list(self._all.values())

    def behind(self, lsn: int, names: Sequence[str]) -> list[Consumer]:
        """Those of `names` (empty: aggregates and triggers) that have not reached `lsn`."""
        return _behind(self.all(), lsn, names)

    def wait(
        self,
        lsn: int,
        names: Sequence[str],
        seconds: float,
        *,
        among: Callable[[], list[Consumer]] | None = None,
    ) -> list[Consumer]:
        """Wait until all of `names` have reached `lsn`; returns who has not when time is up.

        No `names` are aggregates and triggers. `among` are the consumers there are for who asks.
        Raises BadRequest if there is none of one of the names.
        """
        there = among or self.all
        _check(there(), names)
        until = time.monotonic() + seconds
        while (behind := _behind(there(), lsn, names)) and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)
        return behind


def _behind(consumers: list[Consumer], lsn: int, names: Sequence[str]) -> list[Consumer]:
    kinds = ("aggregates", "trigger")
    asked = [c for c in consumers if (c.name in names if names else c.kind in kinds)]
    return [c for c in asked if c.lsn < lsn]


def _check(consumers: list[Consumer], names: Sequence[str]) -> None:
    known = {consumer.name for consumer in consumers}
    for name in names:
        if name not in known:
            suggestions = near(name, known)
            raise BadRequest(
                f"Nobody called {shown(name)} follows the log here.{did_you_mean(suggestions)}",
                suggestions=suggestions,
            )
