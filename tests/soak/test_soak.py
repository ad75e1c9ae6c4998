"""Hours at twice the expected load, with clients that misbehave: nothing grows, nothing is lost."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest
from tests.soak.load import Bars, Follows, Queries, Reads, Trades, Worker, instrument
from tests.soak.observed import MIB, Observed, Sample
from tests.soak.trouble import Troubles
from tests.support.replicating import until
from tests.support.seeds import generator, scaled
from tests.support.server_process import ServerProcess, toml

import flightstore as fs

SECONDS = "FLIGHTSTORE_SOAK_SECONDS"
HOUR = 3_600
TOKEN = "a-secret-of-this-test"
SERIES, TRADES_PER_SECOND = 50, 1_000.0  # twice the expected 500
BARS, READS, SQL, FAULTS = 20.0, 10.0, 0.5, 1.0  # a second; faults are 1 % of all calls
FOLLOWERS = 10
RESTART_SECONDS = 100.0  # between two, on average
# Caches and the log are small, so that they are full long before memory is compared.
LIMITS: dict[str, dict[str, float | str]] = {
    "log": {"file_bytes": 4 * MIB, "keep_bytes": 16 * MIB, "keep_seconds": 0}
    | {"feed_bytes_max": 4 * MIB},
    "flush": {"memory_bytes": 4 * MIB},
    # A hundred thousand of them, which is the default, take 25 minutes and 30 MiB to gather.
    "limits": {"remembered_puts": 1_000},
    "replication": {"token": TOKEN},
}
LOG_MIB_MAX = 64.0
# A call or two more at the moment of a sample is no growth.
SLACK = 8


class Soak:
    """A primary, its replica, and everybody who uses the primary, for `seconds`."""

    def __init__(self, root: Path, rng: random.Random, seconds: float) -> None:
        self._rng, self._seconds = rng, seconds
        self.primary = ServerProcess(root / "primary", toml(LIMITS), same_port=True)
        self.primary.start()
        flags = ["--follow", self.primary.uri]
        self.replica = ServerProcess(root / "replica", toml(LIMITS), same_port=True, flags=flags)
        self.replica.start()
        uri = self.primary.uri
        self.trades = Trades(uri, SERIES, TRADES_PER_SECOND)
        self.follows = [Follows(uri, number) for number in range(FOLLOWERS)]
        self.others: list[Worker] = [
            Bars(uri, SERIES, BARS),
            Reads(uri, SERIES, READS, rng.randrange(2**32)),
            Queries(uri, SQL),
            Troubles(uri, FAULTS, rng.randrange(2**32)),
        ]
        self.observed = Observed(self.primary.data_dir)
        self.copied = Observed(self.replica.data_dir)
        self.restarts = 0

    @property
    def workers(self) -> list[Worker]:
        return [self.trades, *self.follows, *self.others]

    @property
    def settled(self) -> float:
        """The second from which on memory is compared: the primary is not restarted any more."""
        return min(HOUR, self._seconds / 3)

    def run(self) -> Iterator[str]:
        """Yields a line of the table for each minute."""
        began, minute = monotonic(), 0
        for worker in self.workers:
            worker.start()
        while (now := monotonic() - began) < self._seconds:
            self._restart_now_and_then(now)
            self.observed.look(self.primary.pid, now)
            self.copied.look(self.replica.pid, now)
            self._check_workers()
            if now // 60 > minute:
                minute = int(now // 60)
                yield self._line(minute)
            sleep(1.0)  # between two samples; nothing is waited for

    def _restart_now_and_then(self, now: float) -> None:
        if self._rng.random() * RESTART_SECONDS > 1:
            return
        server = self._rng.choice([self.primary, self.replica])
        if server is self.primary and now >= self.settled:
            return
        if self._rng.random() < 0.5:
            server.kill()
        else:
            server.terminate()
        server.start()
        self.restarts += 1

    def _check_workers(self) -> None:
        for worker in self.workers:
            if worker.failed is not None:
                raise worker.failed

    def _line(self, minute: int) -> str:
        calls = [worker.done for worker in self.others]
        live = sum(follower.next for follower in self.follows)
        cells = [minute, sum(self.trades.acknowledged), live, *calls, self.restarts]
        return " ".join(f"{cell:>10}" for cell in [*cells, *_cells(self.observed, self.copied)])

    def finish(self) -> None:
        """Stop writing, have everybody catch up, and compare."""
        self.trades.stopping.set()
        until(lambda: not self.trades.is_alive())
        acknowledged = self.trades.acknowledged
        until(
            lambda: all(f.next == acknowledged[n] for n, f in enumerate(self.follows)),
            lambda: [follower.next for follower in self.follows],
        )
        for worker in self.workers:
            worker.stopping.set()
        self._check_workers()
        for server in (self.primary, self.replica):
            self._check(server)

    def _check(self, server: ServerProcess) -> None:
        with fs.connect(self.primary.uri) as db:
            newest = db.status().last_lsn
        with fs.connect(server.uri, timeout=HOUR) as db:
            until(lambda: db.status().last_lsn >= newest)
            listed = db.series("soak:*", dataset="trades")
            rows = dict(zip(listed["symbol"], listed["rows"], strict=True))
            for number, acknowledged in enumerate(self.trades.acknowledged):
                assert rows[instrument(number).partition(":")[2]] == acknowledged
            *_, verdict = db.verify()
        assert verdict.finished
        assert list(verdict.damage) == []

    def close(self) -> None:
        for worker in self.workers:
            worker.stopping.set()
        self.replica.kill()
        self.primary.kill()


HEAD = " ".join(
    f"{name:>10}"
    for name in (
        *("minute", "trades", "followed", "bars", "reads", "sql", "faults", "restarts"),
        *("MiB", "fds", "threads", "log MiB", "copy MiB"),
    )
)


def _cells(primary: Observed, replica: Observed) -> list[str]:
    here, there = primary.samples[-1], replica.samples[-1]
    return [
        f"{here.memory_mib:.1f}",
        str(here.descriptors),
        str(here.threads),
        f"{here.log_mib:.1f}",
        f"{there.memory_mib:.1f}",
    ]


def _most(samples: list[Sample], what: str) -> float:
    return max(getattr(sample, what) for sample in samples)


@pytest.mark.nightly
@pytest.mark.long
def test_hours_of_twice_the_load_and_faults_leave_nothing_behind(
    tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    by_profile = scaled(request.config, ci=600, nightly=3 * HOUR, release=24 * HOUR)
    seconds = float(os.environ.get(SECONDS) or by_profile)
    soak = Soak(tmp_path, generator("soak"), seconds)
    try:
        with capsys.disabled():
            print(f"\n{HEAD}")
            for line in soak.run():
                print(line, flush=True)
        soak.finish()
        slope = soak.observed.memory_slope(soak.settled, seconds)
        with capsys.disabled():
            print(f"memory of the primary: {slope:+.2f} MiB an hour after {soak.settled:.0f} s")
        _check_growth(soak, slope, seconds)
    finally:
        soak.close()


def _check_growth(soak: Soak, slope: float, seconds: float) -> None:
    """1 MiB an hour where three hours could show it; in a shorter run noise weighs more."""
    assert slope < max(1.0, 3 * HOUR / seconds), f"memory grows by {slope:.2f} MiB an hour"
    middle = (soak.settled + seconds) / 2
    earlier = soak.observed.within(soak.settled, middle)
    later = soak.observed.within(middle, seconds)
    for what in ("descriptors", "threads"):
        assert _most(later, what) <= _most(earlier, what) + SLACK, what
    assert _most(soak.observed.samples, "log_mib") <= LOG_MIB_MAX
