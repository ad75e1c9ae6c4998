"""Which rules may stand beside each other, and which series they bring into being and take away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.model.derived_driver import bars_of
from tests.support.rows import MINUTE, NOON_2024, candles, own, trades
from tests.support.stores import BTC, crash, put, read, stepped

from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.errors import (
    DerivedSeries,
    RuleConflict,
    SchemaMismatch,
    UnknownDataset,
    UnknownInstrument,
    UnknownRule,
)
from flightstore_server.engine.commits import Pending
from flightstore_server.engine.received import Put, SeriesRows
from flightstore_server.engine.store import Store
from flightstore_server.storage.catalog import DERIVED_IDS

TIMES = [NOON_2024 + minute * MINUTE for minute in range(10)]
ETH = "kraken:ETH/EUR"
NEW_YORK = "America/New_York"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = stepped(tmp_path / "data")
    yield opened
    opened.close()


def add(store: Store, on: str, *to: str, **words: str) -> pb.Rule:
    return store.rules.add(pb.Rule(on=on, to=to, **words))


def derived(store: Store) -> list[str]:
    every = store.state.names.by_id.values()
    return sorted(str(series) for series in every if series.derived is not None)


def test_derived_series_come_with_their_base(store: Store) -> None:
    assert add(store, "candles/*/1m", "5m", "1h").series == 0
    put(store, candles(TIMES))
    assert derived(store) == [f"candles {BTC} 1h", f"candles {BTC} 5m"]


def test_derived_series_come_with_their_rule(store: Store) -> None:
    put(store, candles(TIMES))
    assert add(store, "candles/*/1m", "5m").series == 1
    assert [batch.num_rows for batch in read(store, timeframe="5m")] == [2]


def test_a_series_without_rows_has_derived_ones(store: Store) -> None:
    add(store, "candles/*/1m", "5m")
    put(store, candles([]), covers=[(0, MINUTE)])
    assert derived(store) == [f"candles {BTC} 5m"]
    assert read(store, timeframe="5m") == []


@pytest.mark.parametrize("longest_first", [True, False])
def test_rules_make_chains_in_whatever_order_they_come(store: Store, longest_first: bool) -> None:
    chain = [("trades/*", "1m"), ("candles/*/1m", "5m"), ("candles/*/5m", "1h")]
    put(store, trades([(TIMES[0], "1", 3.0)]), dataset="trades", timeframe="")
    for on, to in reversed(chain) if longest_first else chain:
        add(store, on, to)
    assert [b.column("close").to_pylist() for b in read(store, timeframe="1h")] == [[3.0]]
    trade = store.state.names.get("trades", BTC, "")
    assert [str(s) for s in trade.dependents] == [f"candles {BTC} {t}" for t in ("1m", "5m", "1h")]


def test_a_rule_covers_only_what_its_pattern_fits(store: Store) -> None:
    add(store, "candles/kraken:*/1m", "5m")
    put(store, candles(TIMES))
    put(store, candles(TIMES), instrument=ETH)
    assert derived(store) == [f"candles {ETH} 5m"]


def test_a_derived_series_says_where_it_comes_from(store: Store) -> None:
    add(store, "candles/*/1m", "1d", timezone=NEW_YORK, offset="17h", into="sessions", name="mine")
    put(store, candles(TIMES))
    said = store.state.names.get("sessions", BTC, "1d").metadata
    assert said == {
        "rule": "mine",
        "derived_from": f"candles {BTC} 1m",
        "timezone": NEW_YORK,
        "offset": "17h",
    }


def test_what_is_said_of_a_base_holds_for_what_is_derived_from_it(store: Store) -> None:
    """A key that was taken from the base stayed with what is derived."""
    add(store, "candles/*/1m", "5m")
    add(store, "candles/*/5m", "1h")
    put(store, candles(TIMES))
    store.describe("candles", BTC, "1m", {"listed": "2020-01-01", "note": "mine", "source": "x"})
    store.describe("candles", BTC, "1m", {"source": ""})
    hour = store.state.names.get("candles", BTC, "1h").metadata
    assert hour == {"rule": "candles/*/5m", "derived_from": f"candles {BTC} 5m"} | {
        "listed": "2020-01-01"
    }


@pytest.mark.parametrize("with_rows", [True, False])
def test_other_writers_are_refused_by_name(store: Store, with_rows: bool) -> None:
    add(store, "candles/*/1m", "5m", name="fives")
    if with_rows:
        put(store, candles(TIMES))
    said = f"candles {BTC} 5m is kept by the rule 'fives' and takes no other rows; write what it"
    with pytest.raises(DerivedSeries, match=said):
        put(store, candles(TIMES[:1]), timeframe="5m")


def test_a_derived_series_is_not_deleted_or_described(store: Store) -> None:
    add(store, "candles/*/1m", "5m")
    put(store, candles(TIMES))
    with pytest.raises(DerivedSeries):
        store.delete("candles", BTC, "5m", None, None)
    with pytest.raises(DerivedSeries):
        store.describe("candles", BTC, "5m", {"note": "mine"})


def test_a_rule_that_collides_with_a_written_series_is_refused_by_name(store: Store) -> None:
    put(store, candles(TIMES[:1]), timeframe="5m")
    with pytest.raises(RuleConflict, match=f"candles {BTC} 5m was written by somebody, so that"):
        add(store, "candles/*/1m", "5m")
    assert store.rules.list() == []
    add(store, "candles/*/1m", "5m", into="bars")
    store.delete("candles", BTC, "5m", None, None)
    add(store, "candles/*/1m", "5m")


def test_a_name_stands_for_one_rule(store: Store) -> None:
    add(store, "candles/*/1m", "5m", name="mine")
    with pytest.raises(RuleConflict, match="There is a rule 'mine' already; remove it first"):
        add(store, "candles/*/1m", "1h", name="mine")


def test_two_rules_do_not_keep_the_same_series(store: Store) -> None:
    add(store, "candles/*/1m", "5m", name="mine")
    with pytest.raises(RuleConflict, match="'mine' keeps series of the same names in 'candles'"):
        add(store, "trades/*", "5m")
    add(store, "trades/*", "5m", into="bars")


def test_bars_of_one_calendar_are_not_made_of_those_of_another(store: Store) -> None:
    """Days of New York were taken for days of UTC, and made weeks that began on Sunday evening."""
    add(store, "candles/*/1m", "1d", timezone=NEW_YORK, into="ny", name="days")
    with pytest.raises(RuleConflict, match="'days' keeps follow the clock of America/New_York"):
        add(store, "ny/*/1d", "1w", into="ny")


def test_nor_if_the_other_rule_comes_first(store: Store) -> None:
    put(store, candles([]), dataset="ny", timeframe="1h", free=True)
    add(store, "ny/kraken:*/1d", "1w", into="ny", name="weeks")
    with pytest.raises(RuleConflict, match="and 'weeks' would make bars of them that do not"):
        add(store, "candles/*/1m", "1d", timezone=NEW_YORK, into="ny")


def test_bars_are_kept_beside_written_ones_of_the_same_columns(tmp_path: Path) -> None:
    store = stepped(tmp_path / "0")
    put(store, candles(TIMES[:1]), dataset="bars", timeframe="1h")
    add(store, "candles/*/1m", "5m", into="bars")
    put(store, candles(TIMES))
    for number in range(3):
        put(store, candles(TIMES[:1], 4.0 + number))
        batches = read(store, dataset="bars", timeframe="5m")
        assert [bar[2] for bar in bars_of(batches)] == [5.0 + number, 2.0]
        assert batches[0].schema == read(store, dataset="bars", timeframe="1h")[0].schema
        store.flush()
        store.compact(full=True)
        store = stepped(crash(store, tmp_path / str(number + 1)))
    store.close()


@pytest.mark.parametrize(
    ("on", "kind"), [("own/*/1m", "candles"), ("own/*", "trades"), ("candles2/*", "trades")]
)
def test_bars_are_made_of_candles_or_trades(store: Store, on: str, kind: str) -> None:
    put(store, own(TIMES, x=[1.0] * 10), dataset="own")
    put(store, candles(TIMES), dataset="candles2")
    with pytest.raises(RuleConflict, match=f"does not have the columns of {kind}, so no bars can"):
        add(store, on, "1h")


def test_rows_with_more_columns_than_trades_make_bars(store: Store) -> None:
    rows = trades([(TIMES[0], "1", 3.0)])
    put(store, rows, dataset="ticks", timeframe="", key="ts,id")
    add(store, "ticks/*", "1m")
    assert [b.column("close").to_pylist() for b in read(store)] == [[3.0]]


def test_bars_are_not_kept_among_other_columns(store: Store) -> None:
    put(store, own(TIMES, x=[1.0] * 10), dataset="own")
    with pytest.raises(RuleConflict, match="'own' has other columns than candles; name another"):
        add(store, "candles/*/1m", "5m", into="own")


def test_a_dataset_that_is_not_there_is_not_derived_from(store: Store) -> None:
    with pytest.raises(UnknownDataset, match="There is no dataset 'own' here"):
        add(store, "own/*/1m", "5m")


def test_the_dataset_of_a_rule_takes_other_series_and_columns(store: Store) -> None:
    add(store, "candles/*/1m", "5m", into="bars")
    put(store, candles(TIMES))
    before = read(store, dataset="bars", timeframe="5m")
    wide = candles(TIMES[:1]).append_column("note", own([0], n=["mine"]).column("n"))
    put(store, wide, dataset="bars", timeframe="1h")
    put(store, candles(TIMES[:1], 5.0))
    after = read(store, dataset="bars", timeframe="5m")
    assert after[0].column("note").to_pylist() == [None, None]
    assert after[0].column("close").to_pylist() == before[0].column("close").to_pylist()
    assert after[0].column("high").to_pylist()[0] == 6.0


def test_a_dataset_that_a_rule_was_faster_to_make_refuses_other_columns(store: Store) -> None:
    """The rows were prepared while the dataset did not exist yet, for columns of their own."""
    wide = {name: [1.0] * 10 for name in "abcdefgh"}
    late = store._pending(Put("bars", [own(TIMES, **wide)], [SeriesRows(BTC, "", 10)]))
    add(store, "candles/*/1m", "5m", into="bars")
    put(store, candles(TIMES))
    with pytest.raises(SchemaMismatch, match="'bars' needs the column 'open'"):
        store.committer.submit(late).result(timeout=30)
    assert [batch.num_rows for batch in read(store, dataset="bars", timeframe="5m")] == [2]


@pytest.mark.parametrize("base", [True, False])
def test_rows_that_were_prepared_before_a_rule_came_are_refused(store: Store, base: bool) -> None:
    """Without a base there was no derived series to meet, and the rows took its name."""
    late = store._pending(Put("candles", [candles(TIMES[:1])], [SeriesRows(BTC, "5m", 1)]))
    if base:
        put(store, candles(TIMES))
    add(store, "candles/*/1m", "5m")
    with pytest.raises(DerivedSeries):
        store.committer.submit(late).result(timeout=30)


def test_a_rule_that_is_removed_takes_along_what_came_of_it(store: Store) -> None:
    add(store, "trades/*", "1m", name="minutes")
    add(store, "candles/*/1m", "5m")
    put(store, trades([(TIMES[0], "1", 3.0)]), dataset="trades", timeframe="")
    removed = store.rules.remove("minutes")
    assert (removed.name, removed.series) == ("minutes", 1)
    assert derived(store) == []
    assert store.state.names.get("trades", BTC, "").dependents == ()
    put(store, candles(TIMES))
    assert derived(store) == [f"candles {BTC} 5m"]


def test_a_rule_that_is_not_there_is_not_removed(store: Store) -> None:
    add(store, "trades/*", "1m", name="minutes")
    with pytest.raises(UnknownRule, match=r"There is no rule 'minute'\. Did you mean minutes"):
        store.rules.remove("minute")


def test_a_base_that_is_deleted_takes_along_what_is_derived(store: Store) -> None:
    add(store, "candles/*/1m", "5m")
    put(store, candles(TIMES))
    store.delete("candles", BTC, "1m", None, None)
    with pytest.raises(UnknownInstrument):
        read(store, timeframe="5m")
    put(store, candles(TIMES[:1]))
    assert [batch.num_rows for batch in read(store, timeframe="5m")] == [1]


@pytest.mark.parametrize("flushed", [True, False])
def test_after_a_crash_rules_and_their_series_are_there_again(
    tmp_path: Path, flushed: bool
) -> None:
    store = stepped(tmp_path / "0")
    add(store, "candles/*/1m", "5m", into="bars", name="fives")
    put(store, candles(TIMES))
    if flushed:
        store.flush()
    add(store, "bars/*/5m", "1h", into="bars", name="hours")
    put(store, candles(TIMES, 7.0))
    expected = read(store, dataset="bars", timeframe="1h")
    listed = store.rules.list()
    store = stepped(crash(store, tmp_path / "1"))
    assert store.rules.list()[0].name == listed[0].name == "fives"
    assert read(store, dataset="bars", timeframe="1h") == expected
    store.flush()
    store = stepped(crash(store, tmp_path / "2"))
    assert read(store, dataset="bars", timeframe="1h") == expected
    store.close()


def test_ids_of_derived_series_and_of_others_never_meet(tmp_path: Path) -> None:
    store = stepped(tmp_path / "0")
    for number in range(3):
        add(store, "candles/*/1m", "5m", into=f"bars{number}")
        put(store, candles(TIMES), instrument=f"kraken:C{number}/EUR")
        put(store, candles(TIMES[:1]), dataset=f"bars{number}", timeframe="1h")
        if number == 1:
            store.flush()
        store = stepped(crash(store, tmp_path / str(number + 1)))
    every = store.state.names.by_id
    assert len(every) == 3 + 3 + 3 * 3
    assert all((number >= DERIVED_IDS) is bool(s.derived) for number, s in every.items())
    ids = [*every, *(dataset.id for dataset in store.state.names.datasets.values())]
    assert len(ids) == len(set(ids) | {1, 2, 3}) or len(set(every)) == len(every)
    store.close()


def test_a_rule_that_was_removed_before_a_flush_leaves_nothing_in_the_catalog(
    tmp_path: Path,
) -> None:
    store = stepped(tmp_path / "0")
    add(store, "candles/*/1m", "5m", name="mine")
    put(store, candles(TIMES))
    store.rules.remove("mine")
    store.flush()
    assert store.catalog.load().rules == []
    assert [row.timeframe for row in store.catalog.load().series] == ["1m"]
    store.close()


def test_a_removal_that_is_replayed_after_its_series_are_gone_is_harmless(store: Store) -> None:
    record = pb.LogRecord(rule=pb.LogRule(rule=pb.Rule(name="never"), removed=True))
    store.committer.submit(Pending(record)).result(timeout=30)
    assert store.rules.list() == []
