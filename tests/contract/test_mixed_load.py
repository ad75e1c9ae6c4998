"""Sixty-four clients read, put, ask in SQL and follow at the same time, and some are too many.

Whoever is over a limit is told so by name; nobody else sees an error, nothing that was acknowledged
is missing, and memory stays below its ceiling.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from tests.support.rows import minutes
from tests.support.seeds import generator, scaled
from tests.support.server_process import ServerProcess, running, toml

import flightstore as fs

SERIES, ROWS, PUT_ROWS = 40, 2_000, 20
_SUBSCRIBERS_MAX = 12
_MEMORY_MAX = 512 << 20
_WAKES_MAX = 120
_CONFIG = toml(
    {
        "server": {"shutdown_seconds": 0.5},
        "limits": {"subscribers_max": _SUBSCRIBERS_MAX, "memtable_bytes_max": 16 << 20},
        "log": {"file_bytes": 1 << 20, "feed_bytes_max": 1 << 20},
        "flush": {"memory_bytes": 1 << 20},
        "segments": {"compact_segments_min": 3},
        "sql": {"queries_max": 2, "threads": 1, "memory_bytes_max": 64 << 20},
    }
)

Work = Callable[["Load", fs.Client, random.Random], None]
Client = tuple[str, Work]


class Load:
    """What all clients share: the server, when to stop, and what they met."""

    def __init__(self, server: ServerProcess, seconds: float) -> None:
        self.server = server
        self.over = threading.Event()
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._timer = threading.Timer(seconds, self.over.set)

    def run(self, working: Sequence[Client], following: Sequence[Client]) -> None:
        """Have all clients work until time is up. Raises what one met and should not have."""
        rng = generator("mixed load")
        with ThreadPoolExecutor(len(working) + len(following)) as threads:
            tasks = [
                [threads.submit(self._work, *each, random.Random(rng.random())) for each in clients]
                for clients in (working, following)
            ]
            self._timer.start()
            try:
                for task in tasks[0]:
                    task.result()
                self._wake(tasks[1])
            finally:
                self._timer.cancel()
                self.over.set()

    def _wake(self, following: Sequence[Future[None]]) -> None:
        """Write until all who follow have seen that time is up."""
        with fs.connect(self.server.uri) as db:
            for number in range(_WAKES_MAX):
                db.write("written:BELL/USD", minutes([number]), timeframe="1m")
                if not wait(following, timeout=0.5).not_done:
                    break
        for task in following:
            task.result(timeout=0)

    def _work(self, kind: str, work: Work, rng: random.Random) -> None:
        with fs.connect(self.server.uri, same_host=False) as db:
            while not self.over.wait(rng.random() * 0.2):
                try:
                    work(self, db, rng)
                    self.done[kind] += 1
                except fs.Overloaded:
                    self.refused[kind] += 1


def _series(rng: random.Random) -> str:
    return f"mixed:S{rng.randrange(SERIES)}/USD"


def _read(_: Load, db: fs.Client, rng: random.Random) -> None:
    assert db.candles(_series(rng), "1m", tail=100, output="arrow").num_rows == 100


def _read_much(_: Load, db: fs.Client, rng: random.Random) -> None:
    assert db.candles("mixed:*", "1m", output="arrow").num_rows >= SERIES * ROWS


def _ask(_: Load, db: fs.Client, rng: random.Random) -> None:
    query = "select symbol, count(*), max(high) from candles where timeframe = '1m' group by symbol"
    assert db.sql(query, output="arrow").num_rows >= SERIES


def _follow(load: Load, db: fs.Client, _: random.Random) -> None:
    with db.live("*:*", "1m") as live:
        position = 0
        for batch in live:
            assert batch.lsn >= position
            position = batch.lsn
            if load.over.is_set():
                return


class _Writer:
    """Puts into a series of its own, and knows how many rows were acknowledged."""

    def __init__(self, number: int) -> None:
        self.name = f"written:W{number}/USD"
        self.rows = 0

    def __call__(self, _: Load, db: fs.Client, __: random.Random) -> None:
        db.write(self.name, minutes(range(self.rows, self.rows + PUT_ROWS)), timeframe="1m")
        self.rows += PUT_ROWS


def _memory_of(server: ServerProcess) -> int:
    """The most memory that the process alone is seen with; files that it maps are not in it."""
    lines = Path(f"/proc/{server.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[tuple[ServerProcess, Callable[[], int]]]:
    """A server with rows, and a way to learn the most memory it has had."""
    with running(tmp_path / "data", _CONFIG) as server:
        with fs.connect(server.uri) as db:
            rows = dict.fromkeys((f"mixed:S{n}/USD" for n in range(SERIES)), minutes(range(ROWS)))
            db.write_many(rows, timeframe="1m")
        over, seen = threading.Event(), [0]

        def watch() -> None:
            while not over.wait(0.05):
                seen[0] = max(seen[0], _memory_of(server))

        watching = threading.Thread(target=watch)
        watching.start()
        try:
            yield server, lambda: seen[0]
        finally:
            over.set()
            watching.join()


def test_under_mixed_load_nobody_meets_anything_but_a_limit(
    watched: tuple[ServerProcess, Callable[[], int]], pytestconfig: pytest.Config
) -> None:
    server, memory = watched
    load = Load(server, scaled(pytestconfig, ci=6, nightly=1_800, release=7_200))
    writers = [_Writer(number) for number in range(16)]
    load.run(
        [
            *[("put", writer) for writer in writers],
            *[("read", _read)] * 20,
            *[("read of all", _read_much)] * 4,
            *[("sql", _ask)] * 8,
        ],
        [("live", _follow)] * 16,
    )
    print(dict(load.done), dict(load.refused), f"{memory() >> 20} MiB")
    assert all(load.done[kind] for kind in ("put", "read", "read of all", "sql", "live"))
    assert load.refused["live"], "more wanted to follow than may"
    assert memory() <= _MEMORY_MAX
    with fs.connect(server.uri) as db:
        for writer in writers:
            assert db.candles(writer.name, "1m").height == writer.rows
        assert list(db.verify())[-1].damage == []
    assert "a handler failed" not in server.log()
