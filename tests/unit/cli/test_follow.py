"""tail --follow."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from tests.unit.cli.recorder import Recorder, Stream

import flightstore as fs
from flightstore._identity import Runs
from flightstore_proto import flightstore_pb2 as pb
from flightstore_proto.schemas import CANDLES

MINUTE_NS = 60_000_000_000
COLUMNS = ["ts", "close"]


def bars(*rows: tuple[int, float]) -> pa.Table:
    """Columns ts and close of (minute, close)."""
    ts = pa.array([minute * MINUTE_NS for minute, _ in rows], CANDLES.field("ts").type)
    return pa.table([ts, pa.array([close for _, close in rows], pa.float64())], names=COLUMNS)


def live(table: pa.Table, lsn: int = 9, *, name: str = "a:B", single: bool = True, deletes=()):
    """One batch of a live stream."""
    [batch] = table.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], table.schema)]
    runs = Runs([name], [0], [batch.num_rows])
    return fs.LiveBatch(lsn, False, False, "candles", "1m", list(deletes), batch, runs, single)


@pytest.fixture
def following(db) -> Recorder:
    """A client that has three bars, the last of which changes."""
    db.answers["status"] = pb.Status(last_lsn=7)
    db.answers["read"] = bars((0, 1.0), (1, 12.5))
    db.answers["live"] = Stream(
        None, [live(bars((1, 13.25))), live(bars((2, 100.5))), KeyboardInterrupt()]
    )
    return db


def test_the_last_rows_are_followed_by_those_that_come(cli, following):
    result = cli("tail", "a:B", "-t", "1m", "-n", "2", "--columns", "close", "--follow")
    assert result.out.splitlines() == [
        "ts                    close",
        "1970-01-01T00:00:00Z    1.0",
        "1970-01-01T00:01:00Z   12.5",
        "1970-01-01T00:01:00Z  13.25",
        "1970-01-01T00:02:00Z  100.5",
    ]
    asked = {name: (arguments, options) for name, arguments, options in following.calls}
    assert asked["read"][1]["tail"] == 2
    assert asked["live"] == (
        ("a:B", "1m"),
        {"dataset": "candles", "columns": ["close"], "after_lsn": 7},
    )


def test_it_asks_for_the_position_before_it_reads(cli, following):
    cli("tail", "a:B", "-t", "1m", "-f")
    assert [name for name, _, _ in following.calls] == ["status", "read", "live"]


def test_an_interrupt_ends_it_quietly(cli, following):
    result = cli("tail", "a:B", "-t", "1m", "-f")
    assert (result.code, result.err.strip()) == (130, "")


def test_rows_that_were_shown_already_are_not_told_again(cli, following):
    again = [live(bars((0, 1.0), (1, 12.5), (2, 3.0))), live(bars((1, 12.5))), KeyboardInterrupt()]
    following.answers["live"] = Stream(None, again)
    out = cli("tail", "a:B", "-t", "1m", "-f", "--csv").out.splitlines()
    assert [line.split(",")[1] for line in out] == ["close", "1", "12.5", "3", "12.5"]


def test_json_is_one_object_a_line(cli, following):
    out = cli("tail", "a:B", "-t", "1m", "-f", "--json").out.splitlines()
    assert [json.loads(line)["close"] for line in out] == [1.0, 12.5, 13.25, 100.5]


def test_rows_of_a_pattern_say_whose_they_are(cli, db):
    names = [pa.array([part] * 2, pa.utf8()).dictionary_encode() for part in ("a", "B")]
    table = bars((0, 1.0), (1, 2.0))
    db.answers["status"] = pb.Status(last_lsn=7)
    db.answers["read"] = pa.table([*names, *table.columns], names=["exchange", "symbol", *COLUMNS])
    new = live(bars((0, 1.0)), name="binance:BTC/USDT", single=False)
    db.answers["live"] = Stream(None, [new, KeyboardInterrupt()])
    out = cli("tail", "*", "-t", "1m", "-f", "--columns", "close").out.splitlines()
    assert out[0].split() == ["exchange", "symbol", "ts", "close"]
    assert out[1].split() == ["a", "B", "1970-01-01T00:00:00Z", "1.0"]
    assert out[3].split() == ["binance", "BTC/USDT", "1970-01-01T00:00:00Z", "1.0"]


def test_deletes_are_remarks(cli, following):
    gone = [fs.Deleted("a:B", 0, MINUTE_NS), fs.Deleted("a:B", None, None)]
    following.answers["live"] = Stream(None, [live(bars(), deletes=gone), KeyboardInterrupt()])
    err = cli("tail", "a:B", "-t", "1m", "-f", "--json").err
    assert "Deleted: a:B in [1970-01-01T00:00:00Z, 1970-01-01T00:01:00Z)." in err
    assert "Deleted: a:B in [-∞, ∞)." in err


@pytest.mark.parametrize("other", [("--end", "2024"), ("--snapshot", "s"), ("--csv", "--json")])
def test_what_makes_no_sense_together_is_refused(cli, following, other):
    assert cli("tail", "a:B", "-t", "1m", "--follow", *other).code == 2
    assert following.calls == []
