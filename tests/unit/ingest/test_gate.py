"""No row enters the store unchecked."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pytest

from flightstore_ingest.errors import Garbage
from flightstore_ingest.gate import checked
from flightstore_ingest.source import Page, Series
from flightstore_proto.schemas import CANDLES, TRADES

MINUTE = 60 * 10**9
NOON = 1_700_049_600 * 10**9
BARS = Series("candles", "binance:BTC/USDT", "1m")
TICKS = Series("trades", "binance:BTC/USDT")
GOOD_BAR = {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 3.0}
GOOD_TRADE = {"id": "7", "price": 10.0, "amount": 0.5, "side": 1}


def nullable(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_nullable(True) for field in schema])


def bars(*rows: dict[str, Any]) -> Page:
    made = [{"ts": NOON + n * MINUTE, **GOOD_BAR, **row} for n, row in enumerate(rows)]
    return Page(pa.Table.from_pylist(made, nullable(CANDLES)))


def trades(*rows: dict[str, Any]) -> Page:
    made = [{"ts": NOON + n, **GOOD_TRADE, **row} for n, row in enumerate(rows)]
    return Page(pa.Table.from_pylist(made, nullable(TRADES)))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"ts": None}, "without ts"),
        ({"close": None}, "without close"),
        ({"ts": NOON + 1}, "a time between bars"),
        ({"high": 10.5}, "a high below its own open, low or close"),
        ({"low": 10.5}, "a low above its own open, high or close"),
        ({"volume": -1.0}, "no volume"),
        ({"volume": math.nan}, "no volume"),
        ({"open": 0.0, "high": 0.0, "low": 0.0, "close": 0.0}, "no price"),
        ({"close": math.inf, "high": math.inf}, "no price"),
        ({"open": math.nan}, "no price"),
    ],
)
def test_an_impossible_bar_is_refused_with_the_rule_it_breaks(
    row: dict[str, Any], said: str
) -> None:
    with pytest.raises(Garbage, match=said):
        checked(BARS, bars({}, row, {"ts": NOON + 5 * MINUTE}))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"ts": None}, "without ts"),
        ({"id": None}, "without id"),
        ({"id": ""}, "no id"),
        ({"price": -1.0}, "no price"),
        ({"price": None}, "without price"),
        ({"amount": math.nan}, "no amount"),
        ({"amount": -0.1}, "no amount"),
        ({"side": 2}, "a side other than"),
    ],
)
def test_an_impossible_trade_is_refused_with_the_rule_it_breaks(
    row: dict[str, Any], said: str
) -> None:
    with pytest.raises(Garbage, match=said):
        checked(TICKS, trades({}, row))


@pytest.mark.parametrize("ts", [NOON - MINUTE, NOON + 2 * MINUTE])
def test_a_row_from_outside_of_what_was_asked_for_is_refused(ts: int) -> None:
    with pytest.raises(Garbage, match="outside of what was asked for"):
        checked(BARS, bars({"ts": ts}), (NOON, NOON + 2 * MINUTE))


def test_a_refusal_names_the_series_and_the_row() -> None:
    with pytest.raises(Garbage, match=r"binance:BTC/USDT 1m: .*2023-11-15T12:01:00Z"):
        checked(BARS, bars({}, {"volume": -1.0}))


def test_rows_come_out_in_order_each_once() -> None:
    page = bars({"ts": NOON + MINUTE}, {"ts": NOON}, {"ts": NOON + MINUTE})
    got = checked(BARS, page).rows
    assert got.column("ts").cast(pa.int64()).to_pylist() == [NOON, NOON + MINUTE]
    assert got.schema == CANDLES


def test_two_different_rows_of_one_key_are_a_contradiction() -> None:
    with pytest.raises(Garbage, match="two different rows for one ts"):
        checked(BARS, bars({"ts": NOON}, {"ts": NOON, "close": 9.5}))


def test_trades_are_ordered_by_their_ids_as_numbers() -> None:
    page = trades(*({"ts": NOON, "id": id_} for id_ in ("10", "9", "100")))
    assert checked(TICKS, page).rows.column("id").to_pylist() == ["9", "10", "100"]


def test_trades_of_one_instant_are_all_kept() -> None:
    page = trades(*({"ts": NOON, "id": str(n)} for n in range(735)))
    assert checked(TICKS, page).rows.num_rows == 735


def test_a_flat_bar_without_volume_is_a_bar() -> None:
    quiet = {"open": 10.0, "high": 10.0, "low": 10.0, "close": 10.0, "volume": 0.0}
    assert checked(BARS, bars(quiet)).rows.num_rows == 1


def test_no_rows_keep_what_they_cover() -> None:
    empty = Page(CANDLES.empty_table(), (NOON, NOON + MINUTE))
    assert checked(BARS, empty) == empty


def test_a_table_without_the_columns_is_refused() -> None:
    with pytest.raises(Garbage, match="columns that are no candles"):
        checked(BARS, Page(pa.table({"ts": [NOON], "price": [1.0]})))
