"""delete, snapshot, backup, compact."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from tests.unit.cli.recorder import Ack

from flightstore_proto import flightstore_pb2 as pb

RANGE = ("--start", "2024-01-03", "--end", "2024-01-04")


@pytest.fixture
def terminal(monkeypatch):
    """Pretend that somebody sits there; what they type is read from stdin."""

    def typing(text: str) -> None:
        monkeypatch.setattr("typer.confirm", lambda *_, **__: text == "y")
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)

    return typing


def test_delete_takes_a_range_and_says_how_many_rows_it_removed(cli, db):
    db.answers["delete"] = Ack(7, 1440, 0)
    result = cli("delete", "a:B", "--timeframe", "1m", *RANGE, "--yes")
    assert result.out == "Deleted 1,440 rows.\n"
    [(_, arguments, options)] = db.calls
    assert arguments == ("a:B",)
    assert options == {
        "dataset": "candles",
        "timeframe": "1m",
        "start": "2024-01-03T00:00:00Z",
        "end": "2024-01-04T00:00:00Z",
    }


def test_delete_of_a_whole_series_needs_all(cli, db):
    db.answers["delete"] = Ack(7, 1, 0)
    assert cli("delete", "a:B", "-d", "trades", "--yes").code == 2
    assert cli("delete", "a:B", "-d", "trades", "--all", *RANGE, "--yes").code == 2
    assert db.calls == []
    out = cli("delete", "a:B", "-d", "trades", "--all", "--yes", "--json").out
    assert json.loads(out) == {"rows": 1, "lsn": 7}
    assert db.calls[0][2]["start"] is None


def test_delete_without_a_terminal_needs_yes(cli, db, monkeypatch):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    result = cli("delete", "a:B", "--timeframe", "1m", *RANGE)
    assert result.code == 2
    assert "give --yes" in result.err
    assert db.calls == []


def test_delete_asks_at_a_terminal(cli, db, terminal):
    db.answers["delete"] = Ack(7, 1, 0)
    terminal("n")
    assert cli("delete", "a:B", "--timeframe", "1m", *RANGE).code == 1
    assert db.calls == []
    terminal("y")
    assert cli("delete", "a:B", "--timeframe", "1m", *RANGE).code == 0
    assert len(db.calls) == 1


@dataclass(frozen=True)
class Snapshot:
    name: str
    lsn: int
    created: datetime
    series: int


SNAPSHOT = Snapshot("paper", 12, datetime(2024, 1, 2, tzinfo=UTC), 3)


def test_snapshots_are_made_listed_and_dropped(cli, db):
    db.answers |= {"snapshot": SNAPSHOT, "snapshots": [SNAPSHOT], "drop_snapshot": None}
    facts = {"name": "paper", "lsn": 12, "created": "2024-01-02T00:00:00Z", "series": 3}
    assert json.loads(cli("snapshot", "create", "paper", "--json").out) == facts
    assert json.loads(cli("snapshot", "list", "--json").out) == [facts]
    assert "paper" in cli("snapshot", "list").out
    assert cli("snapshot", "drop", "paper").out == "dropped  paper\n"
    assert [name for name, *_ in db.calls] == [
        "snapshot",
        "snapshots",
        "snapshots",
        "drop_snapshot",
    ]
    db.answers["snapshots"] = []
    assert cli("snapshot", "list").err == "There are no snapshots.\n"


def test_snapshots_may_be_messages_of_the_contract(cli, db):
    db.answers["snapshots"] = [pb.Snapshot(name="paper", lsn=12, created=10**9, series=3)]
    [found] = json.loads(cli("snapshot", "list", "--json").out)
    assert found["created"] == "1970-01-01T00:00:01Z"


def test_snapshot_without_a_verb_is_wrong_usage(cli):
    assert cli("snapshot").code == 2


def test_backup_and_compact_print_what_was_done(cli, db):
    db.answers["backup"] = pb.BackupResult(destination="/b", files=3, bytes=100, lsn=9)
    db.answers["compact"] = pb.CompactResult(merged_segments=4, new_segments=1, bytes_written=5)
    assert json.loads(cli("backup", "/b", "--json").out)["files"] == 3
    assert "merged_segments  4" in cli("compact", "--full").out
    assert db.calls == [("backup", ("/b",), {}), ("compact", (), {"full": True})]
