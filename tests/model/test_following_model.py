"""Whoever follows a store ends up with what it holds: subscribers with their rows, and a replica.

The store takes random steps (derived_driver.py) with rules that come and go. Subscribers read on at
any time, break off and go on from the position they know; the replica follows now and then, and is
stopped or killed in between. At quiet points the store, its subscribers and the replica are equal.
"""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from tests.model.derived_driver import DerivedDriver, bars_of
from tests.support import stores
from tests.support.live_rows import Held, Rows
from tests.support.replicating import LocalPrimary, catch_up, copied
from tests.support.seeds import generator, scaled
from tests.support.stores import SMALL, crash, stepped

from flightstore_server.engine.limits import Limits
from flightstore_server.engine.store import Store
from flightstore_server.engine.updates import Selector, UpdateFollower

RUNS = 2
SELECTORS = [
    Selector("trades", ["*"]),
    Selector("candles", ["*"], "1m"),
    Selector("candles", ["*"], "5m"),
    Selector("candles", ["binance:*"], "1h"),
    Selector("candles", ["*"], "5tick"),
    Selector("candles", ["*"], "900volume"),
]


class Subscriber:
    """Rows of a selection, as told change by change."""

    def __init__(self, store: Store, selector: Selector, rng: random.Random) -> None:
        self.selector, self._rng = selector, rng
        self.held = Held()
        self._follower = UpdateFollower(store, selector, store.state.last_lsn)

    def reconnect(self, store: Store) -> None:
        self._follower = UpdateFollower(store, self.selector, self._follower.lsn)

    def take(self) -> None:
        update = self._follower.take(bytes_max=self._rng.choice([1, 2_000, 1 << 20]))
        if update is not None:
            self.held.apply(update)

    def catch_up(self) -> None:
        while self._follower.wait(0):
            self.take()


class FollowedDriver(DerivedDriver):
    """A store that keeps its log, and all that follow it."""

    def __init__(self, root: Path, rng: random.Random) -> None:
        super().__init__(root / "primary", rng, settled=("minutes",))
        self.subscribers = [Subscriber(self.store, selector, rng) for selector in SELECTORS]
        self._served = LocalPrimary(self.store)
        self._replica_root = root / "replicas"
        self._replica_turn = 0
        self.replica = copied(self._replica_root / "0", self._served)
        self.steps |= {
            self.take_updates: 20,
            self.break_off: 4,
            self.replicate: 4,
            self.restart_replica: 1,
            self.kill_replica: 1,
        }

    def remove_rule(self) -> str:
        taken = super().remove_rule()
        self._catch_up()  # the next start does not know what was removed
        return taken

    def let_old_rows_go(self) -> str:
        self._catch_up()  # bars that are frozen by then are not told any more
        return super().let_old_rows_go()

    def _catch_up(self) -> None:
        for subscriber in self.subscribers:
            subscriber.catch_up()

    def _limits(self) -> Limits:
        kept = {"log_keep_bytes": 1 << 40, "log_keep_seconds": 1e12, "feed_bytes_max": 5_000}
        return replace(super()._limits(), **kept)

    def _opened(self, root: Path) -> Store:
        store = super()._opened(root)
        if self._turn or hasattr(self, "_served"):
            self._served.serve(store)
            for subscriber in self.subscribers:
                subscriber.reconnect(store)
        return store

    def take_updates(self) -> str:
        for subscriber in self._rng.sample(self.subscribers, 3):
            subscriber.take()
        return ""

    def break_off(self) -> str:
        subscriber = self._rng.choice(self.subscribers)
        subscriber.reconnect(self.store)
        return str(subscriber.selector)

    def replicate(self) -> str:
        catch_up(self.replica, self._served, self.store)
        return f"up to {self.replica.state.last_lsn}"

    def restart_replica(self) -> str:
        self.replica.close()
        self.replica = stepped(self.replica.files.root, self._replica_limits())
        return ""

    def kill_replica(self) -> str:
        self._replica_turn += 1
        copy = crash(self.replica, self._replica_root / str(self._replica_turn))
        self.replica = stepped(copy, self._replica_limits())
        return str(copy)

    def _replica_limits(self) -> Limits:
        return replace(SMALL, bulk_put_bytes_min=self._rng.choice([1, 500, 1 << 30]))

    def check_followers(self) -> None:
        """Everybody who follows has what the store holds."""
        every = {**{n: s.bars() for n, s in self.model.written.items()}, **self.model.derived()}
        for subscriber in self.subscribers:
            subscriber.catch_up()
            found, expected = subscriber.held.filled(), self._expected(subscriber.selector)
            for name in {*found, *expected}:
                told, true = set(found.get(name, {}).items()), set(expected.get(name, {}).items())
                what = f"{name} of {subscriber.selector}: {told - true} and not {true - told}"
                assert told == true, what
        catch_up(self.replica, self._served, self.store)
        names = {
            (s.dataset.name, str(s.instrument), s.timeframe_text) for s in _series(self.replica)
        }
        assert names == set(every)
        for (dataset, instrument, timeframe), rows in every.items():
            if dataset != "trades":
                words = {"dataset": dataset, "instrument": instrument, "timeframe": timeframe}
                assert bars_of(stores.read(self.replica, **words)) == rows, (
                    f"{words} of the replica"
                )

    def _expected(self, selector: Selector) -> Rows:
        found = Held()
        for series in _series(self.store):
            name = str(series.instrument)
            words = {"dataset": series.dataset.name, "timeframe": series.timeframe_text}
            fits = selector.instruments[0] == "*" or name.startswith("binance:")
            if fits and words == {"dataset": selector.dataset, "timeframe": selector.timeframe}:
                for batch in stores.read(self.store, instrument=name, **words):
                    found.add(name, batch)
        return found.filled()

    def close(self) -> None:
        self.replica.close()
        self.store.close()


def _series(store: Store) -> list:  # type: ignore[type-arg]
    return list(store.state.names.by_id.values())


@pytest.mark.parametrize("run", range(RUNS))
def test_whoever_follows_ends_up_with_what_the_store_holds(
    run: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    driver = FollowedDriver(tmp_path, generator(f"following {run}"))
    steps = scaled(request.config, ci=300, nightly=20_000) // RUNS
    try:
        for number in range(steps):
            driver.step()
            if number % 25 == 24:
                driver.check()
                driver.check_followers()
    except BaseException:
        print("the last steps:", *driver.taken, sep="\n  ")
        raise
    finally:
        driver.close()
