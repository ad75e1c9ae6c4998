"""head and tail."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from flightstore_proto.schemas import CANDLES

ROWS = pa.table(
    [pa.array([0, 1_500_000], CANDLES.field("ts").type), *([[0.1, 1e-9]] * 5)], schema=CANDLES
)
ASKED = {
    "snapshot": None,
    "fill": None,
    "resample_from": None,
    "timezone": None,
    "closed": False,
    "output": "arrow",
}


def test_head_counts_from_the_start_and_tail_from_the_end(cli, db):
    db.answers |= {"candles": ROWS, "read": ROWS}
    cli("head", "a:B", "--timeframe", "1m", "-n", "3", "--columns", "close, volume")
    cli("tail", "a:B", "--dataset", "trades", "--start", "2024", "--snapshot", "s")
    (kind, first, head), (other, second, tail) = db.calls
    assert (kind, first) == ("candles", ("a:B", "1m", None, None))
    assert head == {**ASKED, "columns": ["close", "volume"], "limit": 3}
    assert (other, second) == ("read", ("trades", "a:B", "", "2024", None))
    assert tail == {**ASKED, "columns": None, "tail": 10, "snapshot": "s"}


@pytest.mark.parametrize("command", ["head", "tail"])
def test_candles_are_shaped_as_they_are_asked_for(cli, db, command):
    db.answers["candles"] = ROWS
    cli(command, "a:B", "-t", "3h", "--from", "trades", "--timezone", "Asia/Tokyo", "--closed")
    cli(command, "a:B", "-t", "3h", "--fill", "ffill")
    made, filled = (options for _, _, options in db.calls)
    assert (made["resample_from"], made["timezone"]) == ("trades", "Asia/Tokyo")
    assert (made["closed"], made["fill"]) == (True, None)
    assert (filled["closed"], filled["fill"]) == (False, "ffill")


@pytest.mark.parametrize("option", [("--fill", "null"), ("--from", "1m"), ("--closed",)])
def test_what_is_followed_is_not_shaped(cli, db, option):
    result = cli("tail", "a:B", "-t", "1m", "--follow", *option)
    assert result.code == 2
    assert "--follow goes without" in result.err


def test_rows_are_a_table_for_people(cli, db):
    db.answers["candles"] = ROWS
    out = cli("head", "a:B", "-t", "1m").out
    assert "1970-01-01T00:00:00.0015Z" in out
    assert "1e-09" in out


def test_rows_are_json_for_machines(cli, db):
    db.answers["candles"] = ROWS
    first, second = json.loads(cli("tail", "a:B", "-t", "1m", "--json").out)
    assert first["ts"] == "1970-01-01T00:00:00Z"
    assert second["close"] == 1e-9


def test_rows_are_csv_for_pipes(cli, db):
    db.answers["candles"] = ROWS
    assert cli("head", "a:B", "-t", "1m", "--csv").out.splitlines()[:2] == [
        "ts,open,high,low,close,volume",
        "1970-01-01T00:00:00.000000Z,0.1,0.1,0.1,0.1,0.1",
    ]


def test_no_rows_are_said(cli, db):
    db.answers["candles"] = CANDLES.empty_table()
    assert cli("head", "a:B", "-t", "1m").err == "No rows in that range.\n"
    assert cli("head", "a:B", "-t", "1m", "--json").out == "[]\n"
    assert cli("head", "a:B", "-t", "1m", "--csv").out == "ts,open,high,low,close,volume\n"


def test_json_and_csv_exclude_each_other(cli, db):
    db.answers["candles"] = ROWS
    assert cli("head", "a:B", "-t", "1m", "--csv", "--json").code == 2
