"""Takes random steps on a store with rules, and on the model of it, and compares the two."""

from __future__ import annotations

import random
import shutil
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tests.model.derived_model import DerivedModel, Key, Name, RuleModel
from tests.model.wire import Wire
from tests.support import stores
from tests.support.naive_bars import Bar
from tests.support.rows import DAY, MINUTE, candles, trades
from tests.support.stores import SMALL, crash, put

from flightstore_proto.errors import DerivedSeries, RuleConflict
from flightstore_server.engine.limits import Limits
from flightstore_server.engine.queries import Query
from flightstore_server.engine.received import Put, SeriesRows
from flightstore_server.engine.retention import RetentionRule
from flightstore_server.engine.store import Store
from flightstore_server.storage.files import open_root

# Around the night in which New York's clocks went forward, and a month ended in between.
START = 1_709_856_000 * 10**9  # 2024-03-08
DAYS = 6
END = START + DAYS * DAY
NAMES: list[Name] = [
    ("trades", "binance:BTC/USDT", ""),
    ("trades", "kraken:BTC/EUR", ""),
    ("candles", "binance:ETH/USDT", "1m"),
    ("candles", "kraken:ETH/EUR", "1m"),
]
NEW_YORK = "America/New_York"
RULES = [
    RuleModel("minutes", "trades", "*:BTC/*", "", ("1m",)),
    RuleModel("hours", "candles", "*", "1m", ("5m", "1h")),
    RuleModel("days of hours", "candles", "*", "1h", ("1d",)),
    RuleModel("new york", "candles", "*", "1m", ("4h", "1d", "1w", "1M"), NEW_YORK, 0, "ny"),
    RuleModel("counts", "trades", "binance:*", "", ("5tick", "900volume", "90000dollar")),
    RuleModel("sessions", "trades", "*", "", ("1d", "7tick"), NEW_YORK, 17, "sessions"),
    RuleModel("india", "candles", "kraken:*", "1m", ("1h",), "Asia/Kolkata", 0, "india"),
]
AGE_DAYS = 30
RETENTION = [
    RetentionRule("trades", AGE_DAYS),
    RetentionRule("candles", AGE_DAYS, "kraken:ETH/*", "1m"),
]


class DerivedDriver:
    """One run. `root` is a directory of its own; each crash goes on in a new one below it.

    After each step at most `compared` series are compared of those that it concerns.
    The rules called `settled` are there from the start on and stay; others come and go.
    """

    compared = 5

    def __init__(self, root: Path, rng: random.Random, settled: Sequence[str] = ()) -> None:
        self._root, self._rng = root, rng
        self._settled = settled
        self._turn = 0
        self.now = START
        self.limits = self._limits()
        self.model = DerivedModel()
        self.snapshots: dict[str, DerivedModel] = {}
        self.taken: deque[str] = deque(maxlen=60)
        self.store = self._opened(root / "0")
        self.wire = Wire(self.store)
        # Which written series the last step may have changed.
        self._changed: list[Name] = []
        first = [rule for rule in RULES if rule.name in settled]
        for rule in first or rng.sample(RULES, 4):
            self.store.rules.add(rule.message())
            self.model.rules[rule.name] = rule
        self.steps: dict[Callable[[], str], int] = {
            self.put_rows: 30,
            self.put_row_by_row: 3,
            self.cover: 3,
            self.delete_range: 6,
            self.delete_series: 1,
            self.add_rule: 4,
            self.remove_rule: 3,
            self.write_to_a_derived_series: 2,
            self.let_old_rows_go: 1,
            self.read_a_part: 12,
            self.flush: 6,
            self.upkeep: 6,
            self.compact: 4,
            self.snapshot: 2,
            self.restart: 2,
            self.crash: 3,
        }

    def step(self) -> None:
        self._changed = NAMES
        [chosen] = self._rng.choices(list(self.steps), list(self.steps.values()))
        self.taken.append(chosen.__name__)
        self.taken[-1] += f": {chosen()}"

    def check(self) -> None:
        """What is derived from what the last step may have changed, and one read of a client."""
        makers = self.model.makers()
        concerned = {n for name in self._changed for n in self.model.dependents(name)}
        for name in self._rng.sample(sorted(concerned), min(self.compared, len(concerned))):
            assert self.read(name) == self.model.rows_of(name, makers), name
        if makers and self._rng.random() < 0.2:
            name = self._rng.choice(list(makers))
            found = bars_of([self.wire.rows(*name)])
            assert found == self.model.rows_of(name, makers), name

    def check_all(self) -> None:
        """Every derived series is what its base rows give, and there are no others."""
        self._check(self.model, "")
        for name, model in self.snapshots.items():
            self._check(model, name)
        every = self.store.state.names.by_id.values()
        made = {(s.dataset.name, str(s.instrument), s.timeframe_text) for s in every if s.derived}
        assert made == set(self.model.makers())

    def _check(self, model: DerivedModel, snapshot: str) -> None:
        for name, rows in model.derived().items():
            assert self.read(name, snapshot=snapshot) == rows, f"{name} of {snapshot!r}"

    def read(
        self, name: Name, start: int | None = None, end: int | None = None, snapshot: str = ""
    ) -> list[Bar]:
        dataset, instrument, timeframe = name
        words = {"dataset": dataset, "instrument": instrument, "timeframe": timeframe}
        found = stores.read(self.store, **words, start=start, end=end, snapshot=snapshot)
        return bars_of(found)

    def put_rows(self) -> str:
        name = self._rng.choice(NAMES)
        self._changed = [name]
        count = self._rng.choice([0, 1, 2, 10, 40])
        return self._put(name, self._rows(name, count))

    def put_row_by_row(self) -> str:
        name = self._rng.choice(NAMES)
        self._changed = [name]
        for row in self._rows(name, 6):
            self._put(name, [row])
            if self._rng.random() < 0.3:
                self.read_a_part()
        return str(name)

    def _put(self, name: Name, rows: list[tuple[Key, Bar]]) -> str:
        self._send(name, rows)
        self.model.put(name, rows)
        return f"{name} {len(rows)} rows"

    def cover(self) -> str:
        name = self._rng.choice(NAMES)
        self._changed = [name]
        low, high = self._span()
        self._send(name, [], [(low, high)])
        self.model.cover(name, low, high)
        return f"{name} [{low}, {high})"

    def _send(
        self, name: Name, rows: list[tuple[Key, Bar]], covers: Sequence[tuple[int, int]] = ()
    ) -> None:
        dataset, instrument, timeframe = name
        said = SeriesRows(instrument, timeframe, len(rows), covers=covers)
        sent = Put(dataset, [batch_of(rows, dataset)], [said], self._rng.getrandbits(60))
        if self._over_the_wire():
            self.wire.put(sent)
        else:
            self.store.put(sent).result(timeout=30)

    def _over_the_wire(self) -> bool:
        return self._rng.random() < 0.3

    def delete_range(self) -> str:
        if not self.model.written:
            return "nothing is there"
        name = self._rng.choice(list(self.model.written))
        self._changed = [name]
        low, high = self._span()
        deleted = self.store.delete(*name, low, high)
        assert deleted.rows == self.model.delete(name, low, high)
        return f"{name} [{low}, {high}) {deleted.rows} rows"

    def delete_series(self) -> str:
        if not self.model.written:
            return "nothing is there"
        name = self._rng.choice(list(self.model.written))
        self._changed = [name]
        rows = self.store.delete(*name, None, None).rows
        assert rows == self.model.forget(name)
        return str(name)

    def add_rule(self) -> str:
        rule = self._rng.choice(RULES)
        if rule.name in self.model.rules:
            with pytest.raises(RuleConflict):
                self.store.rules.add(rule.message())
            return f"{rule.name} is there"
        if self._over_the_wire():
            self.wire.add_rule(rule.message())
        else:
            self.store.rules.add(rule.message())
        self.model.rules[rule.name] = rule
        return rule.name

    def remove_rule(self) -> str:
        removable = [name for name in self.model.rules if name not in self._settled]
        if not removable:
            return "there is none"
        name = self._rng.choice(removable)
        if self._over_the_wire():
            self.wire.db.rules.remove(name)
        else:
            self.store.rules.remove(name)
        self.model.remove_rule(name)
        return name

    def write_to_a_derived_series(self) -> str:
        makers = self.model.makers()
        if not makers:
            return "there is none"
        dataset, instrument, timeframe = name = self._rng.choice(list(makers))
        words = {"dataset": dataset, "instrument": instrument, "timeframe": timeframe}
        with pytest.raises(DerivedSeries):
            put(self.store, candles([START]), **words)
        with pytest.raises(DerivedSeries):
            self.store.delete(*name, None, None)
        return str(name)

    def let_old_rows_go(self) -> str:
        cutoff = (self.now // DAY + self._rng.choice([0, 1])) * DAY
        if cutoff > END - 3 * DAY:
            return "not so early"
        self.now = max(self.now + 2 * 3_600 * 10**9, cutoff)
        self.store.upkeep()
        for name in list(self.model.written):
            if name[0] == "trades" or name[1] == "kraken:ETH/EUR":
                self.model.let_go(name, self.now // DAY * DAY)
        return f"before {self.now // DAY * DAY}"

    def read_a_part(self) -> str:
        makers = list(self.model.makers())
        if not makers:
            return "there is none"
        name = self._rng.choice(makers)
        self._changed = []
        low, high = self._span()
        rows = self.model.rows_of(name, self.model.makers())
        rows = [row for row in rows if low <= row[0] < high]
        if self._over_the_wire():
            assert bars_of([self.wire.rows(*name, low, high)]) == rows
        else:
            assert self.read(name, low, high) == rows
        self._read_closed(name)
        return f"{name} [{low}, {high})"

    def _read_closed(self, name: Name) -> None:
        if name[2][-1] in "ker":
            return
        query = Query(name[0], [name[1]], name[2], closed=True)
        selection = self.store.reader.select(query)
        until = self.model.closed_until(name)
        rows = self.model.rows_of(name, self.model.makers())
        rows = [row for row in rows if row[0] < until]
        assert bars_of(list(selection.rows(selection.views[0]))) == rows

    def flush(self) -> str:
        return f"LSN {self.store.flush()}"

    def upkeep(self) -> str:
        self.store.maintenance.step()
        return ""

    def compact(self) -> str:
        return str(self.store.compact(full=self._rng.random() < 0.5))

    def snapshot(self) -> str:
        name = f"snapshot {self._rng.randrange(2)}"
        if name in self.snapshots:
            self.store.drop_snapshot(name)
            del self.snapshots[name]
            return f"{name} is dropped"
        self.store.snapshot(name)
        self.snapshots[name] = self.model.copy()
        return name

    def restart(self) -> str:
        self.wire.close()
        self.store.close()
        self.store = self._opened(self.store.files.root)
        self.wire = Wire(self.store)
        return str(self.limits)

    def crash(self) -> str:
        self._turn += 1
        old = self.store.files.root
        copy = crash(self.store, self._root / str(self._turn))
        self.wire.close()
        shutil.rmtree(old)
        self.store = self._opened(copy)
        self.wire = Wire(self.store)
        return str(self.limits)

    def close(self) -> None:
        self.wire.close()
        self.store.close()

    def _opened(self, root: Path) -> Store:
        self.limits = self._limits()
        store = Store(
            open_root(root),
            self.limits,
            clock=lambda: self.now + AGE_DAYS * DAY,
            upkeep_thread=False,
            retention=RETENTION,
        )
        store.sweep()
        return store

    def _limits(self) -> Limits:
        choose = self._rng.choice
        return replace(
            SMALL,
            bulk_put_bytes_min=choose([1, 500, 1 << 30]),
            segment_rows_max=choose([5, 20, 50]),
            compact_segments_min=choose([2, 3, 8]),
            compact_small_rows=choose([3, 20, 1000]),
            flush_records=choose([3, 1000]),
        )

    def _span(self) -> tuple[int, int]:
        first = self._rng.randrange(DAYS * 1_440)
        length = self._rng.choice([1, 60, 400, 3_000])
        return START + first * MINUTE, min(END, START + (first + length) * MINUTE)

    def _rows(self, name: Name, count: int) -> list[tuple[Key, Bar]]:
        """New rows: close together or far apart, with repeated keys among them."""
        first = self._rng.randrange(DAYS * 1_440)
        reach = self._rng.choice([3, 50, 2_000])
        rows: list[tuple[Key, Bar]] = []
        for _ in range(count):
            minute = min(first + self._rng.randrange(reach), DAYS * 1_440 - 1)
            ts, price = START + minute * MINUTE, self._rng.randrange(1, 10_000) / 10
            if name[0] == "trades":
                ts += self._rng.choice([0, 0, 1, 59_999_999_000])
                number = str(self._rng.choice([7, 8, 9, 10, 11]))
                values = (ts, price, price, price, price, price * 2)
                rows.append(((ts, len(number), number), values))
            else:
                values = (ts, price - 0.25, price + 1, price - 1, price, price * 2)
                rows.append(((ts, 0, ""), values))
        return rows


def batch_of(rows: Sequence[tuple[Key, Bar]], dataset: str) -> pa.RecordBatch:
    """Rows of the model as the store takes them."""
    if dataset == "trades":
        return trades([(key[0], key[2], bar[1]) for key, bar in rows])
    return candles([key[0] for key, _ in rows], np.array([bar[4] for _, bar in rows]))


def bars_of(batches: Sequence[pa.RecordBatch]) -> list[Bar]:
    """Stored rows as the model has them."""
    found: list[Bar] = []
    for batch in batches:
        ts = batch.column("ts").cast(pa.int64()).to_pylist()
        values = [column.to_pylist() for column in batch.columns[1:]]
        found += zip(ts, *values, strict=True)
    return found
