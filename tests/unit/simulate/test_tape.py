from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.feather
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.simulate.conftest import BTC, DAY, MINUTE, SECOND, START, every_second

from flightstore_ingest.simulate import Bar, Market, Tape, Trade, seeded
from flightstore_ingest.simulate.recorded import bars_of_csv, trades_of_feather
from flightstore_proto.errors import BadTimeframe
from flightstore_proto.schemas import CANDLES, TRADES


def naive_bars(trades: list[Trade], step: int) -> dict[int, tuple[float, ...]]:
    found: dict[int, list[Trade]] = {}
    for trade in trades:
        found.setdefault(trade.ts - trade.ts % step, []).append(trade)
    return {
        ts: (
            some[0].price,
            max(t.price for t in some),
            min(t.price for t in some),
            some[-1].price,
            round(sum(t.amount for t in some), 5),
        )
        for ts, some in found.items()
    }


@pytest.mark.parametrize(("timeframe", "step"), [("1m", MINUTE), ("5m", 5 * MINUTE), ("1d", DAY)])
def test_bars_are_what_their_trades_make(tape: Tape, timeframe: str, step: int) -> None:
    bars = {bar.ts: tuple(bar[1:6]) for bar in tape.bars(timeframe)}
    assert bars == naive_bars(tape.rows(0, len(tape.trades)), step)


def test_the_open_bar_knows_only_what_has_happened() -> None:
    tape = Tape(BTC, every_second(90))
    bar = tape.bars("1m", now=START + 69 * SECOND)[-1]
    assert (bar.ts, bar.trades, bar.close) == (START + MINUTE, 10, 100.69)


def test_the_future_cannot_be_seen() -> None:
    tape = Tape(BTC, every_second(90))
    now = START + 10 * SECOND
    assert tape.newest(5, now=now)[-1].ts == now
    assert tape.trades_between(now=now)[-1].ts == now
    assert tape.trades_from_id(1_050, 5, now=now) == []
    assert tape.trade_at_or_after(now + 1, now=now) is None
    assert tape.bars("1m", START + MINUTE, now=now) == []


def test_trades_are_found_by_time_and_by_id() -> None:
    tape = Tape(BTC, every_second(90))
    assert [t.id for t in tape.trades_from_id(1_088, 5)] == [1_088, 1_089, 1_090]
    assert [t.id for t in tape.trades_before_id(1_003, 5)] == [1_001, 1_002]
    assert [t.id for t in tape.trades_before_id(1_050, 2)] == [1_048, 1_049]
    between = tape.trades_between(START + SECOND, START + 4 * SECOND)
    assert [t.id for t in between] == [1_002, 1_003, 1_004]
    before = tape.last_before(START + SECOND)
    assert before is not None and before.id == 1_001


def test_trades_of_one_moment_are_all_there() -> None:
    crowd = [Trade(START, 10 + i, 100.0, 1.0, 1) for i in range(5)]
    tape = Tape(BTC, crowd)
    assert tape.trades_between(START, START + 1) == crowd
    assert tape.visible(START) == 5
    assert tape.visible(START - 1) == 0


def quiet_tape(rule: str, outages: tuple[tuple[int, int], ...] = ()) -> Tape:
    """A trade at the beginning and one in the tenth minute."""
    trades = [Trade(START, 1, 100.0, 1.0, 1), Trade(START + 9 * MINUTE, 2, 101.0, 2.0, -1)]
    return Tape(BTC, trades, quiet=rule, outages=outages)


def minutes(bars: list[Bar]) -> list[int]:
    return [(bar.ts - START) // MINUTE for bar in bars]


def test_a_quiet_minute_is_left_out_or_flat_as_the_rule_says() -> None:
    now = START + 11 * MINUTE
    assert minutes(quiet_tape("omitted").bars("1m", now=now)) == [0, 9]
    flat = quiet_tape("flat").bars("1m", now=now)
    assert minutes(flat) == list(range(12))
    assert flat[3] == Bar(START + 3 * MINUTE, 100.0, 100.0, 100.0, 100.0, 0.0)
    assert flat[11].close == 101.0


def test_there_is_not_even_a_flat_bar_during_an_outage() -> None:
    down = (START + 2 * MINUTE + SECOND, START + 6 * MINUTE)
    tape = quiet_tape("flat", (down,))
    bars = tape.bars("1m", now=START + 10 * MINUTE)
    assert minutes(bars) == [0, 1, 2, 6, 7, 8, 9, 10]


def test_a_page_is_full_although_an_outage_lies_in_it() -> None:
    tape = quiet_tape("flat", ((START + 2 * MINUTE, START + 6 * MINUTE),))
    now = START + 10 * MINUTE
    assert minutes(tape.bars("1m", limit=4, now=now)) == [0, 1, 6, 7]
    assert minutes(tape.bars("1m", limit=7, now=now, newest=True)) == [0, 1, 6, 7, 8, 9, 10][-7:]


@given(
    start=st.integers(-3, 14),
    end=st.integers(-3, 14),
    limit=st.integers(1, 14),
    rule=st.sampled_from(["flat", "omitted"]),
    newest=st.booleans(),
)
def test_a_page_is_a_part_of_all_bars(
    start: int, end: int, limit: int, rule: str, newest: bool
) -> None:
    tape = quiet_tape(rule, ((START + 2 * MINUTE, START + 5 * MINUTE + SECOND),))
    now = START + 12 * MINUTE
    first, last = START + start * MINUTE, START + end * MINUTE
    inside = [bar for bar in tape.bars("1m", now=now) if first <= bar.ts < last]
    page = tape.bars("1m", first, last, limit, now=now, newest=newest)
    assert page == (inside[-limit:] if newest else inside[:limit])


def test_a_correction_is_seen_from_its_moment_on() -> None:
    tape = Tape(BTC, every_second(120))
    true = tape.bars("1m", now=START + 2 * MINUTE)[0]
    tape.correct("1m", START, true._replace(close=7.0), at=START + 5 * MINUTE)
    assert tape.bars("1m", now=START + 5 * MINUTE - 1)[0] == true
    assert tape.bars("1m", now=START + 5 * MINUTE)[0].close == 7.0


def test_a_tape_can_be_written_on_while_it_is_read() -> None:
    trades = every_second(150)
    tape = Tape(BTC, trades[:100])
    assert len(tape.bars("1m")) == 2
    tape.add(trades[100:])
    assert tape.bars("1m") == Tape(BTC, trades).bars("1m")


def test_trades_out_of_order_are_refused() -> None:
    tape = Tape(BTC, every_second(3))
    with pytest.raises(ValueError, match="not sorted by time"):
        tape.add([Trade(START - 1, 2_000, 1.0, 1.0, 1)])
    with pytest.raises(ValueError, match="down"):
        Tape(BTC, every_second(3), outages=[(START, START + SECOND)])


def test_tables_have_the_columns_of_the_store(tape: Tape) -> None:
    now = START + 90 * MINUTE + SECOND
    trades, bars = tape.table(now=now), tape.bar_table("1m", now=now)
    assert trades.schema == TRADES
    assert bars.schema == CANDLES
    assert trades.num_rows == tape.visible(now)
    assert pc.max(bars["ts"]).value == START + 89 * MINUTE, "the open bar is none of them"
    assert pc.sum(bars["volume"]).as_py() == pytest.approx(
        sum(t.amount for t in tape.trades_between(end=START + 90 * MINUTE))
    )


def test_aggregates_hold_the_same_amounts_as_their_trades(tape: Tape) -> None:
    start, now = START + 10 * MINUTE, START + 90 * MINUTE
    aggregates, trades = tape.aggregate_table(start, now=now), tape.table(start, now=now)
    assert aggregates.schema == TRADES
    assert 0 < aggregates.num_rows < trades.num_rows
    assert pc.sum(aggregates["amount"]).as_py() == pytest.approx(pc.sum(trades["amount"]).as_py())
    assert aggregates["id"][0].as_py() != trades["id"][0].as_py()


def test_months_are_not_offered(tape: Tape) -> None:
    with pytest.raises(BadTimeframe):
        tape.bars("1M")


def test_recorded_bars_stand_for_themselves_and_for_longer_ones() -> None:
    bars = [Bar(START + i * MINUTE, 10.0 + i, 12.0 + i, 9.0, 11.0, 2.0) for i in range(10)]
    tape = Tape(BTC, bars={"1m": bars})
    assert tape.bars("1m") == bars
    five = tape.bars("5m")
    assert [tuple(bar[:6]) for bar in five] == [
        (START, 10.0, 16.0, 9.0, 11.0, 10.0),
        (START + 5 * MINUTE, 15.0, 21.0, 9.0, 11.0, 10.0),
    ]


def test_a_recorded_bar_that_is_open_is_not_yet_what_it_will_be() -> None:
    bars = [Bar(START, 10.0, 12.0, 9.0, 11.0, 2.0)]
    tape = Tape(BTC, bars={"1m": bars})
    assert tape.bars("1m", now=START + SECOND) != bars
    assert tape.bars("1m", now=START + MINUTE) == bars


def test_the_same_seed_gives_the_same_tape() -> None:
    one, other = (seeded(BTC, START, START + DAY // 24, 30, seed=3) for _ in range(2))
    assert one.table().equals(other.table())
    another = seeded(BTC, START, START + DAY // 24, 30, seed=4)
    assert not one.table().equals(another.table())


def test_a_seeded_tape_has_crowds_and_quiet_minutes_on_the_grid_of_its_market() -> None:
    market = Market("ETH/USDT", price_step=0.5, amount_step=0.001)
    tape = seeded(market, START, START + DAY // 4, 40, seed=1, quiet_share=0.1)
    trades = tape.rows(0, len(tape.trades))
    moments = [t.ts for t in trades]
    assert len(set(moments)) < len(moments)
    assert 300 < len(tape.bars("1m")) < 360
    assert all(t.price % 0.5 == 0 and t.amount == round(t.amount, 3) > 0 for t in trades)
    assert {t.side for t in trades} == {-1, 1}


def test_a_seeded_tape_is_silent_during_outages() -> None:
    down = (START + 10 * MINUTE, START + 20 * MINUTE)
    tape = seeded(BTC, START, START + 30 * MINUTE, 60, outages=[down])
    assert tape.trades_between(*down) == []
    assert tape.trades_between(down[1])


@pytest.mark.data
def test_recorded_trades_make_the_bars_that_were_recorded_with_them(market_data: Path) -> None:
    market = Market("XRP/ETH", price_step=1e-8, amount_step=1.0)
    tape = trades_of_feather(market_data / "freqtrade/XRP_ETH-trades.feather", market)
    theirs = pyarrow.feather.read_table(market_data / "freqtrade/XRP_ETH-1m.feather")
    tape.quiet = "flat"
    ours = tape.bar_table("1m")
    both = theirs.filter(pc.is_in(theirs["date"], ours["ts"]))
    mine = ours.filter(pc.is_in(ours["ts"], theirs["date"]))
    assert both.num_rows > 2_400
    assert mine["volume"].to_pylist() == both["volume"].to_pylist()
    assert mine["close"].to_pylist() == both["close"].to_pylist()


@pytest.mark.data
def test_a_recorded_csv_becomes_a_tape(market_data: Path) -> None:
    market = Market("XRP/USD", price_step=1e-5, amount_step=1e-8)
    tape = bars_of_csv(market_data / "bitfinex/XRPUSD_1m_2019Q4.csv.xz", market)
    assert tape.bar_table("1m").num_rows == 102_978
    assert tape.bars("1m")[0].ts == 1_569_888_000 * SECOND
