"""Takes random steps on a store and on the model of it, and compares the two after each.

Some puts, deletes, flushes, merges and reads go over the wire, as a client would do them.
"""

from __future__ import annotations

import random
import shutil
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
from tests.model import reading
from tests.model.expected import END, MINUTES, START, Key, Row, SeriesModel, StoreModel, time_of
from tests.model.wire import Wire
from tests.support.rows import MINUTE, candles, own, trades
from tests.support.stores import BTC, NOW, SMALL, crash, stepped

from flightstore_server.engine.limits import Limits
from flightstore_server.engine.received import Put, SeriesRows
from flightstore_server.engine.state import Ack
from flightstore_server.engine.store import Store

_SERIES = [
    ("candles", BTC, "1m"),
    ("candles", "kraken:ETH/EUR", "1m"),
    ("trades", BTC, ""),
    ("features", BTC, "1h"),
]
Sent = tuple[SeriesModel, Put, list[tuple[Key, Row]], tuple[int, int] | None]


class Driver:
    """One run. `root` is a directory of its own; each crash goes on in a new one below it."""

    def __init__(self, root: Path, rng: random.Random) -> None:
        self._root, self._rng = root, rng
        self._turn = 0
        self.limits = self._limits()
        self.store: Store = stepped(root / "0", self.limits)
        self.wire = Wire(self.store)
        self.model = StoreModel([SeriesModel(*words) for words in _SERIES])
        self.taken: deque[str] = deque(maxlen=40)
        self._sent: deque[Sent] = deque(maxlen=20)
        self._acks: dict[int, Ack] = {}
        self._wide = False  # whether `features` has its second column
        # Which series the last step may have changed.
        self._changed: list[SeriesModel] = []
        self._steps: dict[Callable[[], str], int] = {
            self.put_new: 40,
            self.put_many: 8,
            self.send_again: 8,
            self.delete_range: 8,
            self.delete_series: 1,
            self.flush: 8,
            self.compact: 5,
            self.collect: 4,
            self.snapshot: 2,
            self.drop_snapshot: 1,
            self.restart: 2,
            self.crash: 3,
        }

    def step(self) -> None:
        self._changed = self.model.series
        [chosen] = self._rng.choices(list(self._steps), list(self._steps.values()))
        self.taken.append(f"{chosen.__name__}: {chosen()}")

    def check(self) -> None:
        for series in self._changed:
            reading.compare_rows(self.store, series)
        way, series = self._rng.random(), self._rng.choice(self.model.series)
        if way < 0.3:
            reading.compare_over_the_wire(self.wire, series, self._rng)
        elif way < 0.5:
            reading.compare(self.store, series, self._rng)
        elif way < 0.7 and self.model.snapshots:
            name = self._rng.choice(list(self.model.snapshots))
            series = self._rng.choice(self.model.snapshots[name])
            reading.compare_rows(self.store, series, snapshot=name)

    def check_all(self) -> None:
        for stored in self.store.state.names.by_id.values():
            reading.check_ties(self.store, stored)
        for series in self.model.series:
            reading.compare(self.store, series, self._rng)
            reading.compare_over_the_wire(self.wire, series, self._rng)
        for name, pinned in self.model.snapshots.items():
            for series in pinned:
                reading.compare(self.store, series, self._rng, snapshot=name)

    def _over_the_wire(self) -> bool:
        return self._rng.random() < 0.4

    def _send(self, put: Put) -> Ack:
        if self._over_the_wire():
            return self.wire.put(put)
        return self.store.put(put).result(timeout=30)

    def _delete(self, series: SeriesModel, low: int | None, high: int | None) -> int:
        if self._over_the_wire():
            named = {"dataset": series.dataset, "timeframe": series.timeframe}
            return self.wire.db.delete(
                series.instrument, **named, start=time_of(low), end=time_of(high)
            ).rows
        words = (series.dataset, series.instrument, series.timeframe)
        return self.store.delete(*words, low, high).rows

    def put_new(self) -> str:
        series = self._rng.choice(self.model.series)
        self._changed = [series]
        rows = self._rows(series, self._rng.choice([0, 1, 2, 5, 30]))
        covers = self._window() if self._rng.random() < 0.3 else None
        batches = [self._batch(series, rows)]
        if len(rows) > 3 and self._rng.random() < 0.3:
            batches = [batches[0].slice(0, 2), batches[0].slice(2)]
        put = Put(series.dataset, batches, [_said(series, rows, covers)], self._rng.getrandbits(60))
        ack = self._send(put)
        assert (ack.rows, ack.duplicates) == (len(rows), len(rows) - len(dict(rows)))
        series.put(rows, covers)
        self._sent.append((series, put, rows, covers))
        self._acks[put.put_id] = ack
        return f"{series.dataset} {series.instrument} {len(rows)} rows, covers {covers}"

    def put_many(self) -> str:
        """Both candle series in one put."""
        self._changed = both = self.model.series[:2]
        rows = [self._rows(series, self._rng.choice([0, 1, 7])) for series in both]
        batches = [self._batch(s, r) for s, r in zip(both, rows, strict=True)]
        said = [_said(s, r, None) for s, r in zip(both, rows, strict=True)]
        self._send(Put("candles", batches, said, self._rng.getrandbits(60)))
        for series, its in zip(both, rows, strict=True):
            series.put(its, None)
        return f"{[len(r) for r in rows]} rows"

    def send_again(self) -> str:
        """A put of before under its old id: no change if it is remembered, else an upsert."""
        if not self._sent:
            return "nothing was sent"
        series, put, rows, covers = self._rng.choice(list(self._sent))
        self._changed = [series]
        remembered = self.store.state.remembered(put.put_id) is not None
        again = self._send(put)
        if remembered:
            assert again == self._acks[put.put_id]
        else:
            series.put(rows, covers)
        self._acks[put.put_id] = again
        return f"LSN {again.lsn}, remembered: {remembered}"

    def delete_range(self) -> str:
        series = self._rng.choice(self.model.series)
        first, last = self._window()
        if not series.exists:
            return "no such series"
        low, high = START + first * MINUTE, START + last * MINUTE
        if self._rng.random() < 0.1:
            first, low = 0, None
        elif self._rng.random() < 0.1:
            last, high = MINUTES, None
        self._changed = [series]
        assert self._delete(series, low, high) == series.delete(first, last)
        return f"{series.dataset} {series.instrument} [{first}, {last})"

    def delete_series(self) -> str:
        series = self._rng.choice(self.model.series)
        if not series.exists:
            return "no such series"
        self._changed = [series]
        assert self._delete(series, None, None) == len(series.rows)
        series.forget()
        return f"{series.dataset} {series.instrument}"

    def flush(self) -> str:
        return f"LSN {self.wire.db.flush() if self._over_the_wire() else self.store.flush()}"

    def compact(self) -> str:
        if self._rng.random() < 0.5:  # what the background thread does
            self.store.maintenance.step()
            return "upkeep"
        return str(self.store.compact(full=self._rng.random() < 0.5))

    def collect(self) -> str:
        return f"{self.store.maintenance.collect()} files"

    def snapshot(self) -> str:
        name = f"snapshot {self._rng.randrange(3)}"
        if name in self.model.snapshots:
            return "there already"
        self.store.snapshot(name)
        self.model.snapshot(name)
        return name

    def drop_snapshot(self) -> str:
        if not self.model.snapshots:
            return "none"
        name = self._rng.choice(list(self.model.snapshots))
        self.store.snapshots.drop(name)
        del self.model.snapshots[name]
        return name

    def restart(self) -> str:
        self.close()
        return self._open(self.store.files.root)

    def crash(self) -> str:
        self._turn += 1
        old = self.store.files.root
        copy = crash(self.store, self._root / str(self._turn))
        self.wire.close()
        shutil.rmtree(old)
        if self._rng.random() < 0.3:  # the beginning of a write that was never acknowledged
            log = max((copy / "log").iterdir())
            with log.open("ab") as file:
                file.write(self._rng.randbytes(self._rng.choice([1, 8, 100])))
        return self._open(copy)

    def close(self) -> None:
        self.wire.close()
        self.store.close()

    def _open(self, root: Path) -> str:
        self.limits = self._limits()
        self.store = stepped(root, self.limits, clock=lambda: NOW)
        self.wire = Wire(self.store)
        removed = self.store.sweep() if self._rng.random() < 0.7 else []
        return f"swept {len(removed)}, {self.limits}"

    def _limits(self) -> Limits:
        choose = self._rng.choice
        return replace(
            SMALL,
            bulk_put_bytes_min=choose([1, 300, 1 << 30]),
            bulk_run_bytes_min=1,
            log_file_bytes=choose([1, 4096]),
            segment_rows_max=choose([5, 20, 50]),
            compact_segments_min=choose([2, 3, 8]),
            compact_small_rows=choose([3, 20, 1000]),
            cold_age_days=choose([0.0, 1.0]),
        )

    def _window(self) -> tuple[int, int]:
        first = self._rng.randrange(MINUTES)
        return first, self._rng.randrange(first, MINUTES + 1)

    def _rows(self, series: SeriesModel, count: int) -> list[tuple[Key, Row]]:
        """New rows: in order behind the last, late, or anywhere and with repeated keys."""
        first = self._rng.randrange(MINUTES)
        if self._rng.random() < 0.6:
            minutes = [m for m in range(first, first + count) if m < MINUTES]
        else:
            minutes = [self._rng.randrange(MINUTES) for _ in range(count)]
        return [self._row(series, START + minute * MINUTE) for minute in minutes]

    def _row(self, series: SeriesModel, ts: int) -> tuple[Key, Row]:
        value = float(self._rng.randrange(1, 10**6))
        if series.dataset == "trades":
            # Several of one time, with ids of different lengths.
            number = str(self._rng.choice([7, 8, 9, 10, 11, 100]))
            return (ts, len(number), number), (ts, number, value)
        if series.dataset == "features":
            self._wide = self._wide or self._rng.random() < 0.01
            second = self._rng.choice([None, "", "é", "text"]) if self._wide else None
            return (ts,), (ts, value, second)
        return (ts,), (ts, value)

    def _batch(self, series: SeriesModel, rows: list[tuple[Key, Row]]) -> pa.RecordBatch:
        values = [row for _, row in rows]
        if series.dataset == "trades":
            return trades(values)
        times = [row[0] for row in values]
        if series.dataset == "candles":
            return candles(times, [row[1] for row in values])
        columns = {"x": pa.array([row[1] for row in values], pa.float64())}
        if self._wide:
            columns["y"] = pa.array([row[2] for row in values], pa.utf8())
        return own(times, **columns)


def _said(
    series: SeriesModel, rows: list[tuple[Key, Row]], covers: tuple[int, int] | None
) -> SeriesRows:
    spans = [] if covers is None else [tuple(START + minute * MINUTE for minute in covers)]
    return SeriesRows(series.instrument, series.timeframe, len(rows), covers=spans)


assert END < NOW
