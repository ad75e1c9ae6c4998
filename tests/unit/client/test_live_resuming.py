"""A live stream that breaks off goes on where it was, without a gap and without a duplicate."""

from __future__ import annotations

import pyarrow as pa
import pytest
from tests.unit.client.live_script import LiveScript, Step

import flightstore as fs
from flightstore_proto.schemas import CANDLES, TRADES


@pytest.fixture
def script(server, fake, monkeypatch) -> LiveScript:
    monkeypatch.setattr("flightstore._live.follower._PAUSE_MIN", 0.001)
    return LiveScript(server, fake.stream, CANDLES)


def trades(fake, *rows: tuple[int, str]) -> pa.Table:
    """Trades of price 1: (minute, id)."""
    ts = [fake.start_ns + minute * fake.minute_ns for minute, _ in rows]
    ones = [1.0] * len(rows)
    columns = [
        pa.array(ts, TRADES.field("ts").type),
        [i for _, i in rows],
        ones,
        ones,
        [1] * len(rows),
    ]
    return pa.table(columns, schema=TRADES)


def taken(live, count: int) -> list[fs.LiveBatch]:
    return [next(live) for _ in range(count)]


def lost(fake):
    return fake.refusal("unavailable", "Restarting.")


@pytest.mark.parametrize("end", ["error", "silence"])
def test_a_stream_goes_on_after_the_last_commit_that_came(script, db, fake, end) -> None:
    broken = lost(fake) if end == "error" else None
    script.episode(Step(4, {"x:Y": fake.candles(1)}), Step(6), broken)
    script.episode(lost(fake))
    script.episode(Step(7, {"x:Y": fake.candles(1, first=1)}))
    with db.live("x:Y", "1m") as live:
        assert [batch.lsn for batch in taken(live, 2)] == [4, 7]
    fresh, *again = script.asked
    assert not fresh.HasField("after_lsn")
    assert [asked.after_lsn for asked in again] == [6, 6]
    assert not any(asked.HasField("start") for asked in again)


def test_a_history_goes_on_after_the_last_row_that_came(script, db, fake) -> None:
    script.episode(
        Step(4, {"a:X": fake.candles(3), "b:Y": fake.candles(1)}, history=True),
        Step(4, {"b:Y": fake.candles(2, first=1)}, history=True),
        lost(fake),
    )
    script.episode(Step(9, {"c:Z": fake.candles(1)}, history=True), lost(fake))
    script.episode(Step(10, {"c:Z": fake.candles(1, first=1)}))
    with db.live("*", "1m", "2024") as live:
        batches = taken(live, 4)
    assert [batch.history for batch in batches] == [True, True, True, False]
    _, second, third = script.asked
    assert (second.start, second.after_lsn) == (fake.start_ns, 4)
    last = second.delivered
    assert (last.instrument, last.ts, last.rows) == ("b:Y", fake.start_ns + 2 * fake.minute_ns, 1)
    # Changes after the LSN of the first part may still be to come.
    assert (third.after_lsn, third.delivered.instrument) == (4, "c:Z")


def test_rows_of_one_time_are_counted_over_several_batches(script, server, db, fake) -> None:
    script.schema = TRADES
    script.episode(
        Step(4, {"a:X": trades(fake, (0, "1"), (1, "2"), (1, "3"))}, history=True),
        Step(4, {"a:X": trades(fake, (1, "4"))}, history=True),
        Step(4, {"a:X": trades(fake, (1, "5"))}, history=True),
        lost(fake),
    )
    script.episode(Step(5))
    with db.live("a:X", start="2024", dataset="trades") as live:
        taken(live, 3)
        fake.wait_until(lambda: len(script.asked) == 2)
    assert script.asked[1].delivered.rows == 4


def test_a_history_of_which_nothing_came_is_asked_for_again(script, db, fake) -> None:
    script.episode(Step(4, history=True), lost(fake))
    script.episode(Step(5, {"x:Y": fake.candles(1)}, history=True))
    with db.live("x:Y", "1m", "-1h") as live:
        taken(live, 1)
    first, second = script.asked
    assert first == second  # and not one that is a moment later


def test_a_server_that_stays_away_is_given_up_after_the_time_that_was_said(
    script, db, fake
) -> None:
    script.episode(Step(4, {"x:Y": fake.candles(1)}), lost(fake))
    with db.live("x:Y", "1m", reconnect_seconds=0) as live:
        taken(live, 1)
        with pytest.raises(fs.Unavailable, match="Restarting"):
            next(live)


def test_the_first_connection_is_tried_as_often_as_any_call(script, server, db, fake) -> None:
    for _ in range(3):
        script.episode(lost(fake))
    with pytest.raises(fs.Unavailable):
        db.live("x:Y", "1m")
    assert len(script.asked) == 3


def test_a_server_that_is_full_is_asked_again_only_by_who_had_a_place(script, db, fake) -> None:
    full = fake.refusal("overloaded", "Too many streams.")
    script.episode(full)
    with pytest.raises(fs.Overloaded):
        db.live("x:Y", "1m")
    script.episode(Step(4, {"x:Y": fake.candles(1)}), lost(fake))
    script.episode(full)
    script.episode(Step(5, {"x:Y": fake.candles(1)}))
    with db.live("x:Y", "1m") as live:
        assert [batch.lsn for batch in taken(live, 2)] == [4, 5]


def test_a_position_that_is_too_old_is_raised_if_that_is_wanted(script, db, fake) -> None:
    script.episode(
        Step(4, {"x:Y": fake.candles(1)}), fake.refusal("lagged", "The log begins at 90.")
    )
    with db.live("x:Y", "1m", on_lag="raise") as live:
        taken(live, 1)
        with pytest.raises(fs.Lagged, match="90"):
            next(live)


def test_what_the_log_has_lost_is_read_again(script, db, fake) -> None:
    changed = fake.candles(3, first=4).set_column(5, CANDLES.field("volume"), pa.array([9.0] * 3))
    script.episode(
        Step(4, {"a:X": fake.candles(5), "b:Y": fake.candles(3)}),
        fake.refusal("lagged", "The log begins at 90."),
    )
    script.episode(
        # Of a:X rows that were delivered, of b:Y one that was, of c:Z none.
        Step(95, {"a:X": fake.candles(3, first=2), "b:Y": fake.candles(3, first=2)}, history=True),
        Step(95, {"a:X": changed, "c:Z": fake.candles(1, first=2)}, history=True),
        Step(96, {"b:Y": fake.candles(1)}),
    )
    with db.live("*", "1m") as live:
        _, first, second, third = taken(live, 4)
    assert [batch.bridged for batch in (first, second, third)] == [True, True, False]
    again = script.asked[1]
    assert again.start == fake.start_ns + 2 * fake.minute_ns
    assert not again.HasField("after_lsn")
    assert first.instruments == ["b:Y"]
    assert first.frame["close"].to_list() == [3.0, 4.0]
    assert second.frame["close"].to_list() == [4.0, 5.0, 6.0, 2.0]
    assert second.instruments == ["a:X", "c:Z"]
    assert third.frame["close"].to_list() == [0.0]  # a change of an old row that is in the log


def test_trades_of_the_last_time_are_told_apart(script, db, fake) -> None:
    script.schema = TRADES
    script.episode(
        Step(4, {"a:X": trades(fake, (0, "1"), (1, "2"))}),
        Step(5, {"a:X": trades(fake, (1, "3"))}),
        fake.refusal("lagged", "The log begins at 90."),
    )
    again = trades(fake, (1, "2"), (1, "3"), (1, "4"), (2, "5"))
    script.episode(Step(95, {"a:X": again}, history=True))
    with db.live("a:X", dataset="trades") as live:
        assert taken(live, 3)[2].frame["id"].to_list() == ["4", "5"]


def test_a_bridge_that_breaks_off_goes_on(script, db, fake) -> None:
    script.episode(Step(4, {"x:Y": fake.candles(1)}), fake.refusal("lagged", "Begins at 90."))
    script.episode(Step(95, {"x:Y": fake.candles(3)}, history=True), lost(fake))
    script.episode(Step(97, {"x:Y": fake.candles(2, first=3)}, history=True), Step(98))
    with db.live("x:Y", "1m") as live:
        batches = taken(live, 3)
    closes = [close for batch in batches for close in batch.frame["close"]]
    assert closes == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert [batch.bridged for batch in batches] == [False, True, True]
    third = script.asked[2]
    assert (third.start, third.after_lsn, third.delivered.rows) == (fake.start_ns, 95, 1)


def test_a_start_says_where_a_lost_position_begins_again(script, db, fake) -> None:
    script.episode(fake.refusal("lagged", "The log begins at 90."))
    script.episode(Step(95, {"x:Y": fake.candles(1)}, history=True))
    with db.live("x:Y", "1m", "2024", after_lsn=3) as live:
        assert next(live).bridged
    first, second = script.asked
    assert not first.HasField("start")
    assert (first.after_lsn, second.start) == (3, fake.start_ns)


def test_a_lost_position_without_anything_to_begin_from_is_raised(script, db, fake) -> None:
    script.episode(fake.refusal("lagged", "The log begins at 90."))
    with pytest.raises(fs.Lagged):
        db.live("x:Y", "1m", after_lsn=3)


def test_a_series_that_was_deleted_is_bridged_as_a_new_one(script, db, fake) -> None:
    script.episode(
        Step(4, {"a:X": fake.candles(9), "b:Y": fake.candles(2)}),
        Step(5, {"a:X": fake.candles(3)}, deletes=[("a:X", None, None)]),
        fake.refusal("lagged", "The log begins at 90."),
    )
    script.episode(Step(95, {"a:X": fake.candles(5), "b:Y": fake.candles(2)}, history=True))
    with db.live("*", "1m") as live:
        bridged = taken(live, 3)[2]
    assert bridged.instruments == ["a:X"]
    assert bridged.frame["close"].to_list() == [3.0, 4.0]
