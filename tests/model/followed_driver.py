"""A store under random steps, and all who follow it: subscribers with their rows, and a replica."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from pathlib import Path

from tests.model.derived_driver import DerivedDriver, bars_of
from tests.support import stores
from tests.support.live_rows import Held, Rows
from tests.support.live_wire import Stream, request
from tests.support.replicating import LocalPrimary, catch_up, copied
from tests.support.stores import SMALL, crash, stepped

from flightstore_server.engine.limits import Limits
from flightstore_server.engine.store import Store
from flightstore_server.engine.updates import Selector, UpdateFollower

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


class RemoteSubscriber:
    """One that is connected over the wire, and goes on after the position that it knows."""

    def __init__(self, position: int) -> None:
        self.held = Held()
        self._position = position
        self._stream: Stream | None = None

    def catch_up(self, uri: str, lsn: int) -> None:
        """Listen until what the record `lsn` says has come, which concerns the selection."""
        if self._stream is None:
            self._stream = Stream(uri, request("*", after_lsn=self._position))
            self._stream.held = self.held
        self._position = self._stream.until(lsn).position

    def hang_up(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


class FollowedDriver(DerivedDriver):
    """A store that keeps its log, and all that follow it."""

    compared = 2

    def __init__(self, root: Path, rng: random.Random) -> None:
        super().__init__(root / "primary", rng, settled=("minutes",))
        self.subscribers = [Subscriber(self.store, selector, rng) for selector in SELECTORS]
        self._remote = RemoteSubscriber(self.store.state.last_lsn)
        self._served = LocalPrimary(self.store)
        self._replica_root = root / "replicas"
        self._replica_turn = 0
        self.replica = copied(self._replica_root / "0", self._served)
        self.steps |= {
            self.take_updates: 20,
            self.listen: 4,
            self.break_off: 4,
            self.replicate: 4,
            self.restart_replica: 1,
            self.kill_replica: 1,
        }

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
        if self._over_the_wire():
            self._remote.hang_up()
        return str(subscriber.selector)

    def listen(self) -> str:
        """Have something happen that the remote subscriber must hear of, and wait until it does."""
        name = ("candles", "kraken:ETH/EUR", "1m")
        self._changed = [name]
        said = self._put(name, self._rows(name, 1))
        self._remote.catch_up(self.wire.uri, self.store.state.last_lsn)
        return said

    def replicate(self) -> str:
        if self._over_the_wire():
            catch_up(self.replica, self.wire.primary(), self.store)
        else:
            catch_up(self.replica, self._served, self.store)
        return f"up to {self.replica.state.last_lsn}"

    def restart_replica(self) -> str:
        self.replica.close()
        self.replica = stepped(self.replica.files.root, self._replica_limits())
        return ""

    def kill_replica(self) -> str:
        self._replica_turn += 1
        old = self.replica.files.root
        copy = crash(self.replica, self._replica_root / str(self._replica_turn))
        shutil.rmtree(old)
        self.replica = stepped(copy, self._replica_limits())
        return str(copy)

    def _replica_limits(self) -> Limits:
        return replace(SMALL, bulk_put_bytes_min=self._rng.choice([1, 500, 1 << 30]))

    def restart(self) -> str:
        self._remote.hang_up()
        return super().restart()

    def crash(self) -> str:
        self._remote.hang_up()
        return super().crash()

    def check_all(self) -> None:
        """The store is what it should be, and everybody who follows has what it holds."""
        self.listen()
        super().check_all()
        self._check_subscribers()
        self._check_replica()

    def _check_subscribers(self) -> None:
        for subscriber in self.subscribers:
            subscriber.catch_up()
            self._compare(subscriber.held, subscriber.selector)
        self._compare(self._remote.held, Selector("candles", ["*"], "1m"))

    def _compare(self, held: Held, selector: Selector) -> None:
        found, expected = held.filled(), self._expected(selector)
        for name in {*found, *expected}:
            told, true = set(found.get(name, {}).items()), set(expected.get(name, {}).items())
            assert told == true, f"{name} of {selector}: {told - true} and not {true - told}"

    def _check_replica(self) -> None:
        every = {**{n: s.bars() for n, s in self.model.written.items()}, **self.model.derived()}
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
        self._remote.hang_up()
        super().close()


def _series(store: Store) -> list:  # type: ignore[type-arg]
    return list(store.state.names.by_id.values())
