"""A row that is written again replaces the old one, wherever either of them lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations

import pyarrow as pa
import pytest
from tests.support.rows import MINUTE, NOON_2024, Bar, bars_of, candles, trades, trades_of
from tests.support.serving import Serving

import flightstore as fs
from flightstore_server.engine.limits import Limits

BTC = "binance:BTC/USDT"
BULK = Limits(bulk_put_bytes_min=1, bulk_run_bytes_min=1)
STAGES = ["", "flush", "tidy", "restart", "flush and restart"]


def _times(first: int, last: int) -> list[int]:
    return [NOON_2024 + minute * MINUTE for minute in range(first, last)]


def _bars(db: fs.Client) -> list[Bar]:
    return bars_of(db.candles(BTC, "1m", output="arrow").to_batches())


@pytest.fixture
def write(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, int, int, float], None]:
    """Write minutes [first, last) with one value, as a `small` put or a `bulk` one."""

    def put(kind: str, first: int, last: int, value: float) -> None:
        size = 1 if kind == "bulk" else 1 << 30
        writer = serving.store._preparer._bulk
        monkeypatch.setattr(
            writer,
            "_limits",
            replace(serving.limits, bulk_put_bytes_min=size, bulk_run_bytes_min=1),
        )
        serving.db.write(BTC, candles(_times(first, last), value), timeframe="1m")

    return put


def _advance(serving: Serving, stage: str) -> None:
    if "flush" in stage:
        serving.db.flush()
    if stage == "tidy":
        serving.tidy()
    if "restart" in stage:
        serving.restart()


@pytest.mark.parametrize("before_read", STAGES)
@pytest.mark.parametrize("between", STAGES)
@pytest.mark.parametrize("kinds", [("small", "bulk"), ("bulk", "small"), ("bulk", "bulk")])
def test_the_later_write_wins(
    serving: Serving,
    write: Callable[[str, int, int, float], None],
    kinds: tuple[str, str],
    between: str,
    before_read: str,
) -> None:
    write(kinds[0], 0, 20, 1.0)
    _advance(serving, between)
    write(kinds[1], 5, 10, 2.0)
    _advance(serving, before_read)
    assert [value for _, value in _bars(serving.db)] == [1.0] * 5 + [2.0] * 5 + [1.0] * 10


@pytest.mark.parametrize("kinds", sorted(set(permutations(["small", "small", "bulk", "flush"]))))
def test_three_writes_and_a_flush_in_any_order_leave_the_last_values(
    serving: Serving, write: Callable[[str, int, int, float], None], kinds: tuple[str, ...]
) -> None:
    expected: dict[int, float] = {}
    for number, kind in enumerate(kinds):
        if kind == "flush":
            serving.db.flush()
            continue
        write(kind, number * 3, number * 3 + 10, float(number + 1))
        expected |= dict.fromkeys(_times(number * 3, number * 3 + 10), float(number + 1))
    assert _bars(serving.db) == sorted(expected.items())
    serving.tidy()
    assert _bars(serving.db) == sorted(expected.items())


def test_the_same_rows_again_change_nothing(db: fs.Client) -> None:
    rows = candles(_times(0, 10), range(10))
    db.write(BTC, rows, timeframe="1m")
    before = db.candles(BTC, "1m")
    db.write(BTC, rows, timeframe="1m")
    assert db.candles(BTC, "1m").equals(before)


def test_trades_of_one_time_are_told_apart_by_their_id(db: fs.Client) -> None:
    rows = [(NOON_2024, "9", 1.0), (NOON_2024, "10", 2.0), (NOON_2024, "100", 3.0)]
    db.write(BTC, trades(rows[::-1]), dataset="trades")
    db.write(BTC, trades([(NOON_2024, "10", 9.0)]), dataset="trades")
    found = trades_of(db.trades(BTC, output="arrow").to_batches())
    assert found == [rows[0], (NOON_2024, "10", 9.0), rows[2]]


def test_of_rows_with_one_key_in_one_put_the_last_wins_and_is_reported(db: fs.Client) -> None:
    times = [NOON_2024, NOON_2024 + MINUTE, NOON_2024, NOON_2024]
    ack = db.write(BTC, candles(times, [1.0, 2.0, 3.0, 4.0]), timeframe="1m")
    assert (ack.rows, ack.duplicates) == (4, 2)
    assert _bars(db) == [(NOON_2024, 4.0), (NOON_2024 + MINUTE, 2.0)]


def test_rows_out_of_order_are_put_in_order(db: fs.Client) -> None:
    times = _times(0, 50)
    db.write(BTC, candles(times[::-1], range(50)), timeframe="1m")
    assert [ts for ts, _ in _bars(db)] == times


def test_late_rows_find_their_place(serving: Serving) -> None:
    serving.db.write(BTC, candles(_times(10, 20)), timeframe="1m")
    serving.db.flush()
    serving.db.write(BTC, candles(_times(0, 10)), timeframe="1m")
    assert [ts for ts, _ in _bars(serving.db)] == _times(0, 20)


def test_an_acknowledged_write_is_in_every_read_after_it(db: fs.Client) -> None:
    for number in range(50):
        db.write(BTC, candles(_times(number, number + 1), number), timeframe="1m")
        assert _bars(db)[-1] == (_times(number, number + 1)[0], float(number))


def test_every_acknowledgement_has_a_higher_lsn(db: fs.Client) -> None:
    lsns = [db.write(BTC, candles(_times(n, n + 1)), timeframe="1m").lsn for n in range(5)]
    assert lsns == sorted(set(lsns))


def test_a_read_stays_as_it_began_while_rows_are_replaced(serving: Serving) -> None:
    rows = 200_000
    serving.db.write(BTC, candles(_times(0, rows), 1.0), timeframe="1m")
    with serving.db.batches(BTC, "1m") as stream:
        first = next(stream)
        serving.db.write(BTC, candles(_times(0, rows), 2.0), timeframe="1m")
        serving.tidy()
        rest = pa.Table.from_batches(stream)
    assert first.num_rows + rest.num_rows == rows
    assert set(rest.column("close").unique().to_pylist()) == {1.0}
