"""flightstore sql."""

from __future__ import annotations

import io
import json
from datetime import date, timedelta

import pyarrow as pa

ROWS = pa.table(
    {
        "day": pa.array([date(2024, 1, 1), None]),
        "ts": pa.array([0, 1_500_000], pa.timestamp("ns", "UTC")),
        "close": [0.1, 1e-9],
        "apart": pa.array([timedelta(minutes=1), None], pa.duration("ns")),
        "all": [[1, 2], None],
    }
)


def test_the_query_is_handed_on(cli, db):
    db.answers["sql"] = ROWS
    cli("sql", "select 1", "--timeout", "2", "--snapshot", "s")
    assert db.calls == [
        (
            "sql",
            ("select 1",),
            {"snapshot": "s", "timeout": 2.0, "explain": False, "output": "arrow"},
        )
    ]


def test_a_dash_reads_the_query_from_stdin(cli, db, monkeypatch):
    db.answers["sql"] = ROWS
    monkeypatch.setattr("sys.stdin", io.StringIO("select 2"))
    cli("sql", "-")
    assert db.calls[0][1] == ("select 2",)


def test_rows_are_a_table_for_people(cli, db):
    db.answers["sql"] = ROWS
    out = cli("sql", "select 1").out
    assert "2024-01-01" in out
    assert "0:01:00" in out
    assert "[1, 2]" in out


def test_rows_are_json_for_machines(cli, db):
    db.answers["sql"] = ROWS
    first, second = json.loads(cli("sql", "select 1", "--format", "json").out)
    assert first == {
        "day": "2024-01-01",
        "ts": "1970-01-01T00:00:00Z",
        "close": 0.1,
        "apart": "0:01:00",
        "all": "[1, 2]",
    }
    assert second["day"] is None


def test_rows_are_csv_for_pipes(cli, db):
    db.answers["sql"] = ROWS
    lines = cli("sql", "select 1", "-f", "csv").out.splitlines()
    assert lines[0] == "day,ts,close,apart,all"
    assert lines[1].replace('"', "") == "2024-01-01,1970-01-01T00:00:00.000000Z,0.1,0:01:00,[1, 2]"


def test_the_plan_is_printed_as_it_is(cli, db):
    db.answers["sql"] = "SCAN\n  all"
    assert cli("sql", "select 1", "--explain").out == "SCAN\n  all\n"


def test_no_rows_are_said(cli, db):
    db.answers["sql"] = ROWS.slice(0, 0)
    assert cli("sql", "select 1").err == "No rows.\n"
    assert cli("sql", "select 1", "-f", "json").out == "[]\n"
