"""A replica whose process, whose primary or both are killed ends up with what its primary has."""

from __future__ import annotations

import random
from pathlib import Path
from time import monotonic

import pytest
from tests.crash.ledger import Ledger, digest, found
from tests.crash.settings import small
from tests.crash.writing import Progress, WriterThread
from tests.support.replicating import until
from tests.support.seeds import generator, scaled
from tests.support.server_process import ServerProcess

import flightstore as fs

TOKEN = "a-secret-of-this-test"
WRITERS = 3
CHANGES_MAX = 40
JOIN_SECONDS = 60.0


class Pair:
    """A primary and its replica, through rounds at whose end they are the same."""

    def __init__(self, root: Path, rng: random.Random) -> None:
        self._rng = rng
        self._primary = ServerProcess(root / "primary", same_port=True)
        self._configure(self._primary)
        self._primary.start()
        flags = ["--follow", self._primary.uri]
        self._replica = ServerProcess(root / "replica", same_port=True, flags=flags)
        self._configure(self._replica)
        self._replica.start()
        self._ledgers = [Ledger(f"binance:R{n}/USDT") for n in range(WRITERS)]
        self.kills = 0

    @property
    def acknowledged(self) -> int:
        return sum(ledger.acknowledgements for ledger in self._ledgers)

    def round(self) -> None:
        """Write while the replica is killed, perhaps several times, and then the primary."""
        progress = Progress()
        writers = [
            WriterThread(self._primary.uri, ledger, random.Random(self._rng.random()), progress)
            for ledger in self._ledgers
        ]
        for writer in writers:
            writer.start()
        acknowledged = 0
        for _ in range(self._rng.choice([0, 1, 1, 2])):
            acknowledged += self._rng.randrange(1, CHANGES_MAX)
            progress.wait_for(acknowledged, writers=WRITERS)
            self._restart(self._replica)
        progress.wait_for(acknowledged + self._rng.randrange(1, CHANGES_MAX), writers=WRITERS)
        self._kill_primary()
        for writer in writers:
            writer.join(JOIN_SECONDS)
            assert not writer.is_alive(), f"{writer.name} did not notice that the server is gone"
        self._compare()

    def _kill_primary(self) -> None:
        """Alone, or together with the replica, which then starts before or after it."""
        both = [self._primary, self._replica] if self._rng.random() < 0.4 else [self._primary]
        for server in both:
            server.kill()
        self.kills += len(both)
        self._rng.shuffle(both)
        for server in both:
            self._configure(server)
            server.launch()
        for server in both:
            server.wait_until_ready()

    def _restart(self, server: ServerProcess) -> None:
        server.kill()
        self._configure(server)
        server.start()
        self.kills += 1

    def _configure(self, server: ServerProcess) -> None:
        server.configure(small(self._rng, followed=True, token=TOKEN))

    def _compare(self) -> None:
        with fs.connect(self._primary.uri) as there, fs.connect(self._replica.uri) as here:
            newest = there.status().last_lsn
            until(lambda: here.status().last_lsn >= newest, lambda: here.status().consumers)
            for ledger in self._ledgers:
                ledger.settle(found(there, ledger.instrument))
                copy = digest(found(here, ledger.instrument))
                assert copy == digest(ledger.acknowledged), f"{ledger.instrument} differs"

    def verify(self) -> None:
        for server in (self._primary, self._replica):
            with fs.connect(server.uri) as db:
                *_, verdict = db.verify()
            assert verdict.finished
            assert list(verdict.damage) == []

    def close(self) -> None:
        self._replica.kill()
        self._primary.kill()


@pytest.mark.long
def test_a_replica_equals_its_primary_after_any_kill(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rng = generator("replica kills")
    kills, began = scaled(request.config, ci=30, nightly=1_000), monotonic()
    pair = Pair(tmp_path, rng)
    try:
        while pair.kills < kills:
            pair.round()
        pair.verify()
    finally:
        pair.close()
    seconds = monotonic() - began
    print(f"{pair.kills} kills in {seconds:.0f} s, {pair.acknowledged} changes acknowledged")
