"""ccxt's trades and bars as the store's columns."""

from __future__ import annotations

from typing import Any

import pytest

from flightstore_ingest.ccxt_source import rows
from flightstore_ingest.errors import Garbage

MS = 1_700_000_000_123


def trade(**changed: Any) -> dict[str, Any]:
    """A trade as ccxt hands it over."""
    usual = {"timestamp": MS, "id": "7", "price": 2.5, "amount": 0.5, "side": "buy", "info": {}}
    return usual | changed


def times(*trades: dict[str, Any], digits: int) -> list[int]:
    return rows.trades(trades, digits).column("ts").cast("int64").to_pylist()


def ids(*trades: dict[str, Any], twins: rows.Twins | None = None) -> list[str]:
    return rows.trades(trades, twins=twins).column("id").to_pylist()


def test_one_trade_has_one_time_over_rest_and_on_the_websocket() -> None:
    """Kraken: seconds with seven decimals here, microseconds there."""
    over_rest = trade(info=["2.5", "0.5", "1700000000.1234569", "b", "m", "", 7])
    streamed = trade(info={"trade_id": 7, "timestamp": "2023-11-14T22:13:20.123456Z"})
    assert times(over_rest, digits=6) == times(streamed, digits=6) == [1_700_000_000_123_456_000]


@pytest.mark.parametrize(
    ("text", "fraction"),
    [("2023-11-14T22:13:20Z", 0), ("2023-11-14T22:13:20.1Z", 100_000_000)],
)
def test_a_time_with_few_digits_is_as_exact_as_it_is_written(text: str, fraction: int) -> None:
    assert times(trade(info={"time": text}), digits=6) == [1_700_000_000 * 10**9 + fraction]


def test_a_time_that_cannot_be_read_finer_is_in_milliseconds() -> None:
    assert times(trade(info={"time": "2023-11-14T22:13:20.123+00:00"}), digits=6) == [
        MS * 1_000_000
    ]
    assert times(trade(info=["2.5", "0.5"]), digits=6) == [MS * 1_000_000]


def test_an_exchange_of_milliseconds_is_not_asked_for_more() -> None:
    assert times(trade(info={"time": "2023-11-14T22:13:20.123456Z"}), digits=3) == [MS * 1_000_000]


@pytest.mark.parametrize("timestamp", [None, 0, -1, "1700000000123"])
def test_a_trade_without_a_time_becomes_null_for_the_gate_to_refuse(timestamp: Any) -> None:
    assert rows.trades([trade(timestamp=timestamp)]).column("ts").null_count == 1


def test_an_unknown_side_is_neither_bought_nor_sold() -> None:
    table = rows.trades([trade(), trade(side="sell"), trade(side=None)])
    assert table.column("side").to_pylist() == [1, -1, 0]


def test_the_side_is_the_takers_as_ccxt_says_and_not_what_the_exchange_wrote() -> None:
    """Coinbase writes the maker's: sold by a maker is bought by a taker."""
    assert rows.trades([trade(side="buy", info={"side": "sell"})]).column("side")[0].as_py() == 1


def test_true_twins_without_an_id_stay_two_trades() -> None:
    twin = trade(id=None)
    first, second, other = ids(twin, twin, trade(id=None, price=3.0))
    assert len({first, second, other}) == 3


def test_the_same_page_gives_trades_without_an_id_the_same_ids_again() -> None:
    page = [trade(id=None), trade(id=None), trade(id=None, side="sell")]
    assert ids(*page) == ids(*page)


def test_twins_that_come_in_two_parts_of_a_stream_are_told_apart() -> None:
    seen = rows.Twins()
    assert ids(trade(id=None), twins=seen) != ids(trade(id=None), twins=seen)


def test_an_id_that_is_a_number_is_kept_as_text() -> None:
    assert ids(trade(id=12)) == ["12"]


def test_bars_that_are_no_lists_of_numbers_are_garbage() -> None:
    with pytest.raises(Garbage):
        rows.candles([[MS, "a", 1, 1, 1, 1]])
    with pytest.raises(Garbage):
        rows.candles([[MS, 1, 1, 1, 1, 1], [MS]])


def test_bars_of_nothing_but_null_are_left_to_the_gate() -> None:
    table = rows.candles([[None] * 6])
    assert [column.null_count for column in table.columns] == [1] * 6


def test_no_rows_make_a_table_without_rows() -> None:
    assert rows.candles([]).num_rows == rows.trades([]).num_rows == 0
