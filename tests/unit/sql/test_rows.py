"""The rows that are registered: slices where they can be, counted copies where they must be."""

from __future__ import annotations

import pytest
from tests.support.rows import MINUTE, NOON_2024, candles
from tests.support.stores import put, view

from flightstore_proto.errors import Overloaded
from flightstore_server.engine.store import Store
from flightstore_server.sql.predicates import EVERYTHING
from flightstore_server.sql.rows import Copies, rows_of


def _rows(store: Store, copies: Copies, timeframe: str) -> int:
    held = view(store, timeframe=timeframe)
    table = rows_of(held.series.dataset, [(held, EVERYTHING)], store.segments, copies, lambda: None)
    return int(table.num_rows)


def test_mapped_rows_are_no_copies(store: Store) -> None:
    copies = Copies(bytes_max=0)
    assert _rows(store, copies, "1h") == 5
    assert copies.bytes == 0


def test_merged_rows_are_copies_of_which_there_may_be_so_many(store: Store) -> None:
    copies = Copies(bytes_max=1 << 20)
    assert _rows(store, copies, "1m") == 300
    assert copies.bytes >= 20 * 6 * 8
    with pytest.raises(Overloaded, match=r"100 bytes, memory_bytes_max in \[sql\]"):
        _rows(store, Copies(bytes_max=100), "1m")


def test_rows_are_cut_at_the_times_asked_for(store: Store) -> None:
    held = view(store, timeframe="1m")
    span = (NOON_2024 + 5 * MINUTE, NOON_2024 + 7 * MINUTE)
    table = rows_of(
        held.series.dataset, [(held, span)], store.segments, Copies(1 << 20), lambda: None
    )
    assert table.column("ts_ns").to_pylist() == [NOON_2024 + n * MINUTE for n in (5, 6, 7)]


def test_small_series_share_batches(store: Store) -> None:
    for number in range(50):
        put(store, candles([NOON_2024], float(number)), instrument=f"many:S{number}/USD")
    names = store.reader.names("")
    found = [s for s in names.by_id.values() if s.instrument.exchange == "many"]
    parts = [(series_view, EVERYTHING) for series_view in store.state.view(found)]
    table = rows_of(found[0].dataset, parts, store.segments, Copies(1 << 20), lambda: None)
    assert (table.num_rows, len(table.to_batches())) == (50, 1)
    expected = [f"S{number}/USD" for number in range(50)]
    assert table.column("symbol").to_pylist() == expected
    assert table.column("close").to_pylist() == [float(number) for number in range(50)]
