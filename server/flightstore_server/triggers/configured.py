"""The triggers of one server: begun where each left off, and stopped together."""

from __future__ import annotations

import time
from collections.abc import Sequence

from flightstore_server.engine.store import Store
from flightstore_server.engine.updates import Selector, UpdateFollower
from flightstore_server.triggers.runner import TriggerRunner
from flightstore_server.triggers.spec import TriggerSpec

# What batches under way get when the server stops; then the processes are killed.
_STOP_SECONDS = 2.0
_PREFIX = "trigger:"


class Triggers:
    """From the moment this is made nothing that is committed escapes a trigger."""

    def __init__(self, store: Store, specs: Sequence[TriggerSpec]) -> None:
        self._store = store
        source = StoreSource(store)
        self._runners = [TriggerRunner(s, source, source.position(s)) for s in specs]
        source.keep([spec.consumer for spec in specs])

    def start(self) -> None:
        for runner in self._runners:
            self._store.consumers.register(runner)
            runner.start()

    def stop(self) -> None:
        """Stop all of them, and end their processes, within a few seconds."""
        for runner in self._runners:
            runner.begin_to_stop()
        until = time.monotonic() + _STOP_SECONDS
        for runner in self._runners:
            runner.stop(max(0.0, until - time.monotonic()))


class StoreSource:
    """A store as triggers see it; see runner.Source."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.reached = store.positions.set

    def follow(self, spec: TriggerSpec, after_lsn: int) -> UpdateFollower:
        selector = Selector(
            spec.dataset, [spec.instruments], timeframe=spec.timeframe, closed=spec.closed
        )
        return UpdateFollower(self._store, selector, after_lsn)

    def newest(self) -> int:
        return self._store.state.last_lsn

    def oldest(self) -> int:
        return self._store.maintenance.log_tail_lsn - 1

    def position(self, spec: TriggerSpec) -> int:
        """Where the trigger goes on, or begins."""
        last = self.newest()
        known = self._store.positions.get(spec.consumer)
        if known is not None:
            return min(known, last)  # a repair may have cut the log
        position = last if spec.start == "now" else self.oldest()
        self._store.positions.set(spec.consumer, position)
        return position

    def keep(self, names: Sequence[str]) -> None:
        """Make positions durable, and forget those of triggers that are no longer configured.

        Otherwise a crash right after the first start would let "now" be later than it was, and the
        log would be held for somebody who never comes.
        """
        with self._store.maintenance.lock:
            for name in self._store.catalog.positions():
                if name.startswith(_PREFIX) and name not in names:
                    self._store.positions.forget(name)
            self._store.positions.write()
