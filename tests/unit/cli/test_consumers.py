"""sync, promote, and those who follow the log in status."""

from __future__ import annotations

import json

import flightstore as fs
from flightstore_proto import flightstore_pb2 as pb


def test_sync_waits_for_the_newest_record_or_a_given_one(cli, db):
    db.answers["sync"] = fs.SyncResult(9)
    assert cli("sync").out == "All have reached LSN 9.\n"
    assert json.loads(cli("sync", "4", "--consumer", "a", "--timeout", "2", "--json").out) == {
        "lsn": 9
    }
    assert [arguments for _, arguments, _ in db.calls] == [(None, None, 10.0), (4, ["a"], 2.0)]


def test_a_sync_that_fails_is_an_error(cli, db):
    db.answers["sync"] = fs.DeadlineExceeded("Not at LSN 9 after 10 s: mirror.")
    result = cli("sync")
    assert (result.code, result.err) == (1, "error: Not at LSN 9 after 10 s: mirror.\n")


def test_promote_says_what_the_server_is_now(cli, db):
    db.answers["promote"] = fs.Health(True, "1", False, "")
    assert "read_only  no" in cli("promote").out
    assert json.loads(cli("promote", "--json").out)["ready"] is True


def test_status_shows_how_far_behind_everybody_is(cli, db):
    mirror = pb.Consumer(name="mirror", kind="replica", lsn=4, state="retrying", errors=2)
    db.answers["status"] = fs.Status.of(pb.Status(last_lsn=10, consumers=[mirror]))
    *_, header, _, line = [text for text in cli("status").out.splitlines() if text.strip()]
    assert header.split() == ["consumer", "kind", "state", "lsn", "behind", "errors", "error"]
    assert line.split() == ["mirror", "replica", "retrying", "4", "6", "2", "-"]
    [consumer] = json.loads(cli("status", "--json").out)["consumers"]
    assert (consumer["name"], consumer["lsn"]) == ("mirror", 4)
