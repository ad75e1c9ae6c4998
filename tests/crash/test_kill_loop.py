"""kill -9 at random moments loses nothing that was acknowledged, and invents nothing."""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
from tests.crash.company import LiveReader, Visitor, check_hours, visitors
from tests.crash.ledger import Ledger, digest, found
from tests.crash.settings import small
from tests.crash.writing import Progress, WriterThread
from tests.support.seeds import generator, scaled
from tests.support.server_process import ServerProcess

import flightstore as fs

SERIES = 8
CHANGES_MAX = 60
# New series now and then: a server that lives so shortly never gets to tidy up old ones.
CYCLES_PER_GROUP = 10
# And now and then a new data directory, so that starts do not take longer and longer.
CYCLES_PER_DIRECTORY = 250
JOIN_SECONDS = 60.0


class Group:
    """The series of some cycles, and who uses them besides their writers."""

    def __init__(self, name: str, server: ServerProcess, rng: random.Random) -> None:
        self.name = name
        self.ledgers = [Ledger(f"binance:{name}-{n}/USDT") for n in range(SERIES)]
        self.followed, self._ruled = rng.random() < 0.4, rng.random() < 0.3
        self._server = server
        self._reader: LiveReader | None = None

    def begin(self) -> None:
        """The server has just started."""
        if self.followed:
            self._reader = LiveReader(self._server.uri, f"binance:{self.name}-*")
        if self._ruled:
            with fs.connect(self._server.uri) as db:
                db.rules.add(f"candles/binance:{self.name}-*/1m", "1h", name=self.name)

    def settle(self) -> None:
        """The server has just started again: what it has is what was acknowledged."""
        with fs.connect(self._server.uri) as db:
            for ledger in self.ledgers:
                ledger.settle(found(db, ledger.instrument))

    def end(self) -> Iterator[tuple[str, bytes]]:
        """Check the company as well. Yields what is to be there for good."""
        with fs.connect(self._server.uri) as db:
            if self._ruled:
                for ledger in self.ledgers:
                    check_hours(db, ledger)
                db.rules.remove(self.name)
        if self._reader is not None:
            self._reader.check(self.ledgers)
            self.close()
        for ledger in self.ledgers:
            yield ledger.instrument, digest(ledger.acknowledged)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None


class KillLoop:
    """One data directory through some cycles."""

    def __init__(self, root: Path, rng: random.Random) -> None:
        self._rng = rng
        self._server = ServerProcess(root / "data", same_port=True)
        self._expected: dict[str, bytes] = {}
        self.acknowledged = 0
        self.errors: set[type] = set()

    def run(self, cycles: int) -> None:
        try:
            for first in range(0, cycles, CYCLES_PER_GROUP):
                group = Group(f"G{first}", self._server, self._rng)
                try:
                    self._live_through(group, min(CYCLES_PER_GROUP, cycles - first))
                finally:
                    group.close()
            self._check_everything()
        finally:
            self._server.kill()

    def _live_through(self, group: Group, cycles: int) -> None:
        for cycle in range(cycles):
            self._start(group)
            if cycle == 0:
                group.begin()
            group.settle()
            self._write_until_killed(group)
        self._start(group)
        group.settle()
        self._expected.update(group.end())
        self.acknowledged += sum(ledger.acknowledgements for ledger in group.ledgers)
        self._server.kill()

    def _start(self, group: Group) -> None:
        """Start it; sometimes kill it while it recovers, and start it again."""
        self._server.configure(small(self._rng, followed=group.followed))
        while self._rng.random() < 0.2:
            self._server.launch()
            threading.Event().wait(self._rng.uniform(0, 0.06))  # a random moment of its recovery
            self._server.kill()
        self._server.start()

    def _write_until_killed(self, group: Group) -> None:
        uri, progress = self._server.uri, Progress()
        writing = self._rng.sample(group.ledgers, self._rng.choice([1, 2, 4, 8]))
        writers = [
            WriterThread(uri, ledger, random.Random(self._rng.random()), progress)
            for ledger in writing
        ]
        others = [
            Visitor(uri, ask)
            for ask in visitors(group.name, group.ledgers)
            if self._rng.random() < 0.05
        ]
        for thread in (*writers, *others):
            thread.start()
        # Mostly a few changes, now and then a lot of them.
        progress.wait_for(int(CHANGES_MAX ** self._rng.random()), writers=len(writers))
        self._server.kill()
        for thread in (*writers, *others):
            thread.join(JOIN_SECONDS)
            assert not thread.is_alive(), f"{thread.name} did not notice that the server is gone"
        assert [other.wrong for other in others if other.wrong is not None] == []
        self.errors |= {type(thread.error) for thread in (*writers, *others)}

    def _check_everything(self) -> None:
        self._server.start()
        with fs.connect(self._server.uri) as db:
            for instrument, expected in self._expected.items():
                assert digest(found(db, instrument)) == expected, f"{instrument} has changed"
            *_, verdict = db.verify()
        assert verdict.finished
        assert list(verdict.damage) == []


@pytest.mark.long
def test_killed_servers_keep_what_they_acknowledged_and_nothing_else(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rng = generator("kill loop")
    cycles = scaled(request.config, ci=200, nightly=10_000)
    began, acknowledged, errors = monotonic(), 0, set[type]()
    for first in range(0, cycles, CYCLES_PER_DIRECTORY):
        root = tmp_path / str(first)
        root.mkdir()
        loop = KillLoop(root, rng)
        loop.run(min(CYCLES_PER_DIRECTORY, cycles - first))
        shutil.rmtree(root)
        acknowledged += loop.acknowledged
        errors |= loop.errors
    seconds = monotonic() - began
    print(f"{cycles} kills in {seconds:.0f} s, {acknowledged} changes acknowledged")
    assert acknowledged > cycles
    # However a call noticed that the server is gone, this is what it says.
    assert errors == {fs.Unavailable}
