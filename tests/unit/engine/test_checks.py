"""Puts of many series: their rows are checked all together, and told apart where one is wrong."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from tests.support.rows import NOON_2024, candles
from tests.support.stores import stepped

from flightstore_proto.errors import InvalidRows
from flightstore_server.engine.received import Put, SeriesRows

MINUTE = 60 * 10**9


def put_of(*parts: tuple[str, str, pa.RecordBatch]) -> Put:
    """One put of several series of candles: (symbol, timeframe, rows)."""
    said = [
        SeriesRows(f"binance:{symbol}", timeframe, len(rows)) for symbol, timeframe, rows in parts
    ]
    return Put("candles", [pa.concat_batches([rows for _, _, rows in parts])], said)


def bars(*minutes: float, close: float = 100.0) -> pa.RecordBatch:
    return candles([NOON_2024 + int(m * MINUTE) for m in minutes], close)


def test_a_wrong_row_among_many_series_is_named_by_its_series_and_its_place_there(
    tmp_path: Path,
) -> None:
    store = stepped(tmp_path)
    good = [(f"S{n}/USDT", "1m", bars(0, 1, 2)) for n in range(50)]
    wrong = ("BAD/USDT", "1m", bars(0, 1.5))
    with pytest.raises(InvalidRows, match="Row 1 of candles binance:BAD/USDT 1m"):
        store.put(put_of(*good, wrong, *[("LAST/USDT", "1m", bars(0))])).result()
    assert store.state.names.by_id == {}
    store.close()


def test_series_of_several_timeframes_are_each_held_to_their_own_grid(tmp_path: Path) -> None:
    store = stepped(tmp_path)
    ack = store.put(put_of(("A/USDT", "1m", bars(0, 1)), ("A/USDT", "1h", bars(0, 60)))).result()
    assert ack.rows == 4
    with pytest.raises(InvalidRows, match="Row 1 of candles binance:A/USDT 1h"):
        store.put(put_of(("A/USDT", "1m", bars(0, 1)), ("A/USDT", "1h", bars(0, 1)))).result()
    store.close()


def test_only_the_series_whose_rows_are_out_of_order_is_put_into_order(tmp_path: Path) -> None:
    store = stepped(tmp_path)
    mixed = put_of(
        ("A/USDT", "1m", bars(5, 6)), ("B/USDT", "1m", bars(2, 1, 2)), ("C/USDT", "1m", bars(0))
    )
    ack = store.put(mixed).result()
    assert (ack.rows, ack.duplicates) == (6, 1)
    store.close()
