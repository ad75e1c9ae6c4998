"""The newest rows: always those that a read finds, and looked up only where something changed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.rows import DAY, MINUTE, NOON_2024, candles, own, trades
from tests.support.seeds import generator, scaled
from tests.support.stores import SMALL, put, stepped

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import BadRequest, Corrupt
from flightstore_server.engine import latest as module
from flightstore_server.engine.latest import Newest
from flightstore_server.engine.queries import Query
from flightstore_server.engine.store import Store

NAMES = ["x:A", "x:B", "y:C"]
BARS = Query("candles", ["*"], "1m")
TRADES = Query("trades", ["*"])
QUERIES = [
    BARS,
    TRADES,
    Query("mine", ["x:*"]),
    *(Query("candles", ["*"], text) for text in ("5m", "3tick")),
]
RULES = [
    pb.Rule(name="fives", on="candles/*/1m", to=["5m"]),
    pb.Rule(name="ticks", on="trades/*", to=["3tick"]),
]


def _read(store: Store, query: Query) -> list[dict[str, object]]:
    """The last row of each series, as reads find it."""
    found = []
    selection = store.reader.select(replace(query, tail=1))
    for view in selection.views:
        for batch in selection.rows(view):
            name = view.series.instrument
            [row] = batch.to_pylist()
            found.append({"exchange": name.exchange, "symbol": name.symbol, **row})
    return found


def _closed(store: Store, query: Query) -> list[bool]:
    """Whether a read of what is over holds those rows."""
    rows = _read(store, query)
    over = {
        (r["exchange"], r["symbol"], r["ts"]) for r in _read(store, replace(query, closed=True))
    }
    return [(row["exchange"], row["symbol"], row["ts"]) in over for row in rows]


def _check(store: Store, newest: Newest, query: Query) -> None:
    try:
        expected = _read(store, query)
    except BadRequest as error:  # there is no such series yet, or no longer
        with pytest.raises(type(error)):
            newest.rows(query)
        return
    found = newest.rows(query).table
    if query.timeframe:
        assert found.column("closed").to_pylist() == _closed(store, query)
        found = found.drop_columns("closed")
    assert found.to_pylist() == expected


class _Random:
    """One store, and whatever may happen to it."""

    def __init__(self, rng: random.Random, store: Store) -> None:
        self.rng, self.store = rng, store
        self.rows = 0

    def step(self) -> None:
        kinds: list[Callable[[], object]] = [self._bars] * 6 + [self._trades] * 4 + [self._own] * 2
        kinds += [self._delete, self._delete, self._flush, self._compact, self._cover, self._rule]
        self.rng.choice(kinds)()

    def _times(self) -> list[int]:
        first = self.rng.randrange(60)
        minutes = range(first, first + self.rng.choice([1, 1, 3, 80]))
        return [NOON_2024 + minute * MINUTE for minute in minutes]

    def _bars(self) -> None:
        self.rows += 1
        name = self.rng.choice(NAMES)
        put(self.store, candles(self._times(), float(self.rows)), instrument=name)

    def _trades(self) -> None:
        # Few times and ids, so that some share a time and others are the same.
        made = {
            (self.rng.choice(self._times()), str(self.rng.randrange(1, 120))): 1.0
            for _ in range(self.rng.choice([1, 4]))
        }
        self.rows += 1
        keys = sorted(made, key=lambda key: (key[0], len(key[1]), key[1]))
        rows = trades([(ts, number, float(self.rows)) for ts, number in keys])
        name = self.rng.choice(NAMES)
        put(self.store, rows, dataset="trades", instrument=name, timeframe="")

    def _own(self) -> None:
        """A dataset that gains a column on its way."""
        columns = {"a": [self.rows]} if self.rows < 60 else {"a": [self.rows], "b": ["x"]}
        row = own([self.rng.choice(self._times())], **columns)
        put(self.store, row, dataset="mine", instrument=self.rng.choice(NAMES), timeframe="")

    def _cover(self) -> None:
        low = NOON_2024 + self.rng.randrange(60) * MINUTE
        name = self.rng.choice(NAMES)
        put(self.store, candles([]), covers=[(low, low + 10 * MINUTE)], instrument=name)

    def _delete(self) -> None:
        low = NOON_2024 + self.rng.randrange(100) * MINUTE
        high = self.rng.choice([None, low + 5 * MINUTE])
        dataset, timeframe = self.rng.choice([("candles", "1m"), ("trades", ""), ("mine", "")])
        known = [
            str(series.instrument)
            for series in self.store.state.names.select(dataset, [], timeframe)
            if series.timeframe_text == timeframe and series.derived is None
        ]
        if known:
            name = self.rng.choice(known)
            whole = self.rng.random() < 0.1
            self.store.delete(
                dataset, name, timeframe, None if whole else low, None if whole else high
            )

    def _flush(self) -> None:
        self.store.flush()

    def _compact(self) -> None:
        self.store.compact(full=self.rng.random() < 0.5)

    def _rule(self) -> None:
        rule = self.rng.choice(RULES)
        if rule.name in {known.name for known in self.store.rules.list()}:
            self.store.rules.remove(rule.name)
        else:
            self.store.rules.add(rule)


def test_they_are_what_reads_find_whatever_happens(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rng = generator("newest rows")
    for turn in range(scaled(request.config, ci=3, nightly=100)):
        store = stepped(tmp_path / str(turn), SMALL)
        newest, events = Newest(store), _Random(rng, store)
        for _ in range(120):
            events.step()
            _check(store, newest, rng.choice(QUERIES))
        store.close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = stepped(tmp_path / "data")
    for name in NAMES:
        put(store, candles([NOON_2024, NOON_2024 + MINUTE]), instrument=name)
    return store


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The instruments whose rows were looked up."""
    names: list[str] = []
    plain = module.newest_row

    def spied(view, segments):  # type: ignore[no-untyped-def]
        names.append(str(view.series.instrument))
        return plain(view, segments)

    monkeypatch.setattr(module, "newest_row", spied)
    return names


def test_only_what_has_changed_is_looked_up(store: Store, looked_up: list[str]) -> None:
    newest = Newest(store)
    newest.rows(BARS)
    assert looked_up == NAMES
    looked_up.clear()
    assert newest.rows(BARS) is newest.rows(BARS)
    put(store, candles([NOON_2024 + 2 * MINUTE]), instrument="x:B")
    assert newest.rows(BARS).table.num_rows == 3
    assert looked_up == ["x:B"]


def test_a_flush_has_no_file_opened(store: Store, looked_up: list[str]) -> None:
    newest = Newest(store)
    before = newest.rows(BARS).table
    looked_up.clear()
    store.flush()
    put(store, candles([NOON_2024]), instrument="z:D")  # or nothing was logged, and nobody looks
    assert newest.rows(BARS).table.slice(0, 3).equals(before)
    assert looked_up == ["z:D"]


def test_series_that_come_and_go_leave_what_is_known_of_the_others(
    store: Store, looked_up: list[str]
) -> None:
    newest = Newest(store)
    newest.rows(BARS)
    looked_up.clear()
    store.delete("candles", "x:A", "1m", None, None)
    put(store, candles([NOON_2024]), instrument="x:AA")
    found = newest.rows(BARS).table
    assert found.column("symbol").to_pylist() == ["AA", "B", "C"]
    assert looked_up == ["x:AA"]


def test_only_so_many_answers_are_kept(store: Store, looked_up: list[str]) -> None:
    newest = Newest(store)
    for number in range(40):
        newest.rows(Query("candles", ["x:A", *["x:B"] * number], "1m"))
    looked_up.clear()
    newest.rows(Query("candles", ["x:A"], "1m"))
    assert looked_up == ["x:A"]


def test_a_damaged_file_is_asked_for_again_until_it_is_mended(tmp_path: Path) -> None:
    store = stepped(tmp_path / "data")
    for name in NAMES:
        put(store, candles([NOON_2024, NOON_2024 + DAY]), instrument=name)
    store.flush()
    newest = Newest(store)
    [file] = (tmp_path / "data" / "segments").rglob("*symbol=B/*/*.arrow")
    intact = file.read_bytes()
    file.write_bytes(bytes(len(intact)))
    for _ in range(2):
        found = newest.rows(BARS)
        assert found.table.column("symbol").to_pylist() == ["A", "C"]
        assert isinstance(found.problems["x:B"], Corrupt)
    file.write_bytes(intact)
    for view in store.state.view(store.state.names.by_id.values()):
        for segment in view.segments:
            store.segments.forget(segment.id)
    assert newest.rows(BARS).table.num_rows == 3
    assert not newest.rows(BARS).problems
    store.close()
