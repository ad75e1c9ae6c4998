"""What many clients did at the same time to a few series: when each call began and ended, and what
it brought.

Every put writes, to each of some series and all or nothing, a row at a minute that no other put
uses, and one at minute 0 that all use. So a read shows which puts it saw, and which was the last.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pyarrow as pa
from tests.support.rows import MINUTE, NOON_2024, candles

import flightstore as fs

# minute -> close, of each series
Rows = Mapping[str, Mapping[int, float]]
_READS_MAX = 500
# Readers rest a little, so that they spread over the whole history.
_REST_SECONDS = 0.06


@dataclass(frozen=True, slots=True)
class Change:
    """An acknowledged put of `number` into `series`, or a delete of the minutes `gone` of one."""

    lsn: int
    begun: float
    ended: float
    series: tuple[str, ...]
    number: int = 0
    gone: range = range(0)


@dataclass(frozen=True, slots=True)
class Read:
    """What a read of `series` brought; `newest` if it asked for nothing but the newest rows."""

    how: str
    begun: float
    ended: float
    series: tuple[str, ...]
    rows: Rows
    newest: bool = False


@dataclass(slots=True)
class History:
    """All calls, in no order."""

    changes: list[Change] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Scene:
    """Who does how much to which series of one exchange."""

    exchange: str
    series: tuple[str, ...]
    writers: int
    readers: int
    changes: int  # of each writer


def played(scene: Scene, uri: str, rng: random.Random) -> History:
    """Have all writers and readers of `scene` work at the same time; readers stop after them."""
    history, over = History(), threading.Event()
    seeds = [rng.getrandbits(64) for _ in range(scene.writers + scene.readers)]
    with ThreadPoolExecutor(len(seeds)) as threads:
        writing = [
            threads.submit(_write, scene, number, uri, random.Random(seed), history)
            for number, seed in enumerate(seeds[: scene.writers])
        ]
        reading = [
            threads.submit(_read, scene, number, uri, random.Random(seed), history, over)
            for number, seed in enumerate(seeds[scene.writers :])
        ]
        try:
            for task in writing:
                task.result()
        finally:
            over.set()
        for task in reading:
            task.result()
    return history


def _write(scene: Scene, writer: int, uri: str, rng: random.Random, history: History) -> None:
    with fs.connect(uri, same_host=False) as db:
        for done in range(scene.changes):
            number = 1 + writer * scene.changes + done
            begun = time.monotonic()
            if rng.random() < 0.15:
                history.changes.append(_delete(db, scene, rng, begun))
                continue
            series = tuple(rng.sample(scene.series, rng.randrange(1, len(scene.series))))
            rows = candles([NOON_2024, NOON_2024 + number * MINUTE], float(number))
            ack = db.write_many(dict.fromkeys(series, rows), timeframe="1m")
            history.changes.append(Change(ack.lsn, begun, time.monotonic(), series, number))


def _delete(db: fs.Client, scene: Scene, rng: random.Random, begun: float) -> Change:
    """Some minutes of one series, among which minute 0 never is."""
    name = rng.choice(scene.series)
    low = rng.randrange(1, scene.writers * scene.changes)
    gone = range(low, low + rng.randrange(1, 20))
    try:
        start, end = (_text(minute) for minute in (gone.start, gone.stop))
        ack = db.delete(name, timeframe="1m", start=start, end=end)
    except fs.UnknownInstrument:  # nobody has written to it yet
        return Change(0, begun, time.monotonic(), (name,))
    return Change(ack.lsn, begun, time.monotonic(), (name,), gone=gone)


def _text(minute: int) -> str:
    hour, minute = divmod(12 * 60 + minute, 60)
    return f"2024-01-{1 + hour // 24:02}T{hour % 24:02}:{minute:02}"


def _read(
    scene: Scene, reader: int, uri: str, rng: random.Random, history: History, over: threading.Event
) -> None:
    # Every other one maps files, as clients of the same machine do.
    with fs.connect(uri, same_host=bool(reader % 2)) as db:
        for _ in range(_READS_MAX):
            last = over.wait(rng.random() * _REST_SECONDS)
            ask = rng.choices(list(_READS), list(_READS.values()))[0]
            try:
                history.reads.append(ask(db, scene, rng))
            except fs.UnknownInstrument:  # before the first put
                assert not last
            if last:
                return


def _all(db: fs.Client, scene: Scene, _: random.Random) -> Read:
    begun = time.monotonic()
    table = db.candles(f"{scene.exchange}:*", "1m", output="arrow")
    return Read("all", begun, time.monotonic(), scene.series, _by_series(table))


def _one(db: fs.Client, scene: Scene, rng: random.Random) -> Read:
    name, begun = rng.choice(scene.series), time.monotonic()
    table = db.candles(name, "1m", output="arrow")
    return Read("one", begun, time.monotonic(), (name,), {name: _minutes(table)})


def _newest(db: fs.Client, scene: Scene, _: random.Random) -> Read:
    begun = time.monotonic()
    table = db.latest(f"{scene.exchange}:*", "1m", columns=["close"], output="arrow")
    return Read("newest", begun, time.monotonic(), scene.series, _by_series(table), newest=True)


def _selected(db: fs.Client, scene: Scene, _: random.Random) -> Read:
    begun = time.monotonic()
    query = (
        "select exchange, symbol, ts, close from candles where exchange = ? and timeframe = '1m'"
    )
    table = db.sql(query, [scene.exchange], output="arrow")
    return Read("selected", begun, time.monotonic(), scene.series, _by_series(table))


_READS: dict[Callable[[fs.Client, Scene, random.Random], Read], int] = {
    _all: 4,
    _one: 3,
    _newest: 2,
    _selected: 1,
}


def _by_series(table: pa.Table) -> Rows:
    found: dict[str, dict[int, float]] = {}
    columns = [table.column(name).to_pylist() for name in ("exchange", "symbol")]
    rows = zip(*columns, _numbers(table), table.column("close").to_pylist(), strict=True)
    for exchange, symbol, minute, close in rows:
        held = found.setdefault(f"{exchange}:{symbol}", {})
        assert minute not in held, f"minute {minute} of {symbol} came twice"
        held[minute] = close
    return found


def _minutes(table: pa.Table) -> dict[int, float]:
    minutes = _numbers(table)
    assert len(set(minutes)) == len(minutes), "a minute came twice"
    return dict(zip(minutes, table.column("close").to_pylist(), strict=True))


def _numbers(table: pa.Table) -> list[int]:
    ts = table.column("ts").cast(pa.int64()).to_pylist()
    return [(at - NOON_2024) // MINUTE for at in ts]
